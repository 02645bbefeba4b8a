"""One item of a Realtime session: the utterances that a committed buffer holds, as one text that only grows; pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.services.dictation.events import FinalEvent, PartialEvent
from app.utils.joining import CLOSING_MARKS, TextJoiner, TextPart, cut_shown, is_unspaced

_LEAST_CONFIDENCE = 1e-4
"""A logarithm needs more than nothing."""


class GrowingText:
    """What has been shown of one utterance; it is never taken back."""

    def __init__(self) -> None:
        self.shown = ""

    def grow(self, text: str, lang: str | None = None) -> str:
        """What to append so that `text` is shown; see `cut_shown`."""
        delta = cut_shown(text, self.shown, lang)
        self.shown += delta
        return delta


@dataclass(slots=True)
class Item:
    """One user message. An utterance is known by the number of its dictation and its own."""

    id: str
    start_ms: float
    """Where its audio begins, from the first sample that the session was sent."""
    seconds: float = 0.0
    """Length of its audio, once it is committed."""
    is_committed: bool = False
    flush_id: int | None = None
    """The flush that finalises it, where the client has committed it."""
    waits_for: set[tuple[int, int]] = field(default_factory=set)
    """Utterances that have not ended."""
    utterances: set[tuple[int, int]] = field(default_factory=set)
    """All that it has."""
    error: dict[str, Any] | None = None
    """Why audio of it could not be transcribed."""
    languages: dict[str, None] = field(default_factory=dict)
    words: list[Mapping[str, Any]] = field(default_factory=list)
    uncovered: list[dict[str, Any]] = field(default_factory=list)
    _joiner: TextJoiner = field(default_factory=TextJoiner)
    _pieces: list[str] = field(default_factory=list)
    _shown: dict[tuple[int, int], GrowingText] = field(default_factory=dict)
    _has_shown: bool = False

    def show_partial(self, key: tuple[int, int], event: PartialEvent) -> str:
        """The next delta, from the part of a partial that no later one changes."""
        if not event["stable"]:
            return ""
        return self._append(self._shown_of(key).grow(event["stable"], event["lang"]), event["lang"], key)

    def add_final(self, key: tuple[int, int], event: FinalEvent, base_ms: float) -> str:
        """Take the text of an utterance; the next delta."""
        self.waits_for.discard(key)
        self.utterances.add(key)
        lang = event["lang"]
        piece = self._joiner.push(TextPart(event["text"], joined=event.get("joined", False), lang=lang))
        shown = self._shown.pop(key, None)
        if not piece:
            return ""
        self._pieces.append(piece)
        if lang:
            self.languages.setdefault(lang)
        self.words += event.get("words") or ()
        self.uncovered += [
            {
                "start_ms": round(base_ms + each["start_ms"]),
                "end_ms": round(base_ms + each["end_ms"]),
                "dbfs": each["dbfs"],
            }
            for each in event.get("uncovered", ())
        ]
        if shown is None or not shown.shown:
            self._has_shown = True
            return piece
        return shown.grow(piece.lstrip(f"{CLOSING_MARKS} "), lang)

    def drop(self, key: tuple[int, int]) -> None:
        """An utterance came to nothing."""
        self.waits_for.discard(key)
        self._shown.pop(key, None)

    def finish(self) -> str:
        """The last delta: the marks that close the text."""
        marks = self._joiner.finish()
        self._pieces.append(marks)
        return marks

    @property
    def transcript(self) -> str:
        """The whole text, once it is finished."""
        return "".join(self._pieces)

    def list_logprobs(self) -> list[dict[str, Any]]:
        """One entry for each word, from the engine's confidence in it."""
        return [_make_logprob(word["word"], word["confidence"]) for word in self.words]

    def _shown_of(self, key: tuple[int, int]) -> GrowingText:
        return self._shown.setdefault(key, GrowingText())

    def _append(self, delta: str, lang: str | None, key: tuple[int, int]) -> str:
        """Put what stands between two utterances before the first delta of the second one."""
        if not delta:
            return ""
        if self._shown[key].shown == delta and self._has_shown:  # its first one
            marks = "" if delta[0].islower() else self._joiner.held
            delta = f"{marks}{'' if is_unspaced(lang) else ' '}{delta}"
        self._has_shown = True
        return delta


def _make_logprob(word: str, confidence: float) -> dict[str, Any]:
    logprob = round(math.log(min(max(confidence, _LEAST_CONFIDENCE), 1.0)), 4)
    return {"token": word, "logprob": logprob, "bytes": list(word.encode())}


def describe_item(item_id: str) -> dict[str, Any]:
    """The item as `conversation.item.added` and `.done` tell it; its transcript comes in events of its own."""
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }


def list_languages(codes: Iterable[str]) -> list[dict[str, str]]:
    """Languages as `completed` tells them."""
    return [{"code": code} for code in codes]
