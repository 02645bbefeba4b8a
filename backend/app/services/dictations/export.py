"""A stored dictation as a file: plain text, or subtitles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.storage.dictations import Final
from app.utils.subtitles import to_srt, to_vtt

Form = Literal["txt", "srt", "vtt"]
MEDIA_TYPES: dict[Form, str] = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    start_ms: int
    end_ms: int
    words: Sequence[_Word]


def written(finals: Sequence[Final], form: Form) -> str:
    """Finals as a file: a line for each, or cues of one or more for each."""
    if form == "txt":
        return "".join(f"{final.text}\n" for final in finals)
    said = [_said(final) for final in finals]
    return to_srt(said) if form == "srt" else to_vtt(said)


def _said(final: Final) -> _Said:
    words = [_Word(word["word"], word["start_ms"], word["end_ms"]) for word in final.words or ()]
    return _Said(final.text, final.start_ms or 0, final.end_ms or 0, words)
