"""Where the window of partials may begin anew: a long utterance is not decoded from its start for every word."""

from dataclasses import dataclass

from app.providers.base import Word
from app.services.dictation.stabiliser import normalise

LONG_S = 12.0
"""A window of partials longer than this is cut where it can be."""

OVERLAP_MS = 2000
"""Audio before the end that the next window hears again."""

ANCHORS = 2
"""Stable words behind the cut: by them the next window's text is joined to what stands."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The next window begins at `at_ms` of this one, behind its first `words` words."""

    at_ms: int
    words: int


def find_cut(words: tuple[Word, ...], stable: list[str], window_ms: int) -> Cut | None:
    """The longest pause between two stable words of a window, the later one of equals; None where there is none.

    `stable` are the stable words of this window; `words` what its decode found, with times.
    """
    said = [normalise(word.text) for word in words]
    settled = [normalise(word) for word in stable]
    most = min(len(settled), len(said)) - ANCHORS
    best: tuple[int, Cut] | None = None
    for count in range(1, most + 1):
        if said[count - 1] != settled[count - 1]:
            break  # what is stable is not what was heard now: times behind here belong to other words
        before, after = words[count - 1], words[count]
        if before.end_ms > window_ms - OVERLAP_MS:
            break
        pause_ms = after.start_ms - before.end_ms
        if best is None or pause_ms >= best[0]:
            best = pause_ms, Cut(before.end_ms + max(pause_ms, 0) // 2, count)
    return best[1] if best else None
