"""Windows of a recording: no speech is lost or doubled, long pauses are shortened, times lead back to the recording."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.base import SAMPLE_RATE_HZ, Samples
from app.services.transcription.packing import KEPT_PAUSE_SAMPLES, PackedWindow, Piece, WindowPacker

MARGIN = SAMPLE_RATE_HZ * 4 // 10
"""Audio that a piece has before and after its speech, as the segmenter gives it."""
LONGEST_S = 28
STEP = 160


def make_pieces(*spoken_and_silent_s: tuple[float, float]) -> tuple[Samples, list[Piece]]:
    """A recording, and its pieces: seconds of speech, and of the pause behind each. A sample's value is its place."""
    total = sum(int((spoken + silent) * SAMPLE_RATE_HZ) for spoken, silent in spoken_and_silent_s)
    recording = (np.arange(total + MARGIN) % 30_000).astype(np.int16)
    pieces: list[Piece] = []
    at = MARGIN
    for spoken, silent in spoken_and_silent_s:
        speech_end = at + int(spoken * SAMPLE_RATE_HZ)
        start = max(at - MARGIN, pieces[-1].speech_end if pieces else 0)
        end = min(speech_end + MARGIN, len(recording))
        pieces.append(Piece(start=start, onset=at, speech_end=speech_end, samples=recording[start:end]))
        at = speech_end + int(silent * SAMPLE_RATE_HZ)
    return recording, pieces


def pack(
    pieces: list[Piece], longest_s: float = LONGEST_S, longest_pause_s: float | None = None
) -> list[PackedWindow]:
    pause = None if longest_pause_s is None else int(longest_pause_s * SAMPLE_RATE_HZ)
    packer = WindowPacker(int(longest_s * SAMPLE_RATE_HZ), pause)
    windows = [window for piece in pieces for window in packer.push(piece)]
    return windows + packer.finish()


def count_pieces(windows: list[PackedWindow]) -> list[int]:
    return [len(window.pieces) for window in windows]


def test_what_fits_is_one_window() -> None:
    _, pieces = make_pieces((3, 2), (3, 60), (3, 2))
    [window] = pack(pieces)
    assert window.pieces == tuple(pieces)
    assert len(window.samples) / SAMPLE_RATE_HZ == pytest.approx(9 + 2 * 0.3 + 0.8, abs=0.01)


def test_a_short_pause_stays_as_it_is() -> None:
    recording, pieces = make_pieces((2, 0.2), (2, 0.3), (2, 1))
    [window] = pack(pieces)
    assert np.array_equal(window.samples, recording[window.start : window.start + len(window.samples)])


def test_a_window_is_cut_at_the_longest_pause_of_its_later_half() -> None:
    _, pieces = make_pieces((6, 3), (10, 0.5), (4, 1.2), (5, 0.4), (20, 1))
    assert count_pieces(pack(pieces)) == [3, 2]


def test_no_window_reaches_over_a_pause_that_may_change_the_language() -> None:
    _, pieces = make_pieces((3, 0.5), (3, 1.2), (3, 1.1), (3, 5), (3, 1))
    assert count_pieces(pack(pieces, longest_pause_s=1.2)) == [2, 2, 1]


def test_the_rest_is_one_window_where_it_can_be() -> None:
    """Cut at the longest pause of the first window, the rest would need two more."""
    _, pieces = make_pieces((15, 3), (5, 1), (5, 1), (24, 1))
    assert count_pieces(pack(pieces)) == [3, 1]


def test_a_piece_that_is_too_long_is_a_window_of_its_own() -> None:
    _, pieces = make_pieces((31, 1), (2, 1))
    assert count_pieces(pack(pieces)) == [1, 1]


PIECES = st.lists(
    st.tuples(st.floats(0.1, 24), st.floats(0.33, 90)).map(lambda p: (round(p[0], 2), round(p[1], 2))),
    min_size=1,
    max_size=12,
)


@given(PIECES)
def test_all_speech_is_in_a_window_once_and_leads_back(lengths: list[tuple[float, float]]) -> None:
    recording, pieces = make_pieces(*lengths)
    windows = pack(pieces)
    assert [piece for window in windows for piece in window.pieces] == pieces
    for window in windows:
        samples = window.samples
        at = np.arange(0, len(samples), STEP)
        places = np.array([window.locate(int(each)) for each in at])
        assert np.array_equal(samples[at], recording[places])
        assert (np.diff(places) >= STEP).all(), "no audio twice"
        for piece in window.pieces:
            inside = places[(places >= piece.onset) & (places < piece.speech_end)]
            assert (np.diff(inside) == STEP).all()
            assert not len(inside) or inside[-1] >= piece.speech_end - STEP
        assert window.locate(window.speech_samples, end=True) == window.pieces[-1].speech_end
        assert len(samples) <= LONGEST_S * SAMPLE_RATE_HZ
        gaps = [
            after.onset - piece.speech_end
            for piece, after in zip(window.pieces, window.pieces[1:], strict=False)
        ]
        spoken = sum(piece.speech_end - piece.onset for piece in window.pieces)
        margins = 2 * MARGIN + sum(min(gap, KEPT_PAUSE_SAMPLES) for gap in gaps)
        assert len(samples) <= spoken + margins


@given(PIECES, st.data())
def test_speech_is_located_without_the_silence_around_it(
    lengths: list[tuple[float, float]], data: st.DataObject
) -> None:
    _, pieces = make_pieces(*lengths)
    for window in pack(pieces):
        first = data.draw(st.integers(0, window.speech_samples))
        last = data.draw(st.integers(first, window.speech_samples))
        start, end = window.locate_speech(first, last)
        assert window.onset <= start <= end <= window.pieces[-1].speech_end
    assert PackedWindow(pieces).locate_speech(0, len(PackedWindow(pieces).samples)) == (
        pieces[0].onset,
        pieces[-1].speech_end,
    )


def test_a_window_is_sure_of_speech_by_all_its_pieces() -> None:
    _, pieces = make_pieces((3, 1), (1, 1))
    speech = replace(pieces[0], voiced_ms=2500, voiced_share=0.9)
    music = replace(pieces[1], voiced_ms=200, voiced_share=0.2)
    assert PackedWindow([speech, music]).is_sure
    assert not PackedWindow([music]).is_sure
    assert PackedWindow(pieces).is_sure, "audio that no detector has judged"
