"""Cues of subtitles: two balanced lines at most, cut where people pause, none torn from its sentence."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.client.events import Segment, SegmentWord
from app.utils.cues import (
    CUE_CHARACTERS,
    CUE_MS,
    LEAST_CUE_MS,
    LINE_CHARACTERS,
    PAUSE_MS,
    Cue,
    make_cues,
    measure_width,
)


def speak(text: str, start_ms: int = 0, word_ms: int = 300) -> Segment:
    """A segment whose words follow one another; a number in brackets is a pause (ms)."""
    words, at_ms = [], start_ms
    for word in text.split():
        if word.startswith("["):
            at_ms += int(word[1:-1])
        else:
            words.append(SegmentWord(word.strip(",.?!"), at_ms, at_ms + word_ms))
            at_ms += word_ms
    return Segment(re.sub(r"\[\d+\] ", "", text), start_ms, at_ms, tuple(words))


def texts(*segments: Segment) -> list[str]:
    return [cue.text for cue in make_cues(segments)]


def test_lines_are_balanced() -> None:
    assert texts(speak("the quick brown fox jumps over the lazy dog and runs away")) == [
        "the quick brown fox jumps over\nthe lazy dog and runs away"
    ]


def test_a_line_ends_at_punctuation_where_it_can() -> None:
    assert texts(speak("If the reader will excuse me, I will say nothing of my past.")) == [
        "If the reader will excuse me,\nI will say nothing of my past."
    ]


def test_a_cue_ends_with_its_sentence() -> None:
    first = "The cabbage juice changes its colour depending on how acidic it is."
    second = "The aspect ratio of this format is therefore said to be three to two."
    assert [text.replace("\n", " ") for text in texts(speak(f"{first} {second}"))] == [first, second]


def test_no_word_is_left_alone_behind_a_long_sentence() -> None:
    text = (
        "we were walking along the river for a very long time when suddenly it began to rain heavily outside"
    )
    cues = [cue.replace("\n", " ") for cue in texts(speak(text, word_ms=200))]
    assert " ".join(cues) == text
    assert len(cues) == 2
    assert min(len(cue.split()) for cue in cues) > 5


def test_a_short_sentence_of_its_own_may_stand_alone() -> None:
    assert texts(speak("No. [900] Not today, thank you.")) == ["No.", "Not today, thank you."]


def test_a_long_pause_ends_a_cue_and_a_short_one_is_preferred() -> None:
    assert texts(speak(f"one two three four [{PAUSE_MS}] five six seven")) == [
        "one two three four",
        "five six seven",
    ]
    said = (
        "and so it went on and on for hours and hours [400] until nobody remembered how it had begun at all"
    )
    assert [text.replace("\n", " ") for text in texts(speak(said, word_ms=200))] == said.split(" [400] ")


def test_segments_of_one_sentence_share_a_cue() -> None:
    parts = speak("He asked himself"), speak("what it was.", start_ms=1000)
    assert texts(*parts) == ["He asked himself what it was."]


def test_a_cue_stays_as_long_as_it_takes_to_read_it() -> None:
    cues = make_cues(
        [speak("Yes.", word_ms=100), speak("Would you please turn on the living room lamp?", 5000, 50)]
    )
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, LEAST_CUE_MS), (5000, 5000 + 1000 * 46 // 17)]
    crowded = make_cues([speak("Yes.", word_ms=100), speak("No.", 100 + PAUSE_MS)])
    assert crowded[0].end_ms == crowded[1].start_ms == 100 + PAUSE_MS


def test_text_without_word_times_is_divided_by_its_length() -> None:
    text = "And when they had gone far enough they sat down and rested. " * 4
    cues = make_cues([Segment(text, 1000, 17_000)])
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == text.strip()
    assert all(abs(cue.start_ms - (1000 + 4000 * number)) < 100 for number, cue in enumerate(cues))


def test_words_that_are_not_in_the_text_give_no_times() -> None:
    [cue] = make_cues([Segment("twenty five", 0, 2000, (SegmentWord("25", 500, 900),))])
    assert cue == Cue(text="twenty five", start_ms=0, end_ms=2000)


def test_scripts_without_spaces_are_divided_too() -> None:
    text = "我们在河边走了很长时间，突然开始下雨了，没有人记得这一切是怎么开始的，大家都跑回家去了。"
    cues = make_cues([Segment(text, 0, 12_000)])
    assert "".join(cue.text.replace("\n", "") for cue in cues) == text
    assert all(measure_width(line) <= LINE_CHARACTERS for cue in cues for line in cue.text.split("\n"))
    assert len(cues) == 2


@given(
    st.lists(
        st.tuples(st.text("abc,.", min_size=1, max_size=30), st.integers(1, 3000), st.integers(0, 1500)),
        min_size=1,
        max_size=60,
    )
)
def test_no_word_is_lost_and_every_cue_fits(said: list[tuple[str, int, int]]) -> None:
    words, at_ms = [], 0
    for text, length_ms, pause_ms in said:
        words.append(SegmentWord(text, at_ms, at_ms + length_ms))
        at_ms += length_ms + pause_ms
    whole = " ".join(word.text for word in words)
    cues = make_cues([Segment(whole, 0, at_ms, tuple(words))])
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == whole
    for cue, after in zip(cues, [*cues[1:], None], strict=True):
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert all(len(line) <= LINE_CHARACTERS for line in lines)
        assert len(cue.text) <= CUE_CHARACTERS + 1
        assert 0 < cue.end_ms - cue.start_ms <= CUE_MS
        assert after is None or cue.end_ms <= after.start_ms


@given(st.lists(st.tuples(st.text(max_size=80), st.integers(0, 9000), st.integers(0, 9000)), max_size=8))
def test_any_text_gives_cues(said: list[tuple[str, int, int]]) -> None:
    at_ms, segments = 0, []
    for text, length_ms, pause_ms in said:
        segments.append(Segment(text, at_ms, at_ms + length_ms))
        at_ms += length_ms + pause_ms
    cues = make_cues(segments)
    assert "".join("".join(cue.text.split()) for cue in cues) == "".join(
        "".join(text.split()) for text, _, _ in said
    )
    assert all(cue.text.count("\n") <= 1 for cue in cues)
