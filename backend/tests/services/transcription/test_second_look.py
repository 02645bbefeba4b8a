"""Which audio of a recording without text is decoded once more, and what is told where that gives nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.discard_reasons import DiscardReason
from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.services.transcription.second_look import MOST_WINDOWS, LevelTrack, cut_windows

WINDOW = 28 * SAMPLE_RATE_HZ


def make_noise(*dbfs_of_seconds: float) -> Samples:
    """A second of noise for each level."""
    random = np.random.default_rng(5)
    seconds = [
        np.rint(random.standard_normal(SAMPLE_RATE_HZ) * 32768 * 10 ** (dbfs / 20))
        for dbfs in dbfs_of_seconds
    ]
    return np.concatenate(seconds).clip(-32768, 32767).astype(np.int16)


def track(samples: Samples, block: int = SAMPLE_RATE_HZ) -> LevelTrack:
    levels = LevelTrack()
    for at in range(0, len(samples), block):
        levels.push(samples[at : at + block])
    return levels


def test_a_short_recording_is_one_window() -> None:
    samples = make_noise(-50, -40, -45)[:-800]
    assert track(samples).choose_windows(WINDOW) == [(0, len(samples))]


def test_a_long_one_gives_its_loudest_windows_in_order() -> None:
    seconds = [-70.0] * 28 * 8
    for number, dbfs in ((7, -20), (2, -30), (5, -25), (0, -35), (4, -45)):
        seconds[28 * number + 3] = dbfs
    chosen = track(make_noise(*seconds)).choose_windows(WINDOW)
    assert [start // WINDOW for start, _ in chosen] == [0, 2, 5, 7]
    assert len(chosen) == MOST_WINDOWS


def test_silence_gives_no_window() -> None:
    assert track(np.zeros(50_000, np.int16)).choose_windows(WINDOW) == []
    assert LevelTrack().choose_windows(WINDOW) == []


@pytest.mark.parametrize(
    ("dbfs", "reason"),
    [(-30, DiscardReason.NO_SPEECH), (-55, DiscardReason.NO_SPEECH), (-65, DiscardReason.TOO_QUIET)],
)
def test_a_recording_that_came_to_nothing_is_told_with_its_level(dbfs: int, reason: str) -> None:
    told = track(make_noise(dbfs, dbfs)).describe()
    assert (told.reason, told.start_ms, told.end_ms) == (reason, 0, 2000)
    assert told.dbfs == pytest.approx(dbfs, abs=0.3)


def test_digital_silence_has_a_level_too() -> None:
    assert track(np.zeros(8000, np.int16)).describe().dbfs == -100


@given(st.integers(1, 200_000), st.integers(100, 50_000))
def test_blocks_of_any_length_give_the_same_levels(samples: int, block: int) -> None:
    noise = np.tile(make_noise(-20, -50), 7)[:samples]
    assert track(noise, block).levels == track(noise).levels


@given(
    st.integers(0, 5000),
    st.integers(1, 900),
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 900)), max_size=5),
)
async def test_windows_are_cut_out_of_blocks(samples: int, block: int, gaps: list[tuple[int, int]]) -> None:
    recording = np.arange(samples, dtype=np.int16)
    blocks = [recording[at : at + block] for at in range(0, samples, block)]

    async def read() -> Samples | None:
        return blocks.pop(0) if blocks else None

    places, at = [], 0
    for gap, length in gaps:
        places.append((at + gap, at + gap + length))
        at = places[-1][1]
    cut = [window async for window in cut_windows(read, places)]
    expected = [recording[start:stop] for start, stop in places if start < samples]
    assert [window.samples.tolist() for window in cut] == [part.tolist() for part in expected]
    assert [window.start for window in cut] == [start for start, _ in places if start < samples]
