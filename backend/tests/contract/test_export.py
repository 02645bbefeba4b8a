"""Exports over HTTP: what stands in them, that nothing in them is live, and how the files are called."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote, unquote

import httpx2
import pytest
from markdown_it import MarkdownIt
from pypdf import PdfReader

from app.core.config import Settings
from app.services.history import export_pdf
from app.services.history.export import ExportFormat
from app.services.history.export_markdown import escape
from app.utils.file_names import make_content_disposition
from app.utils.ids import new_id
from tests.fakes.llm_providers import FakeChat, Gate, delta, pieces
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.attachments import attach, list_contents, make_picture, wait_for
from tests.support.conversations import (
    FILE_NAMES,
    ChatClient,
    live_tokens,
    make_client,
    read_error,
    run_chat_server,
    store_messages,
)

pytestmark = pytest.mark.once


def exported(talk: ChatClient, id_: str, form: str = "markdown", **query: str) -> str:
    answer = talk.http.get(f"/api/conversations/{id_}/export", params={"format": form, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment;")
    return answer.content.decode()


def as_json(talk: ChatClient, id_: str) -> dict[str, Any]:
    answer = talk.http.get(f"/api/conversations/{id_}/export?format=json")
    assert answer.headers["content-type"] == "application/json"
    data: dict[str, Any] = answer.json()
    return data


def read_zip(answer: httpx2.Response) -> dict[str, bytes]:
    """The files in a zip file, in its order."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_markdown_has_the_branch_that_is_shown() -> None:
    with run_chat_server(FakeChat(pieces("A **bold** answer\n\n```py\nprint('<b>')\n```"))) as (talk, _):
        id_ = talk.conversation(title="Plans *A*", system_prompt="Be <brief>")
        asked, _ = talk.say(id_, "one")
        talk.events(f"/api/messages/{asked}/edit", message="uno")
        text = exported(talk, id_)
        served = talk.http.get(f"/api/conversations/{id_}/export")
    assert served.headers["content-type"] == "text/markdown; charset=utf-8"
    lines = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "WHEN", text)
    assert lines == (
        "# Plans \\*A\\*\n\n*Exported from PROMPTer on WHEN*\n\n## System\n\n```markdown\nBe <brief>\n```\n\n"
        "## User · WHEN\n\nuno\n\n## Assistant (fake/tiny) · WHEN\n\n"
        "A **bold** answer\n\n```py\nprint('<b>')\n```\n"
    )


def test_json_has_everything() -> None:
    with run_chat_server(FakeChat([delta("", reasoning_content="hm"), *pieces("Hello")])) as (talk, _):
        id_ = talk.conversation(title="Plans", model="fake", system_prompt="brief", settings={"top_p": 1})
        asked, first = talk.say(id_, "one")
        talk.events(f"/api/messages/{asked}/edit", message="uno")
        data = as_json(talk, id_)
        leaf = talk.messages(id_)[-1]["id"]
        kept = {message["id"]: message for message in talk.messages(id_, branches=True)}
    assert (data["format"], data["version"]) == ("prompter.conversation", 1)
    about = data["conversation"]
    assert {name: about[name] for name in ("id", "title", "model", "system_prompt", "settings")} == {
        "id": id_,
        "title": "Plans",
        "model": "fake",
        "system_prompt": "brief",
        "settings": {"top_p": 1.0},
    }
    assert about["active_leaf_id"] == leaf
    assert [message["content"] for message in data["messages"]] == ["one", "Hello", "uno", "Hello"]
    for message in data["messages"]:
        for name in ("parent_id", "role", "reasoning", "status", "model", "provider", "usage", "error"):
            assert message[name] == kept[message["id"]][name]
    assert data["messages"][1]["parent_id"] == asked
    assert data["messages"][1]["reasoning"] == "hm"
    assert data["messages"][1]["id"] == first
    assert "user_id" not in about


def test_an_empty_conversation() -> None:
    with run_chat_server() as (talk, _):
        id_ = talk.conversation()
        assert exported(talk, id_).startswith("# New Conversation\n\n*Exported from PROMPTer on ")
        assert as_json(talk, id_)["messages"] == []


def test_of_an_answer_under_way_there_is_what_was_saved() -> None:
    gate = Gate()
    with run_chat_server(FakeChat(pieces("Hel", gate, "lo"))) as (talk, _):
        id_ = talk.conversation()
        asked = {"conversation_id": id_, "message": "hello"}
        with talk.http.stream("POST", "/api/chat/stream", json=asked) as streamed:
            lines = streamed.iter_lines()
            while "Hel" not in next(lines):
                pass
            assert exported(talk, id_).endswith("*(still being answered)*\n")
            assert as_json(talk, id_)["messages"][1]["status"] == "streaming"
            gate.set()
            assert any("done" in line for line in lines)
        assert exported(talk, id_).endswith("\n\nHello\n")


def test_an_answer_that_broke_off_says_so() -> None:
    with run_chat_server(FakeChat([delta("Hel"), RuntimeError("broken")])) as (talk, _):
        id_ = talk.conversation()
        talk.events("/api/chat/stream", conversation_id=id_, message="hello")
        assert "\n\nHel\n\n*(failed: provider 'fake' failed" in exported(talk, id_)


def test_times_are_told_in_a_named_zone_also_where_an_hour_comes_twice() -> None:
    """Two messages an hour apart, in the night in which summer time ends in Madrid."""
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        store_messages(served, id_, ["one", "two"], times=[night, night + timedelta(hours=1)])
        here = exported(talk, id_, timezone="Europe/Madrid")
        assert re.findall(r"^## .*", here, re.M) == [
            "## User · 2026-10-25 02:30 +02:00",
            "## Assistant · 2026-10-25 02:30 +01:00",
        ]
        assert re.search(r"\d\d:\d\d \+0[12]:00 · times of Europe/Madrid\*$", here, re.M)
        told = re.findall(r"^## .* · (.*)$", exported(talk, id_), re.M)
        assert told == ["2026-10-25 00:30 UTC", "2026-10-25 01:30 UTC"]
        for unknown in ("", "Europe/Atlantis", "../../etc/passwd", "Europe", "\0"):
            refused = talk.http.get(
                f"/api/conversations/{id_}/export", params={"format": "markdown", "timezone": unknown}
            )
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
            assert "`timezone` has to be an IANA name" in refused.json()["error"]["message"]


def measure_memory() -> int:
    """Memory of this process, in which the server runs too (bytes)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_messages() -> None:
    texts = [f"message {n} ```" for n in range(10_000)]
    with run_chat_server() as (talk, served):
        id_ = talk.conversation()
        store_messages(served, id_, texts)
        data = as_json(talk, id_)
        assert [message["content"] for message in data["messages"]] == texts
        assert all(one["id"] == two["parent_id"] for one, two in pairwise(data["messages"]))
        assert re.findall(r"^message \d+ ```$", exported(talk, id_), re.M) == texts
        for form in ("markdown", "json", "html", "zip"):
            before, peak = measure_memory(), 0
            path = f"/api/conversations/{id_}/export?format={form}"
            with talk.http.stream("GET", path, timeout=120) as answer:
                for _ in answer.iter_bytes():
                    peak = max(peak, measure_memory())
            assert peak - before < 30_000_000, form


# -- HTML


def test_html_is_one_file_that_loads_nothing() -> None:
    answer = (
        "# Head\n\n**bold** <script>alert(1)</script> ![x](https://tracker.example/x.png)\n\n"
        "| a |\n|---|\n| 1 |\n\n```py\nx = 'a'\n```\n\n- [x] done"
    )
    with run_chat_server(FakeChat(pieces(answer))) as (talk, _):
        id_ = talk.conversation(title="<b>Plans</b>", system_prompt="Be <brief>")
        talk.say(id_, "two  *spaces*\n<i>")
        text = exported(talk, id_, "html", timezone="Europe/Madrid", language="es")
        served = talk.http.get(f"/api/conversations/{id_}/export?format=html")
    assert served.headers["content-type"] == "text/html; charset=utf-8"
    assert text.startswith('<!doctype html>\n<html lang="es">')
    body = text[text.index("<body>") :]
    elements = set(re.findall(r"<([a-z0-9]+)", body))
    assert elements == {
        *("body", "header", "main", "article", "h1", "h2", "h3", "p", "time", "div", "span", "strong", "a"),
        *("table", "thead", "tbody", "tr", "th", "td", "pre", "code", "ul", "li"),
    }
    assert not re.search(r"\s(?:on\w+|style|src)\s*=", body)
    assert '<h1 dir="auto">&lt;b&gt;Plans&lt;/b&gt;</h1>' in body
    assert "Exportado de PROMPTer el" in body
    assert "horas de Europe/Madrid" in body
    assert re.findall(r"<h2>(\w+)", body) == ["Sistema", "Usuario", "Asistente"]
    assert '<div class="plain" dir="auto">two  *spaces*\n&lt;i&gt;</div>' in body
    assert '<a href="https://tracker.example/x.png"' in body


def test_the_policy_of_an_html_file_allows_its_own_style_alone() -> None:
    with run_chat_server() as (talk, _):
        text = exported(talk, talk.conversation(), "html")
    [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    [style] = re.findall(r"<style>(.*?)</style>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style


# -- PDF


def read_pdf(answer: httpx2.Response) -> PdfReader:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert '.pdf"' in answer.headers["content-disposition"]
    return PdfReader(io.BytesIO(answer.content))


def test_a_pdf_has_the_words_of_the_conversation_and_numbered_pages() -> None:
    answer = (
        "# Head\n\n**bold** año\n\n```py\nprint('x' * 3)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        + "word " * 3000
    )
    with run_chat_server(FakeChat(pieces(answer))) as (talk, served):
        id_ = talk.conversation(title="Viaje a Jaén")
        night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        store_messages(served, id_, ["hola", answer], times=[night, night + timedelta(hours=1)])
        query = {"format": "pdf", "timezone": "Europe/Madrid", "language": "es"}
        read = read_pdf(talk.http.get(f"/api/conversations/{id_}/export", params=query))
        zipped = read_zip(talk.http.get("/api/export", params=query))
    assert read.metadata is not None
    assert read.metadata.title == "Viaje a Jaén"
    texts = [page.extract_text() for page in read.pages]
    assert len(texts) > 2
    for number, text in enumerate(texts, 1):
        assert f"{number} / {len(texts)}" in text
        assert re.search(r"\d{1,2} de \w+ de 20\d\d", text)
    assert "Viaje a Jaén" in texts[1]
    for words in (
        "Usuario 2026-10-25 02:30 +02:00",
        "Asistente 2026-10-25 02:30 +01:00",
        "print('x' * 3)",
        "bold año",
    ):
        assert words in texts[0].replace("\n", " ")
    assert [name.endswith(" Viaje a Jaén.pdf") for name in zipped] == [True]
    assert all(content.startswith(b"%PDF-") for content in zipped.values())


def test_a_pdf_that_takes_too_much_is_refused_and_so_is_one_too_many() -> None:
    with run_chat_server(exports={"pdf_s": 5, "pdf_conversations": 1}) as (talk, served):
        id_ = talk.conversation()
        store_messages(served, id_, ["**word** " * 5000] * 100)
        refused = talk.http.get(f"/api/conversations/{id_}/export?format=pdf", timeout=120)
        assert read_error(refused) == (413, "pdf_too_large")
        assert "exports.pdf_s" in refused.json()["error"]["message"]
        talk.conversation()
        several = talk.http.get("/api/export?format=pdf")
        assert read_error(several) == (400, "bad_request")
        assert "exports.pdf_conversations" in several.json()["error"]["message"]


def test_where_one_pdf_is_refused_a_note_says_why_and_the_others_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export_pdf, "MAX_HTML_BYTES", 200_000)
    with run_chat_server() as (talk, served):
        for title, text in (("Short", "hello"), ("Long", "word " * 60_000), ("Long", "word " * 60_000)):
            store_messages(served, talk.conversation(title=title), [text])
        files = read_zip(talk.http.get("/api/export?format=pdf&language=es"))
    names = [re.sub(r"^[0-9-]{10} ", "", name) for name in files]
    assert names == ["Long.txt", "Long (2).txt", "Short.pdf"]
    note, _, printed = files.values()
    assert note.decode().startswith(
        "No hay PDF de esta conversación. El servidor dijo:\n\na PDF is made of at most"
    )
    assert printed.startswith(b"%PDF-")


# -- several conversations, and zip


def test_several_conversations_are_one_json_file_or_a_zip_of_files(storage_settings: Settings) -> None:
    kept: dict[str, Any] = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with run_chat_server(**kept) as (talk, _):
        ids = [talk.conversation(title=title) for title in ("Plans", "plans", "año/nuevo", "")]
        for id_ in ids:
            talk.say(id_, f"hello {id_}")
        chosen = f"{ids[2]},{ids[0]},{ids[0]}"
        whole = talk.http.get("/api/export").json()
        some = talk.http.get(f"/api/export?ids={chosen}").json()
        each = {id_: as_json(talk, id_) for id_ in ids}
        files = {
            form: read_zip(talk.http.get(f"/api/export?format={form}&language=es"))
            for form in ("markdown", "html", "zip")
        }
        alone = read_zip(talk.http.get(f"/api/conversations/{ids[0]}/export?format=zip"))
        named = talk.http.get("/api/export?language=es").headers["content-disposition"]
    assert (whole["format"], whole["version"]) == ("prompter.conversations", 1)
    assert [one["conversation"]["id"] for one in whole["conversations"]] == ids[::-1]
    assert [one["conversation"]["id"] for one in some["conversations"]] == [ids[2], ids[0]]
    for one in whole["conversations"]:
        alike = each[one["conversation"]["id"]]
        assert one == {name: alike[name] for name in ("conversation", "messages")}
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert re.search(r'filename="Conversaciones de PROMPTer \d{4}-\d\d-\d\d\.json"', named)
    for form, ending in (("markdown", "md"), ("html", "html")):
        names = [name.removeprefix(f"{today} ") for name in files[form]]
        assert names == [
            f"hello {ids[3]}.{ending}",
            f"año-nuevo.{ending}",
            f"plans.{ending}",
            f"Plans (2).{ending}",
        ]
        assert all(b"Usuario" in content for content in files[form].values())
    assert len(files["zip"]) == 8
    assert list(alone) == ["Plans.md", "Plans.json"]
    assert json.loads(alone["Plans.json"])["messages"] == each[ids[0]]["messages"]


def test_attached_files_are_in_each_format(storage_settings: Settings) -> None:
    kept: dict[str, Any] = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    picture = make_picture(size=(900, 600))
    with run_chat_server(**kept) as (talk, served):
        id_ = talk.conversation(title="Plans")
        sent = [attach(talk, picture, "año ../é.jpg"), attach(talk, b"<b>hello</b>", "notes <x>.md")]
        talk.say(id_, "look", attachments=[each["id"] for each in sent], attachments_as_text=True)
        text, page, data = exported(talk, id_), exported(talk, id_, "html"), as_json(talk, id_)
        printed = read_pdf(talk.http.get(f"/api/conversations/{id_}/export?format=pdf"))
        files = read_zip(talk.http.get(f"/api/conversations/{id_}/export?format=zip"))
        several = read_zip(talk.http.get("/api/export?format=zip"))
        for folder in list_contents(served):
            shutil.rmtree(folder)
        gone = read_zip(talk.http.get(f"/api/conversations/{id_}/export?format=zip"))
        without = exported(talk, id_, "html")
    [first, second] = data["messages"][0]["attachments"]
    assert [first["name"], second["name"]] == [each["name"] for each in sent]
    assert second["path"] == f"attachments/{second['sha256'][:16]}/notes -x.md"
    assert re.search(r"\n\nAttachments:\n\n- é\.jpg · \d+ kB\n- notes \\<x\\>\.md · 1 kB\n", text)
    assert re.search(
        r'<li><img src="data:image/jpeg;base64,[A-Za-z0-9+/=]+" alt="é.jpg">é.jpg · \d+ kB</li>', page
    )
    assert "<li>notes &lt;x&gt;.md · 1 kB</li>" in page
    assert len(printed.pages[0].images) == 1
    assert "notes <x>.md" in printed.pages[0].extract_text()
    assert list(files) == ["Plans.md", "Plans.json", first["path"], second["path"]]
    assert files[second["path"]] == b"<b>hello</b>"
    assert f"](<{quote(second['path'])}>)".encode() in files["Plans.md"]
    assert [name for name in several if name.startswith("attachments/")] == [first["path"], second["path"]]
    assert list(gone) == ["Plans.md", "Plans.json"]
    assert "<img" not in without


def import_file(talk: ChatClient, name: str, content: bytes) -> None:
    sent = talk.http.post("/api/import", files={"file": (name, content)}).json()
    wait_for(lambda: talk.http.get(f"/api/import/{sent['id']}").json()["state"] == "done")


def test_what_is_exported_is_imported_again(tmp_path: Path) -> None:
    with run_chat_server() as (talk, _):
        for title in ("First", "Second"):
            asked, _ = talk.say(talk.conversation(title=title), "hello")
            talk.events(f"/api/messages/{asked}/edit", message="hello again")
        before = talk.http.get("/api/export").json()["conversations"]
        files = {form: talk.http.get(f"/api/export?format={form}").content for form in ("json", "zip")}
    for form, content in files.items():
        with run_chat_server(data_dir=tmp_path / form) as (talk, _):
            import_file(talk, f"x.{form}", content)
            after = talk.http.get("/api/export").json()["conversations"]
        told = [
            [[(one["role"], one["content"], one["created_at"]) for one in each["messages"]] for each in found]
            for found in (before, sorted(after, key=lambda each: each["conversation"]["title"], reverse=True))
        ]
        assert told[0] == told[1], form


def test_nothing_to_export() -> None:
    with run_chat_server() as (talk, _):
        assert talk.http.get("/api/export").json()["conversations"] == []
        assert read_zip(talk.http.get("/api/export?format=markdown")) == {}
        for ids in ("", "x", f"{new_id()}", ","):
            assert read_error(talk.http.get("/api/export", params={"ids": ids})) == (404, "not_found")
        many = talk.http.get("/api/export", params={"ids": ",".join(str(n) for n in range(201))})
        assert read_error(many) == (400, "bad_request")
        assert "at most 200" in many.json()["error"]["message"]
        assert read_error(talk.http.get("/api/export?timezone=Europe")) == (400, "bad_request")
        assert read_error(talk.http.get("/api/export?language=xx")) == (400, "bad_request")


# -- refused


@pytest.mark.parametrize("id_", ["x", "%00", "...", str(new_id()), "9" * 4000])
def test_what_is_not_there(id_: str) -> None:
    with run_chat_server() as (talk, _):
        assert read_error(talk.http.get(f"/api/conversations/{id_}/export")) == (404, "not_found")


def test_what_is_anothers_is_not_there() -> None:
    with run_chat_server(accounts=ACCOUNTS) as (_, served):
        team = Team(served.resources.settings)
        ana, bob = (
            ChatClient(make_client(served, headers=make_bearer(team.token(team.add(name)))))
            for name in ("ana", "bob")
        )
        with ana.http, bob.http:
            id_ = ana.conversation()
            ana.say(id_, "hello")
            mine = bob.conversation()
            for form in get_args(ExportFormat):
                theirs = bob.http.get(f"/api/conversations/{id_}/export?format={form}")
                assert read_error(theirs) == (404, "not_found")
                theirs = bob.http.get(f"/api/export?format={form}&ids={mine},{id_}")
                assert read_error(theirs) == (404, "not_found")
            assert "hello" in exported(ana, id_)
            assert "hello" in ana.http.get("/api/export").text
            assert "hello" not in bob.http.get("/api/export").text


@pytest.mark.parametrize("form", ["docx", "", "MARKDOWN", "../json"])
def test_a_format_that_is_none(form: str) -> None:
    with run_chat_server() as (talk, _):
        id_ = talk.conversation()
        answer = talk.http.get(f"/api/conversations/{id_}/export", params={"format": form})
        assert read_error(answer) == (400, "bad_request")


# -- nothing in a file is live, and its name is safe


def test_a_title_means_nothing() -> None:
    title = "<img src=x> ![a](b) `c` # *d* [e](f)\n## User"
    with run_chat_server() as (talk, _):
        id_ = talk.conversation(title=title)
        text = exported(talk, id_)
    assert live_tokens(text) == []
    parsed = MarkdownIt("commonmark").parse(text)
    heading = next(token for token in parsed if token.type == "inline")
    assert heading.content == escape(title)
    assert "".join(child.content for child in heading.children or ()) == " ".join(title.split())


@pytest.mark.parametrize(("title", "plain", "whole"), [name for name in FILE_NAMES if len(name[0]) < 200])
def test_the_same_over_http(title: str, plain: str, whole: str | None) -> None:
    with run_chat_server() as (talk, _):
        id_ = talk.conversation(title=title)
        headers = talk.http.get(f"/api/conversations/{id_}/export").headers
    shown = headers["content-disposition"]
    assert shown == make_content_disposition(" ".join(title.split()), "md", unnamed="conversation")
    assert plain in shown
    assert whole is None or unquote(shown).endswith(f"{whole}.md")
    assert "set-cookie" not in headers
