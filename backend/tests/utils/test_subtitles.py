"""Subtitles have the shape that players expect: clocks, lines, escaped markup."""

from app.client.events import Segment
from app.utils.subtitles import to_srt, to_vtt

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
