"""Imports over HTTP on both databases: what comes, comes once and whole, and what is left out is told."""

import json
import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx2
import pytest
from sqlalchemy import delete, update

from app.core.config import Settings
from app.services.importing import imports, reading
from app.storage import answers
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import RunRow, UserRow
from tests.support import exports
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.command import run_server_process
from tests.support.conversations import ChatClient, make_client, read_error, run_chat_server
from tests.support.database import make_settings
from tests.support.exports import T0, dump, make_chatgpt, make_chatgpt_node, make_zip
from tests.support.server import RunningServer

pytestmark = pytest.mark.once

WAIT_S = 120
"""The longest time for an import on a busy machine."""


def send(talk: ChatClient, content: bytes, **form: Any) -> httpx2.Response:
    headers = form.pop("headers", {})
    files = {"file": ("conversations.json", content)}
    return talk.http.post("/api/import", files=files, data=form, headers=headers)


def bring(talk: ChatClient, content: bytes, **form: Any) -> dict[str, Any]:
    """Import a file; the import at its end."""
    answer = send(talk, content, **form)
    assert answer.status_code == 202, answer.text
    return wait(talk, answer.json()["id"])


def wait(talk: ChatClient, import_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while True:
        found: dict[str, Any] = talk.http.get(f"/api/import/{import_id}").json()
        if found["state"] not in ("waiting", "working"):
            return found
        assert time.monotonic() < deadline, found


def numbers(found: dict[str, Any]) -> dict[str, int]:
    """The numbers of a report that are not zero."""
    assert found["state"] == "done", found
    names = ("created", "extended", "unchanged", "left_out", "messages")
    return {name: found["report"][name] for name in names if found["report"][name]}


def left(found: dict[str, Any]) -> dict[str, int]:
    return {each["reason"]: each["count"] for each in found["report"]["left"]}


def list_conversations(talk: ChatClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = talk.http.get("/api/conversations?limit=200").json()
    return listed


@pytest.fixture
def both(storage_settings: Settings) -> Iterator[tuple[ChatClient, RunningServer]]:
    """A server on each database, and a client of it."""
    with run_chat_server(storage=storage_settings.storage, data_dir=storage_settings.data_dir) as running:
        yield running


ALL = {
    "conversations.json": dump([exports.make_chatgpt_turns()]),
    "claude/conversations.json": dump([exports.make_claude()]),
    "chat-export.json": dump([exports.make_open_webui()]),
    "story.json": dump(exports.make_librechat(recursive=True)),
    "chatbot.json": dump(exports.make_chatbot_ui()),
}


def test_every_product_comes_with_branches_dates_and_models(both: tuple[ChatClient, RunningServer]) -> None:
    """What came is listed at its own time, found, continued, exported and deleted like everything else."""
    talk, served = both
    found = bring(talk, make_zip({**ALL, "photo.jpg": b"\xff\xd8"}))
    assert numbers(found) == {"created": 5, "messages": 5 + 2 + 4 + 4 + 2}
    assert left(found) == {"image": 2, "file_not_readable": 1, "other_file": 1}
    assert (found["done"], found["total"], found["name"]) == (5, 5, "conversations.json")
    by_title = {each["title"]: each for each in list_conversations(talk)}
    assert by_title["Rolling back"]["created_at"].startswith("2025-08-24T01:46:40.25")
    assert by_title["Sums"]["archived"]
    assert next(each["title"] for each in list_conversations(talk)) == "What can you do?", (
        "it has no time of its own"
    )
    id_ = by_title["Rolling back"]["id"]
    messages = talk.messages(id_)
    assert [each["content"] for each in messages] == [
        "How do I roll back?",
        "Restore a backup.",
        "What is this?",
        "It is **42**.",
    ]
    assert [each["model"] for each in messages] == [None, "gpt-5", None, "o4-mini"]
    assert len(messages[1]["version_ids"]) == 2
    assert [each["event"] for each in messages[3]["tool_events"]] == ["tool_call", "tool_result"]
    assert {hit["title"] for hit in talk.http.get("/api/search?q=backup").json()} == {"Rolling back"}
    talk.say(id_, "And now?")
    assert talk.messages(id_)[-1]["content"] == "And now?"
    exported = talk.http.get(f"/api/conversations/{id_}/export?format=json").json()
    assert len(exported["messages"]) == 7
    assert talk.http.delete(f"/api/conversations/{id_}").status_code == 200
    assert not [line for line in served.log if "Traceback" in line]


def test_the_same_file_again_changes_nothing(both: tuple[ChatClient, RunningServer]) -> None:
    talk, _ = both
    first = bring(talk, make_zip(ALL))
    before = [(each["id"], each["updated_at"], each["message_count"]) for each in list_conversations(talk)]
    again = bring(talk, make_zip(ALL))
    assert numbers(again) == {"unchanged": 5}
    assert [
        (each["id"], each["updated_at"], each["message_count"]) for each in list_conversations(talk)
    ] == before
    listed = talk.http.get("/api/import").json()
    assert [each["id"] for each in listed] == [again["id"], first["id"]]


def test_a_longer_conversation_gets_what_is_new(both: tuple[ChatClient, RunningServer]) -> None:
    """Its shown branch moves on, unless its user has gone on here."""
    talk, _ = both
    turns = [
        make_chatgpt_node("q", "root", "user", "One", at=T0),
        make_chatgpt_node("a", "q", "assistant", "Two", at=T0),
    ]
    bring(talk, dump([make_chatgpt(*turns)]))
    (id_,) = [each["id"] for each in list_conversations(talk)]
    turns.append(make_chatgpt_node("r", "a", "user", "Three", at=T0 + 9))
    found = bring(talk, dump([make_chatgpt(*turns)]))
    assert numbers(found) == {"extended": 1, "messages": 1}
    assert [each["content"] for each in talk.messages(id_)] == ["One", "Two", "Three"]
    talk.say(id_, "Here")
    turns.append(make_chatgpt_node("b", "r", "assistant", "Four", at=T0 + 10))
    bring(talk, dump([make_chatgpt(*turns)]))
    assert talk.messages(id_)[-2]["content"] == "Here"
    assert "Four" in [each["content"] for each in talk.messages(id_, branches=True)]


def test_our_own_export_comes_as_it_was(both: tuple[ChatClient, RunningServer]) -> None:
    """Where it was made it changes nothing; after its deletion it comes back."""
    talk, _ = both
    id_ = talk.conversation(title="Mine", model="echo", system_prompt="brief", settings={"top_p": 0.5})
    asked, _ = talk.say(id_, "one")
    talk.events(f"/api/messages/{asked}/edit", message="uno")
    content = talk.http.get(f"/api/conversations/{id_}/export?format=json").content
    assert numbers(bring(talk, content)) == {"unchanged": 1}
    before = talk.messages(id_, branches=True)
    talk.http.delete(f"/api/conversations/{id_}")
    assert numbers(bring(talk, content)) == {"created": 1, "messages": 4}
    (made,) = list_conversations(talk)
    detail = talk.http.get(f"/api/conversations/{made['id']}").json()
    assert (detail["model"], detail["system_prompt"], detail["settings"]["top_p"]) == ("echo", "brief", 0.5)
    after = talk.messages(made["id"], branches=True)
    for name in ("role", "content", "status", "timestamp", "model", "provider", "finish_reason", "usage"):
        assert [each[name] for each in after] == [each[name] for each in before], name
    assert numbers(bring(talk, content)) == {"unchanged": 1}


def test_a_dry_run_stores_nothing(both: tuple[ChatClient, RunningServer]) -> None:
    talk, _ = both
    found = bring(talk, make_zip(ALL), dry_run="true")
    assert numbers(found) == {"created": 5, "messages": 17}
    assert found["dry_run"]
    assert list_conversations(talk) == []


def test_the_same_key_begins_one_import() -> None:
    with run_chat_server() as (talk, _):
        key = {"Idempotency-Key": "k-1"}
        first = send(talk, ALL["chatbot.json"], headers=key).json()
        wait(talk, first["id"])
        assert send(talk, ALL["chatbot.json"], headers=key).json()["id"] == first["id"]
        assert read_error(send(talk, b"[]", headers=key)) == (409, "id_reused")
        assert len(talk.http.get("/api/import").json()) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hello", "import_not_readable"),
        (make_zip(ALL)[:-30], "import_not_readable"),
        (ALL["story.json"][:-30], "import_not_readable"),
        (b'[{"a": 1}]', "import_not_recognised"),
        (make_zip({"conversations.json": b"[" + b" " * (4 << 20)}), "import_too_large"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, code: str) -> None:
    with run_chat_server(limits={"import_unpacked_bytes": 1 << 20}) as (talk, served):
        found = bring(talk, content)
        assert (found["state"], found["error"]["code"]) == ("failed", code)
        assert found["error"]["note"]["code"] == code
        assert list_conversations(talk) == []
        assert served.resources.problems == []


def test_forms_that_are_none() -> None:
    with run_chat_server(limits={"import_bytes": 4096}) as (talk, _):
        assert read_error(talk.http.post("/api/import", json={})) == (400, "bad_request")
        assert read_error(send(talk, b"")) == (400, "bad_request")
        assert read_error(send(talk, b"[]", dry_run="perhaps")) == (400, "bad_request")
        assert read_error(send(talk, b" " * 5000)) == (413, "message_too_big")
        assert talk.http.get("/api/import").json() == []


def hold(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let imports wait before their second conversation; what is set then, and what lets them go on."""
    reached, go_on = threading.Event(), threading.Event()
    read = reading.read_upload

    def read_slowly(*given: Any) -> Iterator[Any]:
        for n, step in enumerate(read(*given)):
            if n == 2:
                reached.set()
                assert go_on.wait(WAIT_S)
            yield step

    monkeypatch.setattr(imports, "read_upload", read_slowly)
    return reached, go_on


def test_cancelled_it_keeps_what_came_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = hold(monkeypatch)
    with run_chat_server() as (talk, _):
        id_ = send(talk, make_zip(ALL)).json()["id"]
        assert reached.wait(WAIT_S)
        under_way = talk.http.get(f"/api/import/{id_}").json()
        assert (under_way["state"], under_way["done"], under_way["total"]) == ("working", 1, 5)
        assert read_error(send(talk, b"[]")) == (409, "import_under_way")
        assert talk.http.delete(f"/api/import/{id_}").json() == {"status": "cancelled"}
        go_on.set()
        found = wait(talk, id_)
        assert found["state"] == "cancelled"
        assert [each["title"] for each in list_conversations(talk)] == ["Rolling back"]
        deadline = time.monotonic() + WAIT_S
        while talk.http.get(f"/api/import/{id_}").json()["report"] is None:
            assert time.monotonic() < deadline
        assert numbers(bring(talk, make_zip(ALL))) == {"created": 4, "unchanged": 1, "messages": 12}
        assert talk.http.delete(f"/api/import/{id_}").json() == {"status": "deleted"}
        assert read_error(talk.http.get(f"/api/import/{id_}")) == (404, "not_found")


def test_the_end_of_the_server_interrupts_it(
    storage_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = hold(monkeypatch)
    where: dict[str, Any] = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with run_chat_server(**where) as (talk, served):
        id_ = send(talk, make_zip(ALL)).json()["id"]
        assert reached.wait(WAIT_S)
        served.server.should_exit = True
        job = next(iter(served.resources.imports._jobs.values()))
        assert job.stopped.wait(WAIT_S)
        go_on.set()
    with run_chat_server(**where) as (talk, _):
        found = talk.http.get(f"/api/import/{id_}").json()
        assert (found["state"], found["error"]["note"]["code"]) == ("interrupted", "import_interrupted")
        assert [each["title"] for each in list_conversations(talk)] == ["Rolling back"]
        assert numbers(bring(talk, make_zip(ALL))) == {"created": 4, "unchanged": 1, "messages": 12}


HALF = "a\x00b\ud83dc"
"""What no database stores: NUL, and half of an emoji."""


def make_unstorable() -> dict[str, bytes]:
    """Such text in each field that is kept, in ids that differ in it alone, and in a conversation that is left out."""
    message = {"id": HALF, "role": "user", "content": HALF, "status": "complete", "parent_id": None}
    answer = {
        **message,
        "id": "\ud800",
        "role": "assistant",
        "parent_id": HALF,
        "model": HALF,
        "provider": HALF,
        "finish_reason": HALF,
        "reasoning": HALF,
        "usage": {HALF: HALF},
        "error": {"code": HALF, "message": HALF},
    }
    about = {"id": HALF, "title": HALF, "model": HALF, "system_prompt": HALF}
    own = {
        "format": "prompter.conversation",
        "version": 1,
        "conversation": about,
        "messages": [message, answer, {**message, "id": "?"}, {**message, "id": "\ud801"}],
    }
    empty = make_chatgpt(title=HALF, conversation_id=HALF)
    texts = {"own.json": own, "chatgpt.json": [empty], "webui.json": [exports.make_open_webui(title=HALF)]}
    return {name: json.dumps(each).encode() for name, each in texts.items()}


def test_text_that_no_database_stores_does_no_harm(both: tuple[ChatClient, RunningServer]) -> None:
    talk, served = both
    found = bring(talk, make_zip(make_unstorable()))
    assert numbers(found) == {"created": 2, "left_out": 1, "messages": 7}
    assert found["report"]["details"][0]["title"] == "a\ufffdb\ufffdc"
    assert {each["title"] for each in list_conversations(talk)} == {"a\ufffdb\ufffdc"}
    assert numbers(bring(talk, make_zip(make_unstorable()))) == {"unchanged": 2, "left_out": 1}
    assert talk.http.get("/api/import").status_code == 200
    assert not [line for line in served.log if "Traceback" in line]


def test_a_fault_of_the_server_ends_the_import_and_lets_the_next_one_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Iterator[Any]:
        yield reading.Counted(1)
        raise RuntimeError("a bug")

    with run_chat_server() as (talk, _):
        with monkeypatch.context() as patch:
            patch.setattr(imports, "read_upload", fail)
            found = bring(talk, ALL["chatbot.json"])
        assert (found["state"], found["error"]["code"]) == ("failed", "internal_error")
        assert "a bug" not in found["error"]["message"]
        assert numbers(bring(talk, ALL["chatbot.json"])) == {"created": 1, "messages": 2}


@pytest.mark.parametrize("form", ["json", "zip"])
def test_an_export_of_everything_comes_back(form: str) -> None:
    """As one file of JSON, and as an archive with files for reading beside it."""
    with run_chat_server() as (talk, _):
        for title in ("One", "Two"):
            talk.say(talk.conversation(title=title), f"say {title}")
        exported = talk.http.get(f"/api/export?format={form}")
        assert exported.status_code == 200, exported.text
        assert numbers(bring(talk, exported.content)) == {"unchanged": 2}
        for each in list_conversations(talk):
            talk.http.delete(f"/api/conversations/{each['id']}")
        assert numbers(bring(talk, exported.content)) == {"created": 2, "messages": 4}
        assert {each["title"] for each in list_conversations(talk)} == {"One", "Two"}


def test_imports_of_several_users_come_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a user who is deleted meanwhile ends theirs."""
    reached, go_on = hold(monkeypatch)
    with run_chat_server(accounts=ACCOUNTS) as (talk, served):
        team = Team(served.resources.settings)
        ana, bob = team.add("ana"), team.add("bob")
        talk.http.headers.update(make_bearer(team.token(ana)))
        assert send(talk, make_zip(ALL)).status_code == 202
        assert reached.wait(WAIT_S)
        with make_client(served, headers=make_bearer(team.token(bob))) as http:
            other = ChatClient(http)
            waiting = send(other, ALL["chatbot.json"]).json()
            assert other.http.get(f"/api/import/{waiting['id']}").json()["state"] == "waiting"
            team.do(lambda database: remove_user(database, ana.id))
            go_on.set()
            assert numbers(wait(other, waiting["id"])) == {"created": 1, "messages": 2}
        assert not [line for line in served.log if "Traceback" in line]


async def remove_user(database: Database, user_id: UUID) -> None:
    async with database.write() as session:
        await session.execute(delete(UserRow).where(UserRow.id == user_id))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_killed_server_leaves_whole_conversations(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """`kill -9` amid an import: it says `interrupted`, nothing is half there, and no file is left."""
    env = {}
    if kind == "postgresql":
        template = request.getfixturevalue("postgres_template")
        env["PROMPTER_STORAGE__URL"] = request.getfixturevalue("postgres_server").create(template)
    content = exports.make_large_chatgpt(random.Random(3), 4 << 20, messages=40)
    async with run_server_process(tmp_path, **env) as server, server.client() as http:
        made = (await http.post("/api/import", files={"file": ("a.json", content)})).json()
        with anyio.fail_after(WAIT_S):
            while (found := (await http.get(f"/api/import/{made['id']}")).json())["done"] < 3:
                assert found["state"] in ("waiting", "working")
        server.kill()
    assert {path.name for path in (tmp_path / "data").iterdir()} & {"imports", "tmp"} == set()
    if env:
        await notice_the_death(env["PROMPTER_STORAGE__URL"], tmp_path)
    async with run_server_process(tmp_path, **env) as server, server.client() as http:
        found = (await http.get(f"/api/import/{made['id']}")).json()
        assert (found["state"], found["error"]["note"]["code"]) == ("interrupted", "import_interrupted")
        listed = (await http.get("/api/conversations?limit=200")).json()
        assert len(listed) >= 3
        assert {each["message_count"] for each in listed} == {40}
        again = (await http.post("/api/import", files={"file": ("a.json", content)})).json()
        with anyio.fail_after(WAIT_S):
            while again["state"] in ("waiting", "working"):
                again = (await http.get(f"/api/import/{again['id']}")).json()
        assert again["report"]["unchanged"] == len(listed)
        assert again["report"]["created"] == again["total"] - len(listed)


async def notice_the_death(url: str, folder: Path) -> None:
    """What another server on PostgreSQL does once a lease is over, here at once."""
    database = Database(make_settings(folder, url))
    async with database.write() as session:
        await session.execute(update(RunRow).values(heartbeat_at=utc_now() - timedelta(hours=1)))
        await answers.interrupt_dead(session, database.run_id)
    await database.aclose()
