"""OpenAI's transcription API: the form of a request, and the transcript in an answer."""

import io
import wave
from typing import Any

import numpy as np
import orjson
import pytest

from app.core.errors import UpstreamError
from app.providers.base import SttConfig, Word
from app.providers.upstream.transcription import build_form, encode_wav, parse_transcript


def test_audio_is_sent_as_16_khz_mono_wav() -> None:
    pieces = [np.arange(3, dtype=np.int16), np.arange(3, 5, dtype=np.int16)]
    with wave.open(io.BytesIO(encode_wav(pieces))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(10) == np.arange(5, dtype="<i2").tobytes()


def test_the_form_names_what_the_dictation_asks_for() -> None:
    assert build_form(SttConfig(), "m", verbose=False) == {"model": "m", "response_format": "json"}
    config = SttConfig(lang="es-MX", vocabulary=("FastAPI", "kubectl"))
    assert build_form(config, "m", verbose=True) == {
        "model": "m",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        "language": "es",
        "prompt": "FastAPI, kubectl",
    }


def parse(body: Any, config: SttConfig | None = None) -> Any:
    return parse_transcript(orjson.dumps(body), config or SttConfig(words=True), "m", "host")


def test_words_have_times_and_the_confidence_of_their_segment() -> None:
    found = parse(
        {
            "text": " Hola\n mundo ",
            "language": "Spanish",
            "words": [
                {"word": " Hola", "start": 0.1, "end": 0.42},
                {"word": "mundo", "start": 0.5, "end": 0.2},
                {"word": "x"},
                7,
            ],
            "segments": [{"start": 0, "end": 0.45, "avg_logprob": 0.0}, {"start": "x"}],
        }
    )
    assert (found.text, found.lang, found.model) == ("Hola mundo", "es", "m")
    assert found.words == (Word("Hola", 100, 420, 1.0), Word("mundo", 500, 500, 1.0))


@pytest.mark.parametrize(("name", "code"), [("german", "de"), ("PT-br", "pt"), ("klingon", None), (7, None)])
def test_a_language_is_a_code_or_unknown(name: object, code: str | None) -> None:
    assert parse({"text": "x", "language": name}).lang == code


@pytest.mark.parametrize("body", [{}, {"text": 7}, [], "x"])
def test_an_answer_without_text_is_an_error(body: object) -> None:
    with pytest.raises(UpstreamError, match="without a text"):
        parse(body)


def test_an_answer_that_is_not_json_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="no API there"):
        parse_transcript(b"<html>", SttConfig(), "m", "host")
