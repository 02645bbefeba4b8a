"""A decode that goes on from a text: what follows it and nothing else, and None where that is not sure."""

import threading
from typing import Any

import numpy as np
import pytest

from app.providers.base import Samples, SttConfig, ToldSpeech
from app.providers.stt.whisper.continuation import decode_continuation, repeats, split_opening
from app.providers.stt.whisper.full_window import DecodeRequest, DecodeResult
from app.providers.stt.whisper.model_pool import load
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.weights.checkpoints import read_checkpoint
from tests.support.checkpoints import (
    ENGLISH,
    SPANISH,
    Whisper,
    make_whisper_settings,
    make_window_request,
)


@pytest.mark.parametrize(
    ("said", "marks", "text"),
    [
        (" something warm.", "", "something warm."),
        (", and we", "", "and we"),
        (". His gospel.", ".", "His gospel."),
        ("? I know.", "?", "I know."),
        ("... something", "", "something"),
        ("… ¿Vas?", "", "¿Vas?"),
        ('." Then he', ".", "Then he"),
        (' "Then he', "", '"Then he'),
        ("。雨です", "。", "雨です"),
        (" - but", "", "but"),
        (" $5 is", "", "$5 is"),
        (".", ".", ""),
        ("", "", ""),
    ],
)
def test_the_marks_before_what_follows(said: str, marks: str, text: str) -> None:
    assert split_opening(said) == (marks, text)


@pytest.mark.parametrize(
    ("said", "told", "again"),
    [
        ("we are glad", "we are glad to welcome his gospel", True),
        ("welcome his gospel and more", "we are glad to welcome his gospel", True),
        ("glad to see", "we are glad to welcome his gospel", False),
        ("his gospel", "we are glad to welcome his gospel", False),
        ("no", "no", True),
        ("yes", "no", False),
        ("", "no", False),
    ],
)
def test_words_that_were_told_are_no_continuation(said: str, told: str, again: bool) -> None:
    assert repeats(said.split(), told.split()) is again


@pytest.fixture(scope="module")
def model(known: Whisper) -> Any:
    """The checkpoint as a `faster_whisper.WhisperModel`."""
    checkpoint = read_checkpoint(known.path.name, known.path)
    assert checkpoint is not None
    return load(checkpoint, make_whisper_settings(str(known.path))).whisper


def go_on(
    model: Any, samples: Samples, told: ToldSpeech, *, lang: str | None = "en", words: bool = False
) -> DecodeResult | None:
    request = DecodeRequest(samples, len(samples), lang, None, words=words, beam_size=5)
    return decode_continuation(model, request, told, threading.Event())


def divide(known: Whisper, words: int) -> tuple[ToldSpeech, Samples, str]:
    """The English sentence divided after so many words, in the middle of its audio in proportion to its letters."""
    said = ENGLISH.split()
    before, after = " ".join(said[:words]), " ".join(said[words:])
    at = int(len(known.english) * (len(before) + 1) / len(ENGLISH))
    return ToldSpeech(known.english[:at], before, "en"), known.english[at:], after


@pytest.mark.parametrize("words", [2, 4, 6])
def test_what_follows_the_told_text_is_the_rest_of_the_sentence(
    known: Whisper, model: Any, words: int
) -> None:
    told, samples, rest = divide(known, words)
    found = go_on(model, samples, told, words=True)
    assert found is not None
    assert (found.text, found.joined, found.lang) == (rest, True, "en")
    assert " ".join(word.text for word in found.words) == rest
    times = [ms for word in found.words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= len(samples) // 16


def test_a_mark_that_was_told_too_early_does_not_end_the_sentence(known: Whisper, model: Any) -> None:
    told, samples, rest = divide(known, 4)
    closed = ToldSpeech(told.samples, f"{told.text}.", "en")
    found = go_on(model, samples, closed)
    assert found is not None
    assert (found.text, found.joined) == (rest, True)


def test_a_whole_sentence_ends_before_the_next_one(known: Whisper, model: Any) -> None:
    """This checkpoint knows single sentences: it closes the first one, and goes on or says that it is not sure."""
    found = go_on(model, known.english, ToldSpeech(known.english, ENGLISH, "en"))
    assert found is None or not found.joined


def test_another_language_is_decoded_alone(known: Whisper, model: Any) -> None:
    told = ToldSpeech(known.english, ENGLISH, "en")
    assert go_on(model, known.spanish, told, lang=None) is None
    assert go_on(model, known.spanish, told, lang="es") is None


@pytest.mark.parametrize("text", ["", "..."])
def test_there_is_nothing_to_go_on_from(known: Whisper, model: Any, text: str) -> None:
    assert go_on(model, known.english, ToldSpeech(known.english, text, "en")) is None


def test_silence_says_nothing(known: Whisper, model: Any) -> None:
    assert go_on(model, np.zeros(16_000, np.int16), ToldSpeech(known.english, ENGLISH, "en")) is None


def test_a_caller_that_has_left_gets_nothing(known: Whisper, model: Any) -> None:
    told, samples, _ = divide(known, 4)
    abandoned = threading.Event()
    abandoned.set()
    request = DecodeRequest(samples, len(samples), "en", None, words=False, beam_size=5)
    assert decode_continuation(model, request, told, abandoned) is None


async def test_a_session_goes_on_as_its_checkpoint_does(known: Whisper) -> None:
    told, samples, rest = divide(known, 4)
    provider = WhisperLocalProvider(make_whisper_settings(str(known.path)))
    session = await provider.open_session(SttConfig(lang="en"))
    found = await session.decode_continuation(make_window_request(samples, words=True), told)
    assert found is not None
    assert (found.text, found.joined, len(found.words)) == (rest, True, len(rest.split()))
    spanish = ToldSpeech(known.spanish, SPANISH, "es")
    assert await session.decode_continuation(make_window_request(samples), spanish) is None
    await session.aclose()
