"""What events are worth: latencies from scripted moments, broken promises found, words matched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.bench.clips import Clip, PlacedClip
from app.bench.scoring import Score, find_lost_clips, score_session
from app.bench.speaker import SessionLog

Moment = tuple[float, Mapping[str, Any]]
TIMING = {"speech_end_ms": 2000, "endpoint_ms": 600, "queue_ms": 30, "decode_ms": 70}


def partial(at: float, text: str, stable: str = "", end_ms: int = 0, **fields: Any) -> Moment:
    data = {
        "type": "partial",
        "utterance_id": 1,
        "start_ms": 100,
        "end_ms": end_ms,
        "text": text,
        "stable": stable,
    }
    return at, data | fields


def told(at: float, kind: str, **fields: Any) -> Moment:
    return at, {"type": kind, "utterance_id": 1, "start_ms": 100, "end_ms": 2600, **fields}


def final(at: float, text: str, **fields: Any) -> Moment:
    return told(at, "final", text=text, timing=TIMING, **fields)


def test_latencies() -> None:
    events = [
        partial(1200, "send", end_ms=1100),
        partial(1500, "send an", end_ms=1300),
        final(2750, "Send an email."),
    ]
    found = score_session(SessionLog(events), "en")
    assert found.first_partial_ms == [700]
    assert found.partial_lag_ms == [100, 200]
    assert found.to_final_ms == [750]
    assert found.endpoint_ms == [600]
    assert found.beyond_ms == [150]
    assert found.unexplained_ms == [50]
    assert found.to_eager_ms == []


def test_an_utterance_without_text_has_no_latency() -> None:
    found = score_session(
        SessionLog([told(900, "utterance_discarded", reason="no_speech"), final(950, "")]), "en"
    )
    assert (found.first_partial_ms, found.to_final_ms, found.final_words) == ([], [], 0)


def test_events_without_an_utterance_are_left_alone() -> None:
    log = SessionLog([(1.0, {"type": "ready"}), (2.0, {"type": "status", "degraded": True, "partials": "off"}),
                 (3.0, {"type": "status", "degraded": False, "partials": "on"})])  # fmt: skip
    assert score_session(log, "en") == Score(degraded=1)


@pytest.mark.parametrize(
    ("partials", "violations"),
    [
        ([("send an", ""), ("send an email", "send"), ("send an e-mail", "send an")], 0),
        ([("send an", "send"), ("lend an", "lend")], 1),
        ([("send an", "send an"), ("send", "send")], 1),
        ([("an email", "send")], 1),
    ],
)
def test_stable_violations(partials: list[tuple[str, str]], violations: int) -> None:
    events = [partial(100.0 * i, text, stable) for i, (text, stable) in enumerate(partials)]
    assert score_session(SessionLog(events), "en").stable_violations == violations


@pytest.mark.parametrize(
    ("events", "violations"),
    [
        ([told(1, "eager_final", text="a"), final(2, "a")], 0),
        ([told(1, "eager_final", text="a"), final(2, "b")], 1),
        ([told(1, "eager_final", text="a"), told(2, "turn_resumed"), final(3, "a b")], 0),
        ([told(1, "eager_final", text="a"), told(2, "turn_resumed"), told(3, "eager_final", text="a b"),
          final(4, "a c")], 1),
    ],
)  # fmt: skip
def test_eager_violations(events: list[Moment], violations: int) -> None:
    assert score_session(SessionLog(events), "en").eager_violations == violations


def test_the_eager_final_is_timed() -> None:
    events = [
        told(2300, "eager_final", text="a"),
        told(2350, "turn_resumed"),
        told(2400, "eager_final", text="a b"),
    ]
    assert score_session(SessionLog([*events, final(2700, "a b")]), "en").to_eager_ms == [400]


def test_unstable_words() -> None:
    """`stable` against the final, and what partials took back."""
    events = [
        partial(1, "sent an e"),
        partial(2, "send an email two", "send an email"),
        final(3, "Send a email too."),
    ]
    found = score_session(SessionLog(events), "en")
    assert (found.stable_words, found.stable_wrong) == (3, 1)
    assert found.final_words == 4
    assert found.shown_back == 3 + 3


def test_scores_add_up() -> None:
    one = score_session(SessionLog([partial(1200, "send"), final(2750, "send")]), "en")
    total = Score()
    total.add(one)
    total.add(one)
    assert total.to_final_ms == [750, 750]
    assert total.final_words == 2


# -- losing


def lines(*times: tuple[float, float]) -> list[PlacedClip]:
    return [PlacedClip(Clip(f"clip{i}", Path("x"), "text", "en"), *pair) for i, pair in enumerate(times)]


@pytest.mark.parametrize(
    ("heard", "missing_ids"),
    [
        ([(0, 900), (3000, 3900)], []),
        ([(0, 3900)], []),
        ([(0, 900)], ["clip1"]),
        ([(1000, 3000)], ["clip0", "clip1"]),
        ([], ["clip0", "clip1"]),
    ],
)
def test_a_clip_is_lost_when_no_final_touches_it(
    heard: list[tuple[int, int]], missing_ids: list[str]
) -> None:
    log = SessionLog([(1.0, {"type": "final", "text": "x", "start_ms": a, "end_ms": b}) for a, b in heard])
    assert find_lost_clips(lines((0, 1000), (3000, 4000)), log) == missing_ids


def test_an_empty_final_saves_nothing() -> None:
    log = SessionLog([(1.0, {"type": "final", "text": "", "start_ms": 0, "end_ms": 4000})])
    assert find_lost_clips(lines((0, 1000)), log) == ["clip0"]
