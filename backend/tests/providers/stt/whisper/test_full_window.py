"""What goes into a full-window decode, and what becomes of a decode that repeats itself."""

import threading
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.providers.stt.whisper.full_window import (
    DECODER_TOKENS,
    PROMPT_TOKENS,
    REPETITION_RETRY,
    DecodeRequest,
    count_most_tokens,
    decode_full,
    hotwords,
    pad_window,
)


def test_the_window_ends_a_little_after_speech_in_silence() -> None:
    samples = np.full(32_000, 16_384, np.int16)
    audio = pad_window(samples, 8000)
    assert len(audio) == 8000 + 4000 + 4800
    assert audio[11_999] == 0.5
    assert not audio[12_000:].any()
    assert len(pad_window(samples[:8000], 9000)) == 8000 + 4800


def test_hotwords_are_few_and_hold_no_control_tokens() -> None:
    assert hotwords(()) is None
    assert hotwords(("  ", "<|")) is None
    assert hotwords(("a  b", "<|endoftext|>x")) == "a b, endoftext|>x"
    assert (hotwords(tuple(f"term{n}" for n in range(200))) or "").count("term") == 60


@dataclass(frozen=True)
class Spoken:
    """A segment as faster-whisper gives it."""

    text: str
    compression_ratio: float
    words: None = None
    avg_logprob: float = -0.2
    no_speech_prob: float = 0.1
    start: float = 0.0
    end: float = 2.0


class FakeModel:
    """Answers each decode with the next of its scripts."""

    def __init__(self, *scripts: list[Spoken]) -> None:
        self._scripts = list(scripts)
        self.asked: list[dict[str, Any]] = []

    def transcribe(self, audio: object, **options: object) -> tuple[list[Spoken], SimpleNamespace]:
        self.asked.append(options)
        return self._scripts.pop(0), SimpleNamespace(language="en", language_probability=1.0)


LOOP = [Spoken(" Thank you." * 30, 15.0)]
REQUEST = DecodeRequest(np.ones(16_000, np.int16), 16_000, "en", None, words=False, beam_size=5)


def test_a_sound_decode_is_not_repeated() -> None:
    model = FakeModel([Spoken(" Hello.", 0.8), Spoken(" How are you?", 1.0)])
    assert decode_full(model, REQUEST, threading.Event()).text == "Hello. How are you?"
    assert len(model.asked) == 1


def test_a_decode_in_circles_is_tried_again_against_repetition() -> None:
    model = FakeModel(LOOP, [Spoken(" Hello.", 0.8)])
    assert decode_full(model, REQUEST, threading.Event()).text == "Hello."
    assert REPETITION_RETRY.items() <= model.asked[1].items()


@pytest.mark.parametrize("seconds", [1, 5, 10])
def test_a_decode_in_circles_ends_where_nobody_speaks_so_fast(seconds: int) -> None:
    """Twice the most, for CTranslate2 generates half of it; without it 5 s of speech take 9 s."""
    model = FakeModel(LOOP, LOOP)
    request = replace(REQUEST, samples=np.ones(seconds * 16_000, np.int16), speech_samples=seconds * 16_000)
    decode_full(model, request, threading.Event())
    allowed = [each["max_new_tokens"] for each in model.asked]
    assert allowed == [2 * count_most_tokens(seconds + 0.3)] * 2
    assert max(allowed) < DECODER_TOKENS - PROMPT_TOKENS


def test_a_long_decode_has_the_decoder_for_its_text() -> None:
    """Beside a prompt of full length no more would fit: faster-whisper refuses it."""
    model = FakeModel([Spoken(" Hello.", 0.8)])
    request = replace(REQUEST, samples=np.ones(20 * 16_000, np.int16), speech_samples=20 * 16_000)
    decode_full(model, request, threading.Event())
    assert model.asked[0]["max_new_tokens"] is None


@pytest.mark.parametrize("second", [LOOP, []], ids=["in circles again", "nothing"])
def test_a_decode_that_stays_in_circles_is_rejected(second: list[Spoken]) -> None:
    decoded = decode_full(FakeModel(LOOP, second), REQUEST, threading.Event())
    assert (decoded.text, decoded.rejected) == ("", "hallucination")


def test_no_window_is_decoded_for_a_client_that_has_left() -> None:
    abandoned = threading.Event()
    abandoned.set()
    assert decode_full(FakeModel([Spoken(" Hello.", 0.8)]), REQUEST, abandoned).text == ""
