"""The state of a session as another server reads it: nothing is lost on the way, and hearing begins on a frame."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.services.audio.endpointing import FRAME_SAMPLES
from app.services.dictation.session_state import (
    LEAD_SAMPLES,
    MOST_UNWRITTEN_EVENTS,
    HeardState,
    Mark,
    SessionAbout,
    SessionState,
    ShownText,
    dump_state,
)

SHOWN = ShownText(utterance_id=3, revision=4, text="what is", stable="what", eager=None)
MARKS = (
    Mark(kind="finish", position=6400, sample=3200),
    Mark(kind="flush", position=64_000, sample=32_000, id="f1"),
)
STATE = SessionState(
    seq=17,
    audio_seq=42,
    rate_hz=16_000,
    odd="7f",
    is_over=False,
    is_stopping=True,
    needed=0,
    heard=HeardState(received=50_000, settled=40_000, told=2, started=3, shown=SHOWN, marks=MARKS),
    written=100_000,
    lost_seq=3,
)


def test_a_state_is_read_as_it_was_written() -> None:
    assert SessionState.load(orjson.dumps(dump_state(STATE)).decode()) == STATE
    bare = replace(STATE, rate_hz=None, heard=HeardState())
    assert SessionState.load(orjson.dumps(dump_state(bare)).decode()) == bare


def test_what_a_dictation_began_with_is_read_as_it_was_written() -> None:
    about = SessionAbout(
        config={"lang": "es"},
        provider="fake",
        model=None,
        started_at=datetime(2026, 11, 30, 9, tzinfo=UTC),
        base_ms=120,
    )
    assert SessionAbout.load(about.dump()) == about


def test_a_client_may_have_more_expendable_events_than_were_written_but_not_fewer_than_are_kept() -> None:
    asked = (2, 3, 17, 18, 17 + MOST_UNWRITTEN_EVENTS, 18 + MOST_UNWRITTEN_EVENTS)
    assert [STATE.can_replay(seq) for seq in asked] == [False, True, True, True, True, False]


@given(
    st.sampled_from((8000, 16_000, 44_100, 48_000)), st.integers(0, 10**7), st.lists(st.integers(0, 10**7))
)
def test_hearing_begins_on_a_frame_before_what_has_no_text(
    rate_hz: int, settled: int, samples: list[int]
) -> None:
    marks = tuple(
        Mark(kind="finish", position=sample * rate_hz // 16_000 * 2, sample=sample)
        for sample in sorted(samples)
    )
    heard = HeardState(settled=settled, marks=marks)
    sample, position = heard.find_lead(rate_hz)
    base = max((mark.sample for mark in marks if mark.sample <= max(settled - LEAD_SAMPLES, 0)), default=0)
    assert (sample - base) % FRAME_SAMPLES == 0
    assert base <= sample <= max(settled - LEAD_SAMPLES, 0)
    assert position % 2 == 0
    assert abs(position / 2 - sample * rate_hz / 16_000) <= 2
