"""Shared links over HTTP: what their page shows and what it never does, when they open, and who may make them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.services.attachments.attachments import Attachments
from app.services.sharing.shares import Shares
from app.storage import messages
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import AttachmentRow, MessageRow, ShareRow
from tests.fakes.llm_providers import CALL, RESULT, FakeAssistant, FakeChat, Gate, delta, pieces
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.attachments import attach, make_picture
from tests.support.conversations import ChatClient, make_client, read_error, run_chat_server, store_messages
from tests.support.server import RunningServer, fake_settings, run_server

SAFE_TAGS = frozenset(
    (
        *(
            "html",
            "head",
            "meta",
            "title",
            "link",
            "body",
            "header",
            "span",
            "nav",
            "a",
            "main",
            "footer",
            "article",
        ),
        *(
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "p",
            "time",
            "div",
            "strong",
            "em",
            "code",
            "pre",
            "ul",
            "ol",
            "li",
        ),
        *("table", "thead", "tbody", "tr", "th", "td", "blockquote", "hr", "br", "sup", "s"),
    )
)
SAFE_ATTRIBUTES = frozenset(
    (
        *(
            "lang",
            "charset",
            "name",
            "content",
            "rel",
            "href",
            "type",
            "class",
            "hreflang",
            "dir",
            "datetime",
            "id",
        ),
        *("aria-label", "aria-labelledby", "tabindex", "role", "data-language", "start"),
    )
)


class Elements(HTMLParser):
    """The tags and attributes of a page, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {value or "" for name, value in attrs if name in ("href", "src")}

    def handle_data(self, data: str) -> None:
        self.words += data


def share(talk: ChatClient, conversation_id: str, **body: Any) -> dict[str, Any]:
    made = talk.http.post("/api/shares", json={"conversation_id": conversation_id, **body})
    assert made.status_code == 201, made.text
    told: dict[str, Any] = made.json()
    return told


def path_of(told: dict[str, Any]) -> str:
    return "/s/" + str(told["url"]).rpartition("/s/")[2]


@contextmanager
def stranger(served: RunningServer, language: str = "en") -> Iterator[httpx2.Client]:
    """A browser that has never been here."""
    headers = {"Accept": "text/html", "Accept-Language": language}
    with make_client(served, headers=headers) as http:
        yield http


def opened(served: RunningServer, told: dict[str, Any], query: str = "") -> str:
    with stranger(served) as http:
        page = http.get(path_of(told) + query)
    assert page.status_code == 200, page.text
    return page.text


def change_answer(served: RunningServer, message_id: str, **values: Any) -> None:
    """Give a stored answer what a provider could have brought."""

    async def change(database: Database) -> None:
        async with database.write() as session:
            row = await session.get(MessageRow, UUID(message_id))
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)

    use_database(served, change)


def use_database(served: RunningServer, work: Callable[[Database], Awaitable[None]]) -> None:
    """Use the database of a server in a loop of its own."""

    async def done() -> None:
        database = Database(served.resources.settings)
        await work(database)
        await database.aclose()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: asyncio.run(done())).result(60)


def test_a_stranger_reads_a_conversation_without_log_in_and_script() -> None:
    text = "# Head\n\nA **bold** answer\n\n```py\nprint('hi')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    with run_chat_server(FakeChat(pieces(text)), accounts=ACCOUNTS) as (talk, served):
        team = Team(served.resources.settings)
        talk.http.headers.update(make_bearer(team.token(team.add("ada"))))
        id_ = talk.conversation(title="Plans & <more>")
        talk.say(id_, "What\n  next?")
        told = share(talk, id_)
        with stranger(served) as http:
            page = http.get(path_of(told))
            style = http.get(re.findall(r'href="(/s/style[^"]+)"', page.text)[0])
            head = http.head(path_of(told))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-robots-tag"].startswith("noindex")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "set-cookie" not in page.headers
    assert (head.status_code, head.content) == (200, b"")
    assert style.headers["content-type"].startswith("text/css")
    assert '<meta name="robots" content="noindex' in page.text
    elements = Elements(page.text)
    assert elements.tags <= SAFE_TAGS, elements.tags - SAFE_TAGS
    assert elements.attributes <= SAFE_ATTRIBUTES, elements.attributes - SAFE_ATTRIBUTES
    for words in ("Plans & <more>", "What\n  next?", "bold", "print('hi')"):
        assert words in elements.words
    assert "<strong>bold</strong>" in page.text
    assert page.text.count("<h1") == 1


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "![x](https://evil.example/pixel.png)",
    "![x](data:image/png;base64,iVBORw0KGgo=)",
    "[x](javascript:alert(1))",
    "<style>*{display:none}</style><iframe src=//evil.example>",
    '</div></article></main><base href="https://evil.example">',
    '```"><script>alert(1)</script>\nx\n```',
]


def test_nothing_in_a_conversation_is_live() -> None:
    with run_chat_server() as (talk, served):
        id_ = talk.conversation(title=f"</title>{HOSTILE[0]}")
        store_messages(served, id_, [text for text in HOSTILE for _ in range(2)])
        elements = Elements(opened(served, share(talk, id_)))
    assert elements.tags <= SAFE_TAGS, elements.tags - SAFE_TAGS
    assert elements.attributes <= SAFE_ATTRIBUTES, elements.attributes - SAFE_ATTRIBUTES
    assert not [each for each in elements.addresses if each.lower().startswith(("javascript:", "data:"))]
    assert "alert(1)" in elements.words


SECRETS = {
    "owner": "ownercanary",
    "system prompt": "systemcanary obeys nobody",
    "thoughts": "thoughtcanary was thinking",
    "tool": "toolcanary_lookup",
    "argument": "argumentcanary-4711",
    "result": "resultcanary-0815",
    "error": "errorcanary upstream.internal",
    "connection": "connectioncanary",
    "provider": "providercanary",
    "other branch": "branchcanary was withdrawn",
    "later": "latercanary was said afterwards",
    "other conversation": "elsewherecanary",
    "renamed": "renamedcanary",
}


def test_the_page_tells_nothing_else_of_its_owner() -> None:
    """Secrets stand wherever something is stored; the page has the words of one branch."""
    model = FakeAssistant(
        [delta("", reasoning_content=SECRETS["thoughts"]), CALL, RESULT, delta("sent", finish="stop")]
    )
    with run_chat_server(model, accounts=ACCOUNTS) as (talk, served):
        team = Team(served.resources.settings)
        owner = team.add(SECRETS["owner"])
        talk.http.headers.update(make_bearer(team.token(owner)))
        other = talk.conversation(title=SECRETS["other conversation"])
        id_ = talk.conversation(title="Plans", system_prompt=SECRETS["system prompt"])
        asked, _ = talk.say(id_, SECRETS["other branch"])
        answered = talk.events(f"/api/messages/{asked}/edit", message="in the branch")
        answer = answered[0].data["message_id"]
        change_answer(
            served,
            answer,
            status="interrupted",
            model=f"my.{SECRETS['connection']}/gpt-test",
            provider=SECRETS["provider"],
            error={"code": "upstream_error", "message": SECRETS["error"], "note": None},
            usage={"prompt_tokens": 123456},
        )
        rows = talk.messages(id_, branches=True)
        assert any(row["reasoning"] == SECRETS["thoughts"] for row in rows)
        told = share(talk, id_)
        talk.say(id_, SECRETS["later"])
        talk.http.patch(f"/api/conversations/{id_}", json={"title": SECRETS["renamed"]})
        page = opened(served, told)
        with stranger(served) as http:
            headers = str(http.get(path_of(told)).headers)
        log = "\n".join(served.log)
    assert "in the branch" in page
    assert "gpt-test" in page
    assert "This answer was cut short." in page
    ids = {str(owner.id), id_, other, told["id"], *(row["id"] for row in rows)}
    for name, secret in {**SECRETS, **{each: each for each in ids}}.items():
        assert secret not in page, name
        assert secret not in headers, name
    for name in ("prompt_tokens", "123456", "send_email", "call_1", path_of(told).removeprefix("/s/")):
        assert name not in page, name
    assert path_of(told).removeprefix("/s/") not in log


def test_a_snapshot_is_frozen_and_a_live_link_follows(storage_settings: Settings) -> None:
    """On both databases."""
    with run_chat_server(storage=storage_settings.storage, data_dir=storage_settings.data_dir) as (
        talk,
        served,
    ):
        id_ = talk.conversation(title="Plans")
        asked, _ = talk.say(id_, "first words")
        snapshot, live = share(talk, id_), share(talk, id_, kind="live", expires_in_s=3600)
        assert (snapshot["kind"], live["kind"], live["expired"]) == ("snapshot", "live", False)
        before = opened(served, snapshot)
        talk.say(id_, "second words")
        talk.events(f"/api/messages/{asked}/edit", message="changed words")
        talk.http.patch(f"/api/conversations/{id_}", json={"title": "Renamed"})
        assert opened(served, snapshot) == before
        assert "first words" in before
        assert "Plans" in before
        now = opened(served, live)
        assert "changed words" in now
        assert "Renamed" in now
        assert "first words" not in now
        assert "The link ends on" in now
        listed = talk.http.get("/api/shares")
        assert listed.headers["cache-control"] == "no-store"
        assert listed.json() == [{**live, "title": "Renamed"}, snapshot]


def test_a_link_that_opens_nothing_does_not_say_why() -> None:
    with run_chat_server(accounts=ACCOUNTS) as (talk, served):
        team = Team(served.resources.settings)
        person = team.add("ada")
        talk.http.headers.update(make_bearer(team.token(person)))
        paths = {"unknown": "/s/" + "a" * 43, "malformed": "/s/x", "odd": "/s/%00%ff", "page": ""}

        def make(**body: Any) -> tuple[str, dict[str, Any]]:
            id_ = talk.conversation()
            talk.say(id_, "hello")
            return id_, share(talk, id_, **body)

        _, revoked = make()
        assert talk.http.delete(f"/api/shares/{revoked['id']}").json() == {"status": "deleted"}
        deleted_id, deleted = make(kind="live")
        talk.http.delete(f"/api/conversations/{deleted_id}")
        _, kept = make()
        paths["page"] = path_of(kept) + "?page=2"
        paths["no page"] = path_of(kept) + "?page=-1"
        paths |= {"revoked": path_of(revoked), "deleted": path_of(deleted), "cut": path_of(kept)[:-1]}
        with stranger(served) as http:
            assert http.get(path_of(kept)).status_code == 200
            team.disable(person)
            paths["disabled"] = path_of(kept)
            answers = {name: http.get(path) for name, path in paths.items()}
            spanish = http.get(paths["revoked"], headers={"Accept-Language": "es-MX,es;q=0.9"})
    assert {each.status_code for each in answers.values()} == {404}
    assert len({each.text for each in answers.values()}) == 1, answers
    assert len({frozenset(each.headers) for each in answers.values()}) == 1
    assert "There is nothing behind this link" in answers["unknown"].text
    assert '<html lang="es">' in spanish.text


def test_an_expired_link_opens_nothing_and_is_listed_as_such() -> None:
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        talk.say(id_, "hello")
        told = share(talk, id_, expires_in_s=60)
        assert "hello" in opened(served, told)
        end_now(served)
        with stranger(served) as http:
            assert http.get(path_of(told)).status_code == 404
        assert [each["expired"] for each in talk.http.get("/api/shares").json()] == [True]


def end_now(served: RunningServer) -> None:
    """Let an hour pass for all links."""

    async def change(database: Database) -> None:
        async with database.write() as session:
            await session.execute(update(ShareRow).values(expires_at=utc_now() - timedelta(hours=1)))

    use_database(served, change)


def test_the_page_speaks_the_readers_language_and_leads_to_the_other() -> None:
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        talk.say(id_, "hello")
        told = share(talk, id_)
        with stranger(served, "es") as http:
            spanish = http.get(path_of(told))
            english = http.get(path_of(told) + "?lang=en")
    assert (spanish.headers["content-language"], english.headers["content-language"]) == ("es", "en")
    assert spanish.headers["vary"] == "Accept-Language"
    assert ">Pregunta</h2>" in spanish.text
    assert '<a href="?lang=en" rel="nofollow" hreflang="en" lang="en">English</a>' in spanish.text
    assert ">Question</h2>" in english.text


def test_a_long_conversation_has_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which few messages are in memory at a time: each may be very long."""
    sizes: list[int] = []
    read_page = messages.read_page

    async def note_size(session: AsyncSession, conversation_id: UUID, ids: Sequence[UUID]) -> Any:
        sizes.append(len(ids))
        return await read_page(session, conversation_id, ids)

    monkeypatch.setattr(messages, "read_page", note_size)
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        store_messages(served, id_, [f"message {n}." for n in range(230)])
        told = share(talk, id_)
        first, last = opened(served, told), opened(served, told, "?page=3&lang=en")
    assert [n for n in (0, 99, 100, 229) if f"message {n}." in first] == [0, 99]
    assert [n for n in (0, 199, 200, 229) if f"message {n}." in last] == [200, 229]
    assert '<a rel="nofollow" href="?lang=en&amp;page=2">Later messages</a>' in first
    assert "Page 3 of 3" in last
    assert "Later messages" not in last
    assert sum(sizes) == 130
    assert max(sizes) <= 5


def test_right_to_left_text_stands_from_the_right() -> None:
    with run_chat_server() as (talk, served):
        id_ = talk.conversation(title="שלום עולם")
        store_messages(served, id_, ["שלום", "مرحبا بالعالم"])
        page = opened(served, share(talk, id_))
    assert '<h1 dir="rtl">' in page
    assert page.count('dir="rtl"') >= 3


def test_a_request_that_arrives_twice_makes_one_link() -> None:
    with run_chat_server() as (talk, _):
        id_ = talk.conversation()
        talk.say(id_, "hello")
        body, headers = {"conversation_id": id_}, {"Idempotency-Key": "once"}
        first, second = [talk.http.post("/api/shares", json=body, headers=headers) for _ in range(2)]
        assert first.json() == second.json()
        other = talk.http.post("/api/shares", json={**body, "kind": "live"}, headers=headers)
        assert read_error(other) == (409, "id_reused")
        assert len(talk.http.get("/api/shares").json()) == 1


def test_what_cannot_be_shared_is_refused_with_a_reason() -> None:
    with run_chat_server(sharing={"links": 1}) as (talk, _):
        empty, id_ = talk.conversation(), talk.conversation()

        def refusal(**body: Any) -> tuple[int, str]:
            return read_error(talk.http.post("/api/shares", json=body))

        assert refusal(conversation_id=empty) == (400, "bad_request")
        assert refusal(conversation_id="nonsense") == (404, "not_found")
        assert refusal(conversation_id=id_, kind="forever") == (400, "bad_request")
        assert refusal(conversation_id=id_, expires_in_s=1) == (400, "bad_request")
        assert refusal(conversation_id=id_, attachments="yes") == (400, "bad_request")
        assert refusal() == (400, "bad_request")
        talk.say(id_, "hello")
        share(talk, id_)
        assert refusal(conversation_id=id_) == (403, "forbidden")


def test_an_answer_under_way_is_shown_live_and_in_no_snapshot() -> None:
    gate = Gate()
    with run_chat_server(FakeChat(pieces("Hel", gate, "lo"))) as (talk, served):
        id_ = talk.conversation()
        asked = {"conversation_id": id_, "message": "hi"}
        with talk.http.stream("POST", "/api/chat/stream", json=asked) as streamed:
            lines = streamed.iter_lines()
            while "Hel" not in next(lines):
                pass
            assert read_error(talk.http.post("/api/shares", json={"conversation_id": id_})) == (409, "busy")
            live = share(talk, id_, kind="live")
            assert "This answer is still being written." in opened(served, live)
            gate.set()
            assert any("done" in line for line in lines)
        assert "Hello" in opened(served, live)


def test_an_address_that_asks_too_often_is_told_when_to_come_back() -> None:
    """Also where its links open nothing, and without a look at the database."""
    with run_chat_server(sharing={"requests_per_minute": 3}) as (talk, served), stranger(served) as http:
        id_ = talk.conversation()
        talk.say(id_, "hello")
        told = share(talk, id_)
        statuses = [http.get(path).status_code for path in (path_of(told), "/s/x", path_of(told), "/s/y")]
        refused = http.get(path_of(told))
        assert talk.http.get("/api/shares").status_code == 200
    assert statuses == [200, 404, 200, 429]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "Too many requests" in refused.text
    assert refused.headers["cache-control"] == "no-store"


def test_where_sharing_is_off_nothing_opens_and_links_can_be_revoked(tmp_path: Path) -> None:
    with run_chat_server(data_dir=tmp_path) as (talk, served):
        id_ = talk.conversation()
        talk.say(id_, "hello")
        told = share(talk, id_)
        assert talk.http.get("/api/auth/me").json()["sharing"] == "machine"
        unknown = opened_anyhow(served, "/s/" + "a" * 43)
    with run_chat_server(data_dir=tmp_path, sharing={"enabled": False}) as (talk, served):
        assert talk.http.get("/api/auth/me").json()["sharing"] == "off"
        refused = talk.http.post("/api/shares", json={"conversation_id": id_})
        assert read_error(refused) == (403, "sharing_off")
        assert opened_anyhow(served, path_of(told)) == unknown
        assert [each["id"] for each in talk.http.get("/api/shares").json()] == [told["id"]]
        assert talk.http.delete(f"/api/shares/{told['id']}").status_code == 200
        again = talk.http.delete(f"/api/shares/{told['id']}")
        assert read_error(again) == (404, "not_found")


def opened_anyhow(served: RunningServer, path: str) -> tuple[int, str]:
    with stranger(served) as http:
        page = http.get(path)
    return page.status_code, page.text


@pytest.mark.parametrize(
    ("fields", "sharing"),
    [
        ({}, "machine"),
        ({"host": "0.0.0.0", "insecure": True}, "network"),
        ({"insecure": True}, "machine"),
        ({"accounts": ACCOUNTS}, "network"),
    ],
)
def test_it_is_told_from_where_a_link_opens(fields: dict[str, Any], sharing: str) -> None:
    settings = Settings(_env_file=None, **fields)
    database = Database(settings)
    assert Shares(settings, database, Attachments(settings, database)).sharing == sharing


def test_no_log_has_a_token(tmp_path: Path) -> None:
    """Neither that of a web server which logs each request, nor that of a fault, nor the metrics."""
    with run_chat_server(data_dir=tmp_path) as (talk, served):
        id_ = talk.conversation()
        talk.say(id_, "hello")
        told = share(talk, id_)
        token = path_of(told).removeprefix("/s/")
        opened(served, told)
        metrics = talk.http.get("/metrics").text
        first_log = "\n".join(served.log)
    with run_server(fake_settings(data_dir=tmp_path), access_log=True, log_level="trace") as served:
        opened(served, told)
        opened(served, told, "?lang=es")
        broken = served.resources.shares

        async def fail(*_: object) -> None:
            raise ValueError(token)

        broken.read = fail  # type: ignore[method-assign, assignment]  # a fault of ours
        assert opened_anyhow(served, path_of(told))[0] == 500
        log = "\n".join(served.log)
    assert "GET /s/… HTTP" in log
    assert "unexpected ValueError on /s/…" in log
    for text in (first_log, metrics, log):
        assert token not in text


def test_files_are_shown_where_that_was_chosen_and_nothing_in_them_runs() -> None:
    with run_chat_server(FakeChat(pieces("I see"))) as (talk, served):
        id_ = talk.conversation()
        picture = attach(talk, make_picture(), "canary picture.jpg")
        page = attach(talk, b"<script>alert(1)</script>", "canary <b>.html.txt")
        talk.say(id_, "look", attachments=[picture["id"], page["id"]], attachments_as_text=True)
        told, bare = share(talk, id_, attachments=True), share(talk, id_)
        base = path_of(told)
        shown, without = opened(served, told), opened(served, bare)
        with stranger(served) as http:
            small = http.get(f"{base}/files/0-0?small=1")
            whole = http.get(f"{base}/files/0-0")
            text = http.get(f"{base}/files/0-1")
            part = http.get(f"{base}/files/0-1", headers={"Range": "bytes=1-6"})
            missing = {
                each: http.get(each)
                for each in (
                    f"{base}/files/0-2",
                    f"{base}/files/9-0",
                    f"{base}/files/x",
                    f"{base}/files/-1-0",
                    f"{path_of(bare)}/files/0-0",
                    f"/s/{'a' * 43}/files/0-0",
                )
            }
            talk.http.delete(f"/api/attachments/{page['id']}")
            assert http.get(f"{base}/files/0-1").status_code == 404
            talk.http.delete(f"/api/shares/{told['id']}")
            assert http.get(f"{base}/files/0-0").status_code == 404
    assert f'<img src="{base}/files/0-0?small=1" alt="canary picture.jpg">' in shown
    assert f'<a href="{base}/files/0-1" dir="auto">canary &lt;b&gt;.html.txt</a>' in shown
    assert "canary" not in without
    for secret in (picture["id"], picture["sha256"]):
        assert secret not in shown
    for answer in (small, whole, text):
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (
            answer.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
        )
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"].startswith("noindex")
    assert small.headers["content-type"] == whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["content-disposition"].startswith("inline")
    assert text.headers["content-disposition"].startswith("attachment")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert (part.status_code, part.text) == (206, "script")
    assert {each.status_code for each in missing.values()} == {404}
    assert len({each.text for each in missing.values()}) == 1


def test_what_was_heard_in_a_recording_is_shown_where_that_was_chosen() -> None:
    with run_chat_server(FakeChat(pieces("I see"))) as (talk, served):
        id_ = talk.conversation()
        sent = attach(talk, b"the heard canary spoke", "canary.txt")
        _asked, _ = talk.say(id_, "listen", attachments=[sent["id"]])

        async def become_recording(database: Database) -> None:
            async with database.write() as session:
                await session.execute(update(AttachmentRow).values(kind="audio", media_type="audio/wav"))

        use_database(served, become_recording)
        heard = opened(served, share(talk, id_, dictations=True))
        both = opened(served, share(talk, id_, dictations=True, attachments=True))
        neither = opened(served, share(talk, id_))
    assert "<summary>What was heard</summary>" in heard
    assert "the heard canary spoke" in heard
    assert "canary.txt" not in heard
    assert '<audio controls preload="none"' in both
    assert "the heard canary spoke" in both
    assert "canary" not in neither
