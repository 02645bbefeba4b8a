"""Shows a dictation: text at a terminal or in a pipe, or one JSON object per line."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from app.cli.common import note_console, result_console
from app.client.events import Event

MAX_QUIET_NOTES = 3
"""How often one dictation says that it hears too little."""
_ERASE = Control((ControlType.CARRIAGE_RETURN,), (ControlType.ERASE_IN_LINE, 2))


_REPAINTING = frozenset({"partial", "final", "utterance_discarded", "status"})
"""Events after which the line of the terminal is painted again."""


class Screen(Protocol):
    """Shows the events of a dictation, and the model's answer with what it waits for."""

    wants_partials: bool
    wanted_events: tuple[str, ...]
    """The additional events that it shows."""

    def show(self, event: Event) -> None: ...

    def tell(self, line: str, *, is_urgent: bool) -> None: ...

    def wait(self, status: Mapping[str, Any]) -> None: ...

    def answer(self, piece: str) -> None: ...

    def end_answer(self) -> None: ...

    def close(self) -> None: ...


class JsonScreen:
    """Writes each event as the server sent it, then the answer in pieces: `{"type": "answer", "text": …}`."""

    wants_partials = True
    wanted_events: tuple[str, ...] = ("status",)

    def show(self, event: Event) -> None:
        self._write(dict(event.data))

    def tell(self, line: str, *, is_urgent: bool) -> None:
        if is_urgent:
            note_console().print(f"prompter: {line}", markup=False)

    def wait(self, status: Mapping[str, Any]) -> None: ...

    def answer(self, piece: str) -> None:
        self._write({"type": "answer", "text": piece})

    def end_answer(self) -> None:
        self._write({"type": "answered"})

    def close(self) -> None: ...

    @staticmethod
    def _write(data: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class TextScreen:
    """Writes finals to standard output, and what is wrong with the sound to standard error.

    At a terminal, the text so far is one line of standard error, with what the server says is awaited.
    """

    wanted_events: tuple[str, ...] = ("status", "utterance_discarded")

    def __init__(self, results: Console | None = None, notes: Console | None = None) -> None:
        self._out = results or result_console()
        self._notes = notes or note_console()
        self.wants_partials = self._notes.is_terminal
        self._painted = False
        self._partial: Event | None = None
        self._awaited = ""
        """What the server says is awaited."""
        self._quiet_notes = 0
        self._hints: set[str] = set()
        self._limit = ""
        """The limit that is near, as it was told."""

    def show(self, event: Event) -> None:
        if event.type == "ready" and self._notes.is_terminal:
            reason = f": {event.data['reason']}" if event.data.get("reason") else ""
            self._notes.print(f"{event.data.get('provider')}{reason}", style="dim", markup=False)
        elif event.type == "resumed" and self._notes.is_terminal:
            self._erase()
            self._notes.print("the connection broke and is back; nothing is lost", style="dim")
        elif event.type == "partial" and self.wants_partials:
            self._partial = event
        elif event.type == "final":
            self._erase()
            self._partial = None
            if event.text:
                self._out.print(event.text, markup=False)
            for gap in event.data.get("uncovered") or ():
                self._note(f"{format_span(gap)} was not understood: repeat it")
        elif event.type == "utterance_discarded":
            self._erase()
            self._partial = None
            if event.data.get("reason") == "too_quiet" and self._quiet_notes < MAX_QUIET_NOTES:
                self._quiet_notes += 1
                self._note(f"{format_span(event.data)} was very quiet: move closer, or raise the microphone")
        elif event.type == "status":
            self._take_status(event.data)
        elif event.type == "error":
            self._erase()
            self._notes.print(f"prompter: {event.data.get('message', '')}", markup=False)
        if event.type in _REPAINTING and self._notes.is_terminal:
            self._repaint()

    def tell(self, line: str, *, is_urgent: bool) -> None:
        """What is known about the answer before anything is said; what is not urgent is for a terminal alone."""
        if is_urgent or self._notes.is_terminal:
            self._erase()
            self._notes.print(
                f"prompter: {line}" if is_urgent else line, style="" if is_urgent else "dim", markup=False
            )

    def wait(self, status: Mapping[str, Any]) -> None:
        """What the answer waits for, until more of it comes."""
        self._awaited = format_awaited(status)
        if self._notes.is_terminal:
            self._repaint()

    def answer(self, piece: str) -> None:
        self._awaited = ""
        self._erase()
        sys.stdout.write(piece)
        sys.stdout.flush()

    def end_answer(self) -> None:
        self.answer("\n")

    def close(self) -> None:
        """Erase the text so far."""
        self._erase()

    def _take_status(self, status: Mapping[str, Any]) -> None:
        self._awaited = format_awaited(status)
        hint = status.get("hint")
        if hint and hint["code"] not in self._hints:
            self._hints.add(hint["code"])
            self._note(hint["message"])
        limit = format_limit(status.get("limit"))
        if limit != self._limit and (limit or self._limit):
            self._note(limit or "the limit is no longer near")
        self._limit = limit

    def _note(self, line: str) -> None:
        self._erase()
        self._notes.print(line, style="dim", markup=False)

    def _erase(self) -> None:
        if self._painted:
            self._notes.control(_ERASE)
            self._painted = False

    def _repaint(self) -> None:
        """The text so far and what is awaited, in place of what was there."""
        self._erase()
        if self._partial is None and not self._awaited:
            return
        awaited = Text(self._awaited, style="dim")
        line = awaited
        if self._partial is not None:
            room = self._notes.width - 1 - (awaited.cell_len + 1 if self._awaited else 0)
            line = format_partial(self._partial, max(room, 1))
            if self._awaited:
                line = line.append(" ").append_text(awaited)
        self._notes.print(line, end="", no_wrap=True, crop=True)
        self._painted = True


def format_awaited(status: Mapping[str, Any]) -> str:
    """What the server says is awaited; empty where that is nothing."""
    match status.get("state"):
        case "loading":
            return "(loading the model …)"
        case "queued":
            place = status.get("place") or 1
            return "(in line, next)" if place == 1 else f"(in line, {place - 1} before you)"
        case "decoding":
            return "(writing …)"
        case "working":
            return f"(still working, {status.get('waited_ms', 0) // 1000} s)"
        case "recording":
            return f"(not connected, recording here: {status.get('length', '')})"
        case "catching_up":
            return f"(catching up, {status.get('backlog_ms', 0) // 1000} s to go)"
    return ""


def format_limit(limit: Mapping[str, Any] | None) -> str:
    """The limit of the server that is near, in a person's words; empty where there is none."""
    if limit is None:
        return ""
    now, soon = _LIMITS.get(limit["name"], ("", ""))
    return now if limit["left_s"] == 0 else soon


_LIMITS = {
    "session": (
        "the dictation has reached the longest that the server allows",
        "in less than a minute the dictation reaches the longest that the server allows: finish your sentence",
    ),
    "backlog": (
        "the server has fallen behind; what you say waits here until it has caught up",
        "the server does not keep up: in less than a minute what you say waits here until it has caught up",
    ),
    "spool": (
        "your space for speech on the server is used: a crash of the server could cost what you say now",
        "your space for speech on the server is nearly used: pause, or a crash of the server may cost what you say",
    ),
    "disk": (
        "the disk of the server is full: a crash of the server could cost what you say now",
        "the disk of the server is nearly full: soon a crash of the server could cost what you say",
    ),
    "login": (
        "the token has expired",
        "the token expires in less than a minute, and the dictation ends then: finish your sentence",
    ),
}
"""What is said of each limit that bites: now, and within a minute."""


def format_span(span: Mapping[str, Any]) -> str:
    """Return where audio lies in a dictation, in seconds."""
    start_s, end_s = span["start_ms"] / 1000, span["end_ms"] / 1000
    return f"what was said from {start_s:.1f} to {end_s:.1f} s"


def format_partial(event: Event, width: int) -> Text:
    """Return the text so far with its unstable end dimmed; only its newest words where it is longer than the line."""
    line = Text(event.stable)
    line.append(event.text.removeprefix(event.stable), style="dim")
    while line.cell_len > width:
        line = line[max(1, (line.cell_len - width) // 2) :]
    return line
