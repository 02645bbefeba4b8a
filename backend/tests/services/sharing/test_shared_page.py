"""The HTML of shared pages: names of models for strangers, dates, what scrolls, images, and positions of messages."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.api import shares
from app.services.history.rendering import read_styles
from app.services.sharing.shared_page import (
    PageFrame,
    name_model,
    render_busy,
    render_foot,
    render_gone,
    render_head,
    render_messages,
)
from app.services.sharing.shares import Message, OpenShare, SharedBranch
from app.storage.messages import Role
from app.utils.ids import new_id

AT = datetime(2026, 3, 9, 8, 5, tzinfo=UTC)
ENGLISH = PageFrame(language="en", style="/s/style.css?v=1", address="/s/token")
SPANISH = PageFrame(language="es", style="/s/style.css?v=1", address="/s/token")


def make_message(content: str, role: Role = "assistant", **fields: object) -> Message:
    values: dict[str, object] = {
        "id": new_id(),
        "conversation_id": new_id(),
        "parent_id": None,
        "role": role,
        "content": content,
        "reasoning": "thoughts",
        "status": "complete",
        "model": None,
        "provider": None,
        "finish_reason": None,
        "usage": None,
        "error": None,
        "tool_data": None,
        "created_at": AT,
        "updated_at": AT,
    }
    return Message(**{**values, **fields})  # type: ignore[arg-type]  # what a test gives


def make_share(**fields: object) -> OpenShare:
    values: dict[str, object] = {
        "conversation_id": new_id(),
        "is_live": False,
        "title": "Plans",
        "leaf_id": new_id(),
        "attachments": False,
        "dictations": False,
        "expires_at": None,
        "created_at": AT,
    }
    return OpenShare(**{**values, **fields})  # type: ignore[arg-type]  # as above


def make_branch(number: int = 1, pages: int = 1, **fields: object) -> SharedBranch:
    share = make_share(**fields)
    return SharedBranch(share=share, number=number, pages=pages, begins_at=0, ids=[])


def render(*messages: Message, frame: PageFrame = ENGLISH) -> str:
    return render_messages(frame, make_share(), messages, 0, {})


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        (None, ""),
        ("echo", "echo"),
        ("openai/gpt-5", "openai/gpt-5"),
        ("my.secret-name/gpt-5", "gpt-5"),
        ("shared.secret-name/vendor/gpt-5", "vendor/gpt-5"),
        ("my.secret-name", ""),
    ],
)
def test_a_model_is_named_without_its_connection(model: str | None, shown: str) -> None:
    assert name_model(model) == shown


def test_a_page_says_when_it_was_made_and_until_when_it_opens() -> None:
    branch = make_branch(expires_at=AT + timedelta(days=7))
    english, spanish = render_head(ENGLISH, branch), render_head(SPANISH, branch)
    assert 'as it was on <time datetime="2026-03-09T08:05Z">9 March 2026, 08:05 UTC</time>' in english
    assert "16 March 2026" in english
    assert "9 de marzo de 2026, 08:05 UTC" in spanish
    assert "follows the conversation" in render_head(ENGLISH, make_branch(is_live=True))


def test_only_what_users_and_models_said_is_rendered() -> None:
    shown = render(
        make_message("rules", "system"),
        make_message("asked", "user"),
        make_message("looked up", "tool"),
        make_message("told", model="my.name/gpt"),
    )
    assert "asked" in shown
    assert "told" in shown
    for hidden in ("rules", "looked up", "thoughts", "my.name"):
        assert hidden not in shown
    assert 'id="h1"' in shown
    assert 'id="h3"' in shown


def test_what_scrolls_can_be_reached_and_no_image_is_loaded() -> None:
    shown = render(
        make_message(
            "```py\nx\n```\n\n$$\nx^2\n$$\n\n| a |\n|---|\n| 1 |\n\n![words](data:image/png;base64,iVBORw0KGgo=)"
        )
    )
    assert '<pre tabindex="0" role="group" aria-label="Code" class="code"' in shown
    assert '<pre tabindex="0" role="group" aria-label="Formula" class="math"' in shown
    assert '<div class="table" tabindex="0" role="group" aria-label="Table">' in shown
    assert "<img" not in shown
    assert "words" in shown


@pytest.mark.parametrize(
    ("status", "note"),
    [("streaming", "still being written"), ("interrupted", "cut short"), ("failed", "cut short")],
)
def test_an_answer_that_is_not_complete_says_so(status: str, note: str) -> None:
    assert note in render(make_message("so far", status=status))
    assert 'class="note"' not in render(make_message("all"))


def test_an_empty_branch_says_so_and_long_ones_lead_on() -> None:
    assert "nothing to read here yet" in render_foot(ENGLISH, make_branch(), is_empty=True)
    assert "nothing to read" not in render_foot(ENGLISH, make_branch(), is_empty=False)
    middle = render_head(SPANISH, make_branch(number=2, pages=3))
    assert 'href="?lang=es&amp;page=1"' in middle
    assert 'href="?lang=es&amp;page=3"' in middle
    assert 'href="?lang=en&amp;page=2"' in middle
    assert "Página 2 de 3" in middle


def test_titles_are_text() -> None:
    head = render_head(ENGLISH, make_branch(title="</title><script>alert(1)</script>\x00"))
    assert "<script" not in head
    assert "Shared conversation" in render_head(ENGLISH, make_branch(title=" "))


def test_the_notices_are_whole_pages() -> None:
    for page in (render_gone(ENGLISH), render_busy(SPANISH, 7)):
        assert page.startswith("<!doctype html>")
        assert page.endswith("</html>\n")
    assert "dentro de 7 s" in render_busy(SPANISH, 7)


def test_all_that_rendered_text_has_is_styled_on_shared_pages() -> None:
    """They have a style sheet of their own, in the colours of the web app."""
    own = Path(shares.__file__).with_name("shared_page.css").read_text(encoding="utf-8")
    classes = set(re.findall(r"\.([a-z][a-z-]*)", re.sub(r"/\*.*?\*/", "", read_styles(), flags=re.S)))
    assert classes >= {"align-right", "broad", "footnotes", "c-comment"}
    assert classes - {"rendered"} <= set(re.findall(r"\.([a-z][a-z-]*)", own))
