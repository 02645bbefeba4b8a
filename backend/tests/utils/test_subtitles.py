"""Subtitles have the shape that players expect: clocks, short lines, cues that do not overlap."""

from hypothesis import given
from hypothesis import strategies as st

from app.client.events import Segment, SegmentWord
from app.utils.subtitles import CUE_CHARACTERS, CUE_MS, make_cues, to_srt, to_vtt

TWO = (Segment("Hello there.", 0, 1500), Segment("And <you> & me?", 3_723_004, 3_725_000))


def test_srt() -> None:
    assert to_srt(TWO) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n"
        "\n2\n01:02:03,004 --> 01:02:05,000\nAnd <you> & me?\n"
    )


def test_vtt() -> None:
    assert to_vtt(TWO) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.500\nHello there.\n"
        "\n01:02:03.004 --> 01:02:05.000\nAnd &lt;you&gt; &amp; me?\n"
    )


def test_nothing_said() -> None:
    assert to_srt(()) == ""
    assert to_vtt(()) == "WEBVTT\n"


def test_long_text_is_broken_into_lines() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    lines = to_srt([Segment(text, 0, 1000)]).splitlines()[2:]
    assert len(lines) == 2
    assert " ".join(lines) == text


def test_overlapping_utterances_are_clipped() -> None:
    """Pre-roll makes an utterance begin before the last one has ended."""
    cues = make_cues([Segment("a", 0, 1200), Segment("b", 1000, 2000)])
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 1000), (1000, 2000)]


@given(
    st.lists(
        st.tuples(st.text("abc", min_size=1, max_size=30), st.integers(1, 3000)), min_size=1, max_size=60
    )
)
def test_long_utterances_are_cut_at_words(said: list[tuple[str, int]]) -> None:
    """No word is lost, and every cue that could be cut fits."""
    words, at_ms = [], 0
    for text, length_ms in said:
        words.append(SegmentWord(text, at_ms, at_ms + length_ms))
        at_ms += length_ms
    cues = make_cues([Segment(" ".join(word.text for word in words), 0, at_ms, tuple(words))])
    assert " ".join(cue.text for cue in cues) == " ".join(word.text for word in words)
    for cue in cues:
        assert len(cue.text) <= CUE_CHARACTERS
        assert cue.end_ms - cue.start_ms <= CUE_MS
