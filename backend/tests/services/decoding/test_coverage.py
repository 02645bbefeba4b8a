"""Gaps between the words of a final: where they are, what is audible there, and what a second decode adds."""

import numpy as np
import pytest

from app.providers.base import SAMPLES_PER_MS, Samples, Segment, WindowResult, Word
from app.services.decoding.coverage import (
    CONTEXT_MS,
    FRAME_MS,
    LEAST_GAP_MS,
    LEAST_SPEECH_MS,
    LEVEL_DBFS,
    SHORT_MS,
    Passage,
    amplify,
    cut_passage,
    cut_with_context,
    find_gaps,
    find_passages,
    insert,
    is_believable,
    is_certain,
    keep_inside,
    list_uncovered,
    measure_upper_dbfs,
    place_parts,
    shift,
    split_at,
    widen,
)

WHOLE = Passage(0, 10_000)


def say(*spoken: tuple[str, int, int], segments: tuple[Segment, ...] = (), lang: str = "en") -> WindowResult:
    """A result with these words."""
    words = tuple(Word(text, start_ms, end_ms, 0.9) for text, start_ms, end_ms in spoken)
    return WindowResult(" ".join(text for text, _, _ in spoken), lang, words, segments=segments)


def tone(ms: int, dbfs: float) -> Samples:
    wave = np.sin(np.arange(ms * SAMPLES_PER_MS) / 5) * np.sqrt(2) * 32768 * 10 ** (dbfs / 20)
    samples: Samples = wave.astype(np.int16)
    return samples


# -- where words are missing


def test_gaps_are_before_between_and_after_the_words() -> None:
    result = say(("one", 1000, 1400), ("two", 1500, 1900), ("three", 4000, 4400))
    assert find_gaps(result, WHOLE) == [Passage(0, 1000), Passage(1900, 4000), Passage(4400, 10_000)]
    assert find_gaps(result, Passage(900, 4500)) == [Passage(1900, 4000)]


def test_a_pause_between_words_is_no_gap() -> None:
    begins_ms = 400 + LEAST_GAP_MS - 1
    result = say(("one", 0, 400), ("two", begins_ms, begins_ms + 300))
    assert find_gaps(result, Passage(0, 2000)) == []


def test_where_words_have_no_times_segments_tell_the_gaps() -> None:
    segments = (Segment("One.", 0, 3000), Segment("Two.", 8000, 10_000))
    assert find_gaps(WindowResult("One. Two.", segments=segments), WHOLE) == [Passage(3000, 8000)]


def test_a_word_stretched_over_what_has_no_words_belongs_to_its_sentence() -> None:
    """At the end of a sentence it is spoken at once, at the beginning of the next one just before the next word."""
    last = say(("He", 0, 300), ("said", 300, 5000), ("so.", 5000, 5300))
    assert find_gaps(last, Passage(0, 5300)) == [Passage(300 + 350 + 4 * 90, 5000)]
    first = say(("Yes.", 0, 300), ("Then", 300, 5000), ("he", 5000, 5200), ("came.", 5200, 5600))
    assert find_gaps(first, Passage(0, 5600)) == [Passage(300, 5000 - 350 - 4 * 90)]
    second = say(("Yes.", 0, 300), ("He", 300, 500), ("should", 500, 5000), ("come.", 5000, 5400))
    [gap] = find_gaps(second, Passage(0, 5400))
    assert gap.start_ms == 300
    assert 3000 < gap.end_ms < 4000, "both words are before `come`"


def test_a_stretched_word_lies_in_its_segment() -> None:
    segments = (Segment("Yes.", 0, 1000), Segment("Concorde came.", 7000, 8000))
    result = say(("Yes.", 0, 500), ("Concorde", 500, 7300), ("came.", 7300, 7900), segments=segments)
    assert place_parts(result)[1].start_ms == 7000
    assert find_gaps(result, Passage(0, 8000)) == [Passage(500, 7000)]


def test_a_last_word_without_time_is_spoken_where_it_begins() -> None:
    result = say(("two", 0, 300), ("numbers.", 300, 320))
    assert find_gaps(result, Passage(0, 1200)) == []


def test_a_year_takes_longer_than_its_digits() -> None:
    result = say(("in", 0, 200), ("1462.", 200, 2000))
    assert find_gaps(result, Passage(0, 2000)) == []


# -- what is audible


def test_audio_is_brought_to_the_level_of_speech() -> None:
    for dbfs in (-60, -40, -12):
        assert measure_upper_dbfs(tone(1000, dbfs)) == pytest.approx(dbfs, abs=1)
        assert measure_upper_dbfs(amplify(tone(1000, dbfs))) == pytest.approx(LEVEL_DBFS, abs=0.5)
    assert measure_upper_dbfs(np.zeros(16_000, np.int16)) == -120
    assert not amplify(np.zeros(16_000, np.int16)).any()
    assert measure_upper_dbfs(np.empty(0, np.int16)) == -120


def test_passages_are_speech_with_short_pauses() -> None:
    probabilities = np.zeros(200, np.float32)
    probabilities[10:30] = probabilities[35:40] = 0.9  # a pause of 160 ms
    probabilities[100:105] = 0.9  # a breath
    probabilities[150:170] = 0.9
    gap = Passage(1000, 1000 + 200 * FRAME_MS)
    found = find_passages(probabilities, gap)
    at = [1000 + frame * FRAME_MS for frame in (10, 40, 150, 170)]
    assert [(each.start_ms, each.end_ms) for each in found] == [(at[0], at[1]), (at[2], at[3])]
    assert found[0].probability == pytest.approx(0.9 * 25 / 30)
    assert 5 * FRAME_MS < LEAST_SPEECH_MS
    assert widen(Passage(1010, 1100), gap).start_ms == 1000, "not beyond the gap"
    assert find_passages(np.empty(0, np.float32), gap) == []


def test_long_and_probable_speech_is_certain() -> None:
    assert is_certain(Passage(0, 1000, 0.9))
    assert not is_certain(Passage(0, 900, 0.9)), "a breath"
    assert not is_certain(Passage(0, 3000, 0.5)), "music"


def test_a_short_passage_is_heard_in_its_context_and_each_part_at_the_level_of_speech() -> None:
    audio = np.concatenate((tone(5000, -20), tone(1000, -60), tone(3000, -20)))
    passage = Passage(5000, 6000)
    samples, start_ms = cut_with_context(audio, passage)
    assert start_ms == 5000 - CONTEXT_MS
    assert len(samples) == (1000 + 2 * CONTEXT_MS) * SAMPLES_PER_MS
    assert measure_upper_dbfs(cut_passage(samples, Passage(CONTEXT_MS, CONTEXT_MS + 1000))) == pytest.approx(
        LEVEL_DBFS, abs=1
    )
    alone, start_ms = cut_with_context(audio, Passage(5000, 5000 + SHORT_MS))
    assert (start_ms, len(alone)) == (5000, SHORT_MS * SAMPLES_PER_MS)


def test_what_stays_without_words_is_told_with_its_level() -> None:
    audio = np.concatenate((tone(1000, -20), tone(2000, -60)))
    [told] = list_uncovered(audio, [Passage(1000, 3000)])
    assert (told.start_ms, told.end_ms) == (1000, 3000)
    assert told.dbfs == pytest.approx(-60, abs=1)


# -- a second decode


def test_a_second_decode_gets_the_times_of_the_utterance() -> None:
    found = shift(say(("two", 100, 400), segments=(Segment("two", 0, 500),)), 3000)
    assert found.words == (Word("two", 3100, 3400, 0.9),)
    assert found.segments == (Segment("two", 3000, 3500),)


@pytest.mark.parametrize("length_ms", [1000, 4000])
def test_too_few_or_too_many_letters_are_not_what_was_said(length_ms: int) -> None:
    passages = [Passage(0, length_ms)]
    for letters, believable in (
        (length_ms // 2000, False),
        (15 * length_ms // 1000, True),
        (40 * length_ms // 1000, False),
    ):
        assert is_believable(WindowResult("a" * letters), passages) is believable
    assert not is_believable(WindowResult("fair enough", doubtful="unsure"), passages)
    assert not is_believable(WindowResult("", rejected="no_speech"), passages)
    assert not is_believable(WindowResult("thank you", is_speech_doubted=True), passages)


NOTHING = WindowResult("")


def test_words_of_the_context_are_left_out() -> None:
    found = say(("was", 0, 300), ("last", 300, 600), ("taken.", 1000, 1400), ("Then", 1500, 1800))
    kept, is_known = keep_inside(found, Passage(900, 1450), NOTHING, NOTHING)
    assert (kept.text, kept.words, is_known) == ("taken.", (Word("taken.", 1000, 1400, 0.9),), False)
    outside, is_known = keep_inside(found, Passage(5000, 6000), NOTHING, NOTHING)
    assert (outside.text, is_known) == ("", False)
    untimed = WindowResult("no times")
    assert keep_inside(untimed, Passage(0, 1), NOTHING, NOTHING) == (untimed, False)


def test_the_rest_of_a_word_that_the_text_has_is_left_out() -> None:
    found = say(("Rome,", 0, 200), ("said", 400, 700), ("he.", 1800, 2000))
    before = say(("city", -900, -600), ("of", -600, -400), ("Rome", -400, 0))
    after = say(("He", 2100, 2400), ("came.", 2400, 2900))
    assert keep_inside(found, Passage(0, 2000), before, after)[0].text == "said"
    assert keep_inside(found, Passage(0, 2000), NOTHING, NOTHING)[0].text == found.text


def test_words_that_alignment_put_elsewhere_are_not_written_twice() -> None:
    """They have less time there than anybody needs to say them."""
    found = say(("error", 1000, 1500), ("message", 1500, 1900), ("means.", 1900, 2400))
    squeezed = say(("this", 0, 300), ("error", 600, 620), ("message", 620, 640), ("means.", 640, 860))
    kept, is_known = keep_inside(found, Passage(900, 2500), squeezed, NOTHING)
    assert (kept.text, is_known) == ("", True)
    later = say(("Message", 2600, 2610), ("means", 2610, 2700), ("that", 2700, 2900))
    kept, is_known = keep_inside(found, Passage(900, 2500), NOTHING, later)
    assert (kept.text, is_known) == ("error", False)
    spoken_twice = say(("error", 0, 400), ("message", 400, 700), ("means.", 700, 860))
    kept, is_known = keep_inside(found, Passage(900, 2500), spoken_twice, NOTHING)
    assert (kept.text, is_known) == (found.text, False)


def test_a_word_said_twice_is_kept() -> None:
    found = say(("muy", 300, 500), ("bien", 600, 900))
    before = say(("Está", -600, -300), ("muy,", -300, 0))
    assert keep_inside(found, Passage(100, 1500), before, NOTHING)[0].text == "muy bien"


def test_new_words_are_put_in_their_place() -> None:
    segments = (Segment("One.", 0, 1000), Segment("Three.", 1000, 9000))
    result = say(("One.", 0, 900), ("Three.", 8000, 8900), segments=segments)
    found = say(("Two.", 3000, 3900), segments=(Segment("Two.", 3000, 4000),))
    whole = insert(result, found, Passage(2000, 5000))
    assert whole.text == "One. Two. Three."
    assert [word.text for word in whole.words] == ["One.", "Two.", "Three."]
    assert whole.segments == (
        Segment("One.", 0, 1000),
        Segment("Two.", 3000, 4000),
        Segment("Three.", 5000, 9000),
    )


def test_a_segment_is_divided_where_new_words_come_into_it() -> None:
    result = say(("One", 0, 900), ("three.", 8000, 8900), segments=(Segment("One three.", 0, 9000),))
    before, after = split_at(result, Passage(2000, 5000))
    assert (before.text, after.text) == ("One", "three.")
    assert before.segments == (Segment("One", 0, 2000),)
    assert after.segments == (Segment("three.", 5000, 9000),)


def test_characters_without_spaces_are_joined_without_spaces() -> None:
    result = WindowResult("你好再见", "zh", (Word("你好", 0, 500, 0.9), Word("再见", 5000, 5500, 0.9)))
    found = WindowResult("世界", "zh", (Word("世界", 2000, 2500, 0.9),))
    assert insert(result, found, Passage(1500, 3000)).text == "你好世界再见"
