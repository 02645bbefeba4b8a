"""The stopwatch of a dictation, on scripted time."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.metrics import Observer
from app.services.dictation.latency_meter import Meter, SessionTotals


class Clock:
    """Time that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(clock: Clock, tally: SessionTotals | None = None) -> tuple[Meter, Observer]:
    observer = Observer()
    return Meter(observer, "fake", tally or SessionTotals(), clock), observer


def test_a_sample_is_as_old_as_its_chunk() -> None:
    clock = Clock()
    it, _ = meter(clock)
    for second in range(1, 4):
        clock.now = 100.0 + second
        it.count_audio(second * 16_000)
    clock.now = 105.0
    assert it.age_s(48_000) == 2.0
    assert it.age_s(16_001) == 3.0
    assert it.age_s(16_000) == 4.0
    assert it.age_s(1) == 4.0


def test_a_sample_that_has_not_come_has_no_age() -> None:
    it, _ = meter(Clock())
    assert it.age_s(0) == 0.0
    it.count_audio(16_000)
    assert it.age_s(16_001) == 0.0


@given(st.lists(st.integers(1, 8000), min_size=1, max_size=80))
def test_ages_are_right_to_a_mark(chunks: list[int]) -> None:
    """However a live client cuts its audio, the age of a sample is right to 100 ms and one chunk."""
    clock = Clock()
    it, _ = meter(clock)
    heard = 0
    for chunk in chunks:
        heard += chunk
        clock.now = 100.0 + heard / 16_000
        it.count_audio(heard)
    for sample in range(1, heard, max(1, heard // 7)):
        true_s = (heard - sample) / 16_000
        assert true_s - 0.1 - max(chunks) / 16_000 - 1e-6 <= it.age_s(sample) <= true_s + 1e-6


def test_hours_of_audio_take_no_more_room() -> None:
    it, _ = meter(Clock())
    for second in range(1, 7200):
        it.count_audio(second * 16_000)
    assert len(it._marks) == 600


def test_the_tally_of_a_socket_adds_up_its_dictations() -> None:
    tally = SessionTotals()
    clock = Clock()
    for _ in range(2):
        it, _ = meter(clock, tally)
        it.count_audio(8000)
        it.count_audio(16_000)
        it.count_final({"speech_end_ms": 900, "endpoint_ms": 1, "queue_ms": 2, "decode_ms": 3}, 14_400)
        it.count_discarded("empty")
        it.count_error("engine_failed")
    assert tally == SessionTotals(dictations=2, samples=32_000, finals=2, discarded=2, failures=2)
