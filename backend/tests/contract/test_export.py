"""Exports over HTTP: what stands in them, that nothing in them is live, and how the files are called."""

import random
import re
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from app.services.history.export_markdown import escape, is_harmless, render_text
from app.utils.file_names import make_content_disposition, make_stem
from app.utils.ids import new_id
from tests.fakes.chat_provider import FakeChat, delta
from tests.fakes.gated_chat import Gate, GatedChat, pieces
from tests.support.accounts import ACCOUNTS, Team, bearer
from tests.support.talking import Talk, client_of, fill, refusal, talking


def exported(talk: Talk, id_: str, form: str = "markdown") -> str:
    answer = talk.http.get(f"/api/conversations/{id_}/export", params={"format": form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment;")
    return answer.content.decode()


def as_json(talk: Talk, id_: str) -> dict[str, Any]:
    answer = talk.http.get(f"/api/conversations/{id_}/export?format=json")
    assert answer.headers["content-type"] == "application/json"
    data: dict[str, Any] = answer.json()
    return data


def test_markdown_has_the_branch_that_is_shown() -> None:
    with talking(FakeChat(pieces("A **bold** answer\n\n```py\nprint('<b>')\n```"))) as (talk, _):
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
    with talking(FakeChat([delta("", reasoning_content="hm"), *pieces("Hello")])) as (talk, _):
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
    with talking() as (talk, _):
        id_ = talk.conversation()
        assert exported(talk, id_).startswith("# New Conversation\n\n*Exported from PROMPTer on ")
        assert as_json(talk, id_)["messages"] == []


def test_of_an_answer_under_way_there_is_what_was_saved() -> None:
    gate = Gate()
    with talking(GatedChat(pieces("Hel", gate, "lo"))) as (talk, _):
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
    with talking(FakeChat([delta("Hel"), RuntimeError("broken")])) as (talk, _):
        id_ = talk.conversation()
        talk.events("/api/chat/stream", conversation_id=id_, message="hello")
        assert "\n\nHel\n\n*(failed: provider 'fake' failed" in exported(talk, id_)


@pytest.mark.once
def test_ten_thousand_messages() -> None:
    texts = [f"message {n} ```" for n in range(10_000)]
    with talking() as (talk, served):
        id_ = talk.conversation()
        fill(served, id_, texts)
        data = as_json(talk, id_)
        assert [message["content"] for message in data["messages"]] == texts
        assert all(one["id"] == two["parent_id"] for one, two in pairwise(data["messages"]))
        assert re.findall(r"^message \d+ ```$", exported(talk, id_), re.M) == texts


# -- refused


@pytest.mark.parametrize("id_", ["x", "%00", "..", str(new_id()), "9" * 4000])
def test_what_is_not_there(id_: str) -> None:
    with talking() as (talk, _):
        assert refusal(talk.http.get(f"/api/conversations/{id_}/export")) == (404, "not_found")


def test_what_is_anothers_is_not_there() -> None:
    with talking(accounts=ACCOUNTS) as (_, served):
        team = Team(served.resources.settings)
        ana, bob = (
            Talk(client_of(served, headers=bearer(team.token(team.add(name))))) for name in ("ana", "bob")
        )
        with ana.http, bob.http:
            id_ = ana.conversation()
            ana.say(id_, "hello")
            for form in ("markdown", "json"):
                theirs = bob.http.get(f"/api/conversations/{id_}/export?format={form}")
                assert refusal(theirs) == (404, "not_found")
            assert "hello" in exported(ana, id_)


@pytest.mark.parametrize("form", ["pdf", "", "MARKDOWN", "../json"])
def test_a_format_that_is_none(form: str) -> None:
    with talking() as (talk, _):
        id_ = talk.conversation()
        answer = talk.http.get(f"/api/conversations/{id_}/export", params={"format": form})
        assert refusal(answer) == (400, "bad_request")


# -- nothing in a file is live

AS_WRITTEN = [
    "plain text",
    "a < b, x<5, <3, a <- b",
    "`<img src=x>`",
    "use `List<int>` and ``a`<b>`` here",
    "```html\n<script>alert(1)</script>\n```",
    "~~~\n<b>\n```\n<i>\n~~~",
    "````\n```\n<b>\n```\n````",
    "1. Install:\n   ```sh\n   cat <file>\n   ```\n2. Run",
    "para with ` a tick\n\n`<b>`",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    r"\<b>",
]
IN_A_BLOCK = [
    "<img src=http://127.0.0.1/x>",
    "text <iframe src='file:///etc/passwd'>",
    "<!-- comment -->",
    "<?php ?>",
    "</div>",
    "<javascript:alert(1)>",
    "![x](http://tracker.example/x.png)",
    "![x][1]\n\n[1]: http://tracker.example/x.png",
    "[a]: javascript:alert(1)",
    "```\nnot closed",
    "~~~ not closed\n```\n",
    "```\nclosed by another\n~~~",
    "a ` tick\nthen `<img src=x>`",
    "`<img src=x>\n- `",
    "| `a|<img src=x>` |\n|---|",
    "- a\n  ```\n<img src=x>\n  ```",
    "- ```\n  ```\n  <img src=x>\n  ```",
    "> ```\n  ```\n  <img src=x>\n  ```",
    "text\n     ```x\n     <img src=x>\n\n     ```",
    "```\nx\n  ```\n<img src=x>\n```",
    "```\nx\n```\t\n<img src=x>\n```\nx\n```",
    "```\nx\n```\u00a0\n<img src=x>\n```",
    "```\rx\r```\r<img src=x>",
    "  ```\n<img src=x>\n  ```",
    "\t```\n   ```\n   <img src=x>\n   ```",
    "## Assistant (echo) · 2030-01-01 00:00 UTC\n\nI never said this",
    "  ## User",
    "\\`<img src=x>`",
    "\\``<img src=x>`",
]


def live(markdown: str) -> list[str]:
    """What a reader of Markdown would show or load that is not text."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = [token for each in parser.parse(markdown) for token in (each, *(each.children or ()))]
    return [token.type for token in tokens if token.type in ("html_block", "html_inline", "image")]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_harmless_markdown_stays_as_it_was_written(text: str) -> None:
    assert render_text(text) == text
    assert live(text) == []


@pytest.mark.parametrize("text", IN_A_BLOCK)
def test_what_could_be_live_stands_in_a_block_as_it_was_written(text: str) -> None:
    """One block of code, to a reader that knows the whole of CommonMark, and the next message is not in it."""
    block, heading, *_ = MarkdownIt("commonmark").parse(f"{render_text(text)}\n\n## Next\n")
    assert block.type == "fence"
    assert block.content == re.sub(r"\r\n?", "\n", text).strip("\n") + "\n"
    assert heading.type == "heading_open"


PARTS = ["<img src=x>", "`", "``", "```", "~~~", "\n", "\n\n", " ", "  ", "    ", "\t", "- ", "> ", "1. ", "a", "\\",
         "|", "![x](y)", "[a]: b", "---", "\r", "*", "`````", "<b", ">", "# "]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_no_text_at_random_is_live(seed: int) -> None:
    """Held against a reader of CommonMark: what is left as it was written is not live, and nothing leaks."""
    chance = random.Random(seed)
    kept = 0
    for _ in range(1500):
        text = "".join(chance.choices(PARTS, k=chance.randrange(1, 14)))
        kept += is_harmless(text.replace("\r", "\n")) and "<img" in text
        written = render_text(text)
        assert live(written) == [], text
        after = MarkdownIt("commonmark").parse(f"{written}\n\n## Next\n")
        assert [token.content for token in after if token.type == "inline"][-1] == "Next", text
    assert kept > 0


def test_a_long_line_of_ticks_takes_no_time() -> None:
    """In the pattern for code spans such text would take the square of its length."""
    ticks = " ".join("`" * n for n in range(1, 2000))
    for text in (ticks, "[" * 500_000, " " * 500_000 + "x", "`" * 500_000, "<b" * 200_000, "\\" * 500_000):
        render_text(text)


def test_a_title_means_nothing() -> None:
    title = "<img src=x> ![a](b) `c` # *d* [e](f)\n## User"
    with talking() as (talk, _):
        id_ = talk.conversation(title=title)
        text = exported(talk, id_)
    assert live(text) == []
    parsed = MarkdownIt("commonmark").parse(text)
    heading = next(token for token in parsed if token.type == "inline")
    assert heading.content == escape(title)
    assert "".join(child.content for child in heading.children or ()) == " ".join(title.split())


# -- names

NAMES = [
    ("Holiday plans", "Holiday plans", None),
    ("Año nuevo", "Ano nuevo", "Año nuevo"),
    ("👩‍👩‍👧 viaje", "viaje", "👩👩👧 viaje"),
    ("日本語", "conversation", "日本語"),
    ("שלום עולם", "conversation", "שלום עולם"),
    ("abc\u202egpj.exe", "abcgpj.exe", None),
    ("a\r\nSet-Cookie: x=1", "a Set-Cookie- x=1", None),
    ('a"; filename="b', "a-; filename=-b", None),
    ("../../etc/passwd", "etc-passwd", None),
    ("C:\\x\\y", "C-x-y", None),
    ("con", "_con", None),
    ("NUL.txt", "_NUL.txt", None),
    ("...", "conversation", None),
    ("\u200b\u2066", "conversation", None),
    ("100%2e%2f", "100-2e-2f", "100%2e%2f"),
    ("x" * 200, "x" * 80, None),
    ("é" * 200, "e" * 80, "é" * 80),
    ("👍" * 100, "conversation", "👍" * 45),
    ("a / b", "a - b", None),
]


@pytest.mark.parametrize(("title", "plain", "whole"), NAMES)
def test_a_file_is_called_after_its_conversation(title: str, plain: str, whole: str | None) -> None:
    header = make_content_disposition(title, "md", unnamed="conversation")
    assert header.isascii()
    assert header.isprintable()
    match = re.fullmatch(
        r'attachment; filename="([^"\\%]+)\.md"(?:; filename\*=UTF-8\'\'([\w.%~-]+)\.md)?', header
    )
    assert match, header
    assert match[1] == plain
    assert (match[2] and unquote(match[2])) == whole
    assert len(make_stem(title).encode()) <= 180


@pytest.mark.parametrize(("title", "plain", "whole"), [name for name in NAMES if len(name[0]) < 200])
def test_the_same_over_http(title: str, plain: str, whole: str | None) -> None:
    with talking() as (talk, _):
        id_ = talk.conversation(title=title)
        headers = talk.http.get(f"/api/conversations/{id_}/export").headers
    shown = headers["content-disposition"]
    assert shown == make_content_disposition(" ".join(title.split()), "md", unnamed="conversation")
    assert plain in shown
    assert whole is None or unquote(shown).endswith(f"{whole}.md")
    assert "set-cookie" not in headers
