"""A live dictation on a terminal: one line that is repainted, finals that stay."""

import io
import json

import pytest
from rich.console import Console

from app.cli.screen import JsonScreen, TextScreen, format_limit, format_partial
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


def test_what_an_answer_waits_for_goes_with_its_first_words(
    terminal: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = TextScreen(terminal, terminal)
    shown.tell("answers come from Ollama", is_urgent=False)
    shown.wait({"state": "loading", "place": None, "waited_ms": 1000})
    shown.wait({"state": "working", "place": None, "waited_ms": 12_000})
    shown.answer("Hello")
    shown.end_answer()
    erase = "\r\x1b[2K"
    told = "answers come from Ollama\n"
    assert written(terminal) == f"{told}(loading the model …){erase}(still working, 12 s){erase}"
    assert capsys.readouterr().out == "Hello\n"


def test_a_pipe_is_told_only_that_nobody_can_answer(capsys: pytest.CaptureFixture[str]) -> None:
    pipe = Console(file=io.StringIO(), force_terminal=False, width=80, highlight=False)
    shown = TextScreen(pipe, pipe)
    shown.tell("answers come from Ollama", is_urgent=False)
    shown.wait({"state": "working", "place": None, "waited_ms": 12_000})
    shown.tell("nothing will be answered", is_urgent=True)
    assert written(pipe) == "prompter: nothing will be answered\n"


def test_what_is_awaited_stands_behind_the_text_so_far(terminal: Console) -> None:
    shown = TextScreen(terminal, terminal)
    for said in (
        event("status", state="loading", place=None, backlog_ms=0),
        event("status", state=None, place=None, backlog_ms=0),
        event("partial", text="what is", stable="what"),
        event("status", state="decoding", place=None, backlog_ms=0),
        event("status", state="queued", place=1, backlog_ms=0),
        event("status", state="queued", place=3, backlog_ms=0),
        event("status", state="catching_up", place=None, backlog_ms=40_000),
        event("final", text="What is it?"),
    ):
        shown.show(said)
    shown.close()
    painted = [
        "(loading the model …)",
        "what is",
        "what is (writing …)",
        "what is (in line, next)",
        "at is (in line, 2 before you)",
        " is (catching up, 40 s to go)",
    ]
    erase = "\r\x1b[2K"
    assert written(terminal).replace(f"{erase}{erase}", erase).split(erase)[: len(painted)] == painted
    assert written(terminal).endswith(f"{erase}What is it?\n(catching up, 40 s to go){erase}")


def test_what_is_awaited_is_for_terminals_alone() -> None:
    notes = Console(file=io.StringIO(), width=100)
    shown = TextScreen(Console(file=io.StringIO(), width=30), notes)
    shown.show(event("status", state="decoding", place=None, backlog_ms=0))
    assert written(notes) == ""


def test_what_is_wrong_with_the_sound_is_one_line_each_and_not_told_for_ever() -> None:
    """It goes to standard error, also where that is no terminal; results stay alone."""
    results = Console(file=io.StringIO(), width=30)
    notes = Console(file=io.StringIO(), width=100)
    shown = TextScreen(results, notes)
    gap = {"start_ms": 1200, "end_ms": 3400, "dbfs": -61}
    shown.show(event("final", text="One.", uncovered=[gap]))
    for utterance in range(5):
        shown.show(
            event(
                "utterance_discarded",
                utterance_id=utterance,
                reason="too_quiet",
                start_ms=5000 + 1000 * utterance,
                end_ms=5900 + 1000 * utterance,
            )
        )
    shown.show(event("utterance_discarded", reason="too_short", start_ms=0, end_ms=10))
    for _ in range(2):
        shown.show(event("status", hint={"code": "not_pcm16", "message": "this is [not] PCM16"}))
    shown.show(event("status", hint=None))
    shown.show(event("status"))
    assert written(results) == "One.\n"
    quiet = "was very quiet: move closer, or raise the microphone"
    assert written(notes).splitlines() == [
        "what was said from 1.2 to 3.4 s was not understood: repeat it",
        f"what was said from 5.0 to 5.9 s {quiet}",
        f"what was said from 6.0 to 6.9 s {quiet}",
        f"what was said from 7.0 to 7.9 s {quiet}",
        "this is [not] PCM16",
    ]


def test_a_partial_of_what_is_discarded_is_erased(terminal: Console) -> None:
    shown = TextScreen(terminal, terminal)
    shown.show(event("partial", text="hm", stable=""))
    shown.show(event("utterance_discarded", reason="empty", start_ms=0, end_ms=900))
    assert written(terminal) == "hm\r\x1b[2K"


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


def test_a_limit_is_said_once_as_near_and_once_as_reached_and_taken_back() -> None:
    notes = Console(file=io.StringIO(), width=200)
    screen = TextScreen(Console(file=io.StringIO()), notes)
    near, reached = {"name": "backlog", "left_s": 40}, {"name": "backlog", "left_s": 0}
    for limit in (None, near, {**near, "left_s": 30}, reached, reached, None, None):
        screen.show(event("status", state=None, limit=limit, hint=None))
    assert written(notes).splitlines() == [
        format_limit(near),
        format_limit(reached),
        "the limit is no longer near",
    ]
    assert format_limit({"name": "of a newer server", "left_s": 1}) == ""
