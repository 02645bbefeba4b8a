"""What a session made of each clip: right words, first words, gaps, settled words, doubled runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.bench.capacity import Level, OfflineClip, summarize_hearings
from app.bench.clips import RATE_HZ, Clip, PlacedClip
from app.bench.hearing import (
    Hearing,
    find_onset_ms,
    find_right_words,
    has_first_word,
    hear_clips,
    is_doubled,
)
from app.bench.report import format_hearing
from app.bench.speaker import SessionLog

TRUTH = "ask not what your country can do for you"
CLIP = Clip("one", Path("one.wav"), TRUTH, "en")
OTHER = Clip("two", Path("two.wav"), "the cabbage juice changes color", "en")
LINES = [PlacedClip(CLIP, 0, 3000), PlacedClip(OTHER, 4500, 7000)]


def event(at: float, kind: str, text: str, utterance: int = 1, **fields: Any) -> tuple[float, dict[str, Any]]:
    span = {"start_ms": 100, "end_ms": 2900} if utterance == 1 else {"start_ms": 4600, "end_ms": 6900}
    timing = {"timing": {"speech_end_ms": span["end_ms"]}} if kind == "final" else {}
    return at, {
        "type": kind,
        "utterance_id": utterance,
        "text": text,
        "stable": "",
        **span,
        **timing,
        **fields,
    }


def hear(*events: tuple[float, dict[str, Any]]) -> list[Hearing]:
    return hear_clips(LINES, SessionLog(events=list(events)), {"one": 200.0})


def test_a_clip_that_is_heard_in_two_utterances() -> None:
    first, second = hear(
        event(900, "partial", "Ask"),
        event(1900, "partial", "Ask not what you are"),
        event(3300, "eager_final", "Ask not what your country"),
        event(3600, "final", "Ask not what your country."),
        event(6000, "partial", "the cabbage", 2),
        event(7500, "final", "The cabbage juice", 2),
    )
    assert (first.text, first.right, first.words) == ("Ask not what your country.", (0, 1, 2, 3, 4), 9)
    assert first.first_word_ms == 700, "from the onset of speech, 200 ms into the clip"
    assert first.gap_ms == 1000
    assert first.settled_ms == (400,), "case and punctuation aside, the eager final has the words"
    assert (second.right, second.first_word_ms, second.gap_ms) == ((0, 1, 2), 1500, 900)
    assert second.settled_ms == (600,)


def test_words_that_settle_while_somebody_speaks_settle_at_once() -> None:
    (first, second) = hear(event(2000, "partial", "ask not"), event(3500, "final", "Ask not."))
    assert first.settled_ms == (0,)
    assert (second.text, second.right, second.first_word_ms, second.settled_ms) == ("", (), None, ())


@pytest.mark.parametrize(
    ("heard", "doubled"),
    [
        ("ask not what your country ask not what your country", True),
        ("ask not ask not what your country", True),
        ("ask ask not what your country", False),
        ("ask not what your country can do for you", False),
        ("", False),
    ],
)
def test_a_run_of_words_that_was_said_once(heard: str, doubled: bool) -> None:
    assert is_doubled(TRUTH.split(), heard.split()) is doubled


def test_what_people_repeat_is_not_doubled() -> None:
    said = ["no", "no", "no", "muy", "bien", "muy", "bien"]
    assert not is_doubled(said, said)


def test_the_first_right_word_may_be_the_second_or_third() -> None:
    truth = TRUTH.split()
    assert has_first_word(truth, ["and", "not"])
    assert not has_first_word(truth, ["and", "country"])
    assert find_right_words(truth, ["ask", "what", "your", "you"]) == (0, 2, 3, 8)


def test_the_onset_is_found_behind_silence() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE_HZ)
    samples = np.concatenate((noise * 3, noise * 3000)).astype(np.int16)
    assert find_onset_ms(samples) == pytest.approx(1000, abs=20)
    assert find_onset_ms(np.zeros(0, np.int16)) == 0


def test_words_are_paired_by_clip() -> None:
    heard = hear(event(900, "partial", "ask"), event(3500, "final", "not what your country"))
    level = Level(
        speakers=1, spoken=2, lost=1, refused=0, broken=0, to_final_ms=(600.0,), first_partial_ms=(), partials=1,
        degraded=0, words_wrong=0, words=14, cores=None, memory_mb=None, stable_words=50, stable_wrong=1,
        hearings=tuple(heard),
    )  # fmt: skip
    offline = {"one": OfflineClip("ask what", (0, 2), 400.0), "two": OfflineClip("cabbage", (1,), None)}
    found = summarize_hearings(level, offline)
    assert (found["lost_live"], found["won_live"]) == (2, 3)
    assert found["lost_live_percent"] == pytest.approx(-100 / 14)
    assert found["first_word_later_p95_ms"] == 300
    assert found["stable_wrong_percent"] == 2
    assert (found["first_word_none"], found["doubled"]) == (1, 0)

    (header, _, row, _) = format_hearing(
        [{"speakers": 1, "hearing": found, "hearings": heard, "to_final_ms": [600.0], "p95_ms": 600.0, "lost": 1,
          "spoken": 2, "refused": 0, "degraded": 0, "cores": None}]
    )  # fmt: skip
    assert header.count("|") == row.count("|")
    assert "| 0.60 s / 0.60 s |" in row
    assert "(2 - 3)" in row


def test_without_an_offline_decode_nothing_is_compared() -> None:
    level = Level(
        speakers=1, spoken=0, lost=0, refused=1, broken=0, to_final_ms=(), first_partial_ms=(), partials=0, degraded=0,
        words_wrong=0, words=0, cores=None, memory_mb=None,
    )  # fmt: skip
    found = summarize_hearings(level, {})
    assert set(found.values()) == {None, 0}
    assert format_hearing([{"hearing": found, "hearings": []}]) == []
