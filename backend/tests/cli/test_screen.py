"""A live dictation on a terminal: one line that is repainted, finals that stay."""

import io
import json

import pytest
from rich.console import Console

from app.cli.screen import JsonScreen, TextScreen, format_partial
from app.client.events import Event


def event(kind: str, **fields: object) -> Event:
    return Event.from_wire({"type": kind, **fields})


def test_the_unstable_end_is_dim() -> None:
    line = format_partial(event("partial", text="what is the", stable="what is"), 40)
    assert line.plain == "what is the"
    assert [(span.start, span.end, span.style) for span in line.spans] == [(7, 11, "dim")]


@pytest.mark.parametrize("text", ["one two three four five", "一二三四五六七八九十"])
def test_a_long_partial_shows_its_newest_words(text: str) -> None:
    line = format_partial(event("partial", text=text, stable=""), 9)
    assert line.cell_len <= 9
    assert text.endswith(line.plain)
    assert line.plain


@pytest.fixture
def terminal() -> Console:
    """Both outputs on one terminal, 30 wide."""
    return Console(file=io.StringIO(), force_terminal=True, width=30, color_system=None, highlight=False)


def written(terminal: Console) -> str:
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def test_a_partial_is_replaced_and_a_final_stays(terminal: Console) -> None:
    shown = TextScreen(terminal, terminal)
    assert shown.wants_partials
    for said in (
        event("partial", text="wha", stable=""),
        event("partial", text="what is", stable="what"),
        event("final", text="What is it?"),
        event("partial", text="hm", stable=""),
        event("final", text=""),
    ):
        shown.show(said)
    shown.close()
    erase = "\r\x1b[2K"
    assert written(terminal) == f"wha{erase}what is{erase}What is it?\nhm{erase}"


def test_markup_in_what_was_said_is_text(terminal: Console) -> None:
    TextScreen(terminal, terminal).show(event("final", text="[bold]no[/bold]"))
    assert written(terminal) == "[bold]no[/bold]\n"


def test_json_keeps_the_whole_event(capsys: pytest.CaptureFixture[str]) -> None:
    shown = JsonScreen()
    shown.show(event("final", text="¿Qué?", seq=7))
    shown.answer("Sí.")
    shown.end_answer()
    lines = capsys.readouterr().out.splitlines()
    assert "¿Qué?" in lines[0]
    assert [json.loads(line) for line in lines] == [
        {"type": "final", "text": "¿Qué?", "seq": 7},
        {"type": "answer", "text": "Sí."},
        {"type": "answered"},
    ]
