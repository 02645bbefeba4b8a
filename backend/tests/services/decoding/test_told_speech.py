"""The speech before an utterance: whole finals that fit, or the end of a long one, with the text of their audio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.base import SAMPLE_RATE_HZ, Samples, ToldSpeech, WindowRequest, Word
from app.services.decoding.told_speech import (
    LONGEST_JOINT_S,
    PAUSE_S,
    TOLD_S,
    ToldUtterance,
    ToldUtterances,
    cut_end,
)
from app.utils.joining import TextPart
from tests.fakes.window_engine import WORD_SAMPLES, hear, make_speech, make_text

SECOND = SAMPLE_RATE_HZ


def listen(samples: Samples) -> tuple[Word, ...]:
    return hear(WindowRequest(samples, len(samples), final=True, window="short", words=True)).words


def utterance(words: int, first: int = 0, *, joined: bool = False, lang: str = "en") -> ToldUtterance:
    samples = make_speech(words, first)
    return ToldUtterance(samples, TextPart(make_text(words, first), joined, lang), listen(samples))


def tell(*utterances: ToldUtterance) -> ToldUtterances:
    told, end = ToldUtterances(), 0
    for each in utterances:
        end += len(each.samples)
        told.add(each, end)
    return told


def find(told: ToldUtterances, start: int = 60 * SECOND, samples: int = SECOND) -> ToldSpeech | None:
    told._end = start - SECOND
    return told.find_before(start, samples)


def test_nothing_was_said_before_the_first() -> None:
    assert find(ToldUtterances()) is None


def test_whole_finals_that_fit_are_one_text() -> None:
    found = find(tell(utterance(30), utterance(4, 30), utterance(5, 34, joined=True)))
    assert found is not None
    assert (found.text, found.lang) == (make_text(9, 30), "en")
    assert np.array_equal(found.samples, make_speech(9, 30))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 28 * SECOND))
def test_text_and_audio_are_of_the_same_words_and_bounded(lengths: list[int], samples: int) -> None:
    starts = np.cumsum([0, *lengths]).tolist()
    said = [utterance(count, first) for count, first in zip(lengths, starts, strict=False)]
    found = find(tell(*said), samples=samples)
    if found is None:
        assert len(said[-1].words) < 2 or LONGEST_JOINT_S * SECOND - samples < len(said[-1].samples)
        return
    assert len(found.samples) <= TOLD_S * SECOND
    assert len(found.samples) + samples <= LONGEST_JOINT_S * SECOND
    assert found.text == " ".join(word.text for word in listen(found.samples))
    assert found.text.endswith(f"w{sum(lengths) - 1}")


def test_after_a_long_pause_an_utterance_is_alone() -> None:
    told = tell(utterance(4))
    end = 4 * WORD_SAMPLES
    assert told.find_before(end + int(PAUSE_S * SECOND), SECOND) is not None
    assert told.find_before(end + int(PAUSE_S * SECOND) + 1, SECOND) is None


def test_another_language_before_the_last_final_is_left_out() -> None:
    found = find(tell(utterance(4, lang="es"), utterance(4, 4)))
    assert found is not None
    assert found.text == make_text(4, 4)


def test_a_sentence_that_turned_out_to_be_over_is_closed() -> None:
    told = ToldUtterances()
    told.add(utterance(2), 0)
    told.add(utterance(2, 2), 0, ends_before=".")
    found = find(told)
    assert found is not None
    assert found.text == "w0 w1. w2 w3"


def test_what_was_not_trusted_is_forgotten() -> None:
    told = tell(utterance(4))
    told.clear()
    assert find(told) is None


def spread(*gaps_ms: int) -> ToldUtterance:
    """Words of 300 ms with these pauses between them."""
    words, at_ms = [], 0
    for number, gap_ms in enumerate((*gaps_ms, 0)):
        words.append(Word(f"w{number}", at_ms, at_ms + 300, 0.9))
        at_ms += 300 + gap_ms
    return ToldUtterance(np.zeros(at_ms * 16, np.int16), TextPart("…", lang="en"), tuple(words))


@pytest.mark.parametrize(
    ("most_ms", "text"),
    [(1200, "w2 w3"), (1700, "w2 w3"), (2300, "w1 w2 w3"), (400, "w3"), (100, None)],
)
def test_a_long_final_is_cut_in_its_longest_pause(most_ms: int, text: str | None) -> None:
    end = cut_end(spread(800, 400, 100), most_ms * 16)
    assert (end.part.text if end else None) == text
    if end is not None:
        assert len(end.samples) <= most_ms * 16


def test_a_final_without_word_times_is_not_cut() -> None:
    assert cut_end(ToldUtterance(make_speech(9), TextPart(make_text(9))), SECOND) is None
