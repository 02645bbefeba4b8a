"""A short window: the frames that are encoded, and what a real checkpoint understands in it."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from app.providers.stt.whisper import short_window
from app.providers.stt.whisper.full_window import DecodeRequest, count_most_tokens, pad_window
from app.providers.stt.whisper.model_pool import load
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.providers.stt.whisper.short_window import (
    FINAL_FRAMES,
    MARGIN_FRAMES,
    MAX_FRAMES,
    PARTIAL_FRAMES,
    ROUND_FRAMES,
    decode_short,
    pad_features,
)
from app.weights.checkpoints import read_checkpoint
from tests.conftest import read_wav
from tests.support.checkpoints import (
    ENGLISH,
    ROOT,
    SAMPLES_CHECKPOINT,
    Whisper,
    make_whisper_settings,
    transcribe,
)

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("frames", "padded"),
    [
        (1, PARTIAL_FRAMES),
        (PARTIAL_FRAMES - MARGIN_FRAMES, PARTIAL_FRAMES),
        (700, 768),
        (2990, MAX_FRAMES),
        (4000, MAX_FRAMES),
    ],
)
def test_features_are_padded_with_a_margin_to_a_round_number_of_frames(frames: int, padded: int) -> None:
    features = np.ones((80, frames + 1), np.float32)  # the last frame lies behind the audio
    fitted = pad_features(features, PARTIAL_FRAMES)
    assert fitted.shape == (80, padded)
    assert padded in (PARTIAL_FRAMES, MAX_FRAMES) or padded % ROUND_FRAMES == 0
    kept = min(frames, padded)
    assert fitted[:, :kept].all()
    assert not fitted[:, kept:].any()


def test_a_longer_window_can_be_asked_for() -> None:
    assert pad_features(np.ones((80, 11), np.float32), MAX_FRAMES).shape == (80, MAX_FRAMES)


@pytest.fixture(scope="module")
def model(known: Whisper) -> Any:
    """The checkpoint as a `faster_whisper.WhisperModel`."""
    checkpoint = read_checkpoint(known.path.name, known.path)
    assert checkpoint is not None
    return load(checkpoint, make_whisper_settings(str(known.path))).whisper


def decode_request(known: Whisper, *, final: bool, samples: int | None = None) -> DecodeRequest:
    audio = known.english[:samples]
    return DecodeRequest(audio, len(audio), None, None, words=False, beam_size=5, final=final)


def test_the_result_has_text_language_and_no_doubt(known: Whisper, model: Any) -> None:
    for final in (True, False):
        result = decode_short(model, decode_request(known, final=final), threading.Event())
        assert (result.text, result.lang, result.doubtful, result.trusted) == (ENGLISH, "en", None, True)
        assert result.rejected is None


def test_no_text_is_a_doubt(model: Any) -> None:
    request = DecodeRequest(np.zeros(16_000, np.int16), 16_000, "en", None, words=False, beam_size=5)
    result = decode_short(model, request, threading.Event())
    assert (result.text, result.doubtful, result.rejected, result.trusted) == (
        "",
        "empty",
        "no_speech",
        False,
    )


@pytest.mark.parametrize(("final", "frames"), [(True, FINAL_FRAMES), (False, PARTIAL_FRAMES)])
def test_a_final_hears_a_longer_window_than_a_partial(
    known: Whisper, model: Any, monkeypatch: pytest.MonkeyPatch, final: bool, frames: int
) -> None:
    encoded: list[int] = []
    original = model.encode

    def encode(features: np.ndarray[Any, Any]) -> Any:
        encoded.append(features.shape[-1])
        return original(features)

    monkeypatch.setattr(model, "encode", encode)
    assert decode_short(model, decode_request(known, final=final), threading.Event()).text == ENGLISH
    assert encoded == [frames]


class Recorded:
    """A CTranslate2 model that remembers how many tokens each decode gave."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.lengths: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, *arguments: Any, **options: Any) -> Any:
        results = self._model.generate(*arguments, **options)
        self.lengths += [len(result.sequences_ids[0]) for result in results]
        return results


@pytest.mark.parametrize("context", ["", ENGLISH])
def test_as_many_tokens_are_generated_as_the_audio_may_hold(
    known: Whisper, model: Any, monkeypatch: pytest.MonkeyPatch, context: str
) -> None:
    """A decoder that never ends is stopped there, and not at half of it."""
    monkeypatch.setattr(model, "model", recorded := Recorded(model.model))
    original = short_window._suppressed
    monkeypatch.setattr(short_window, "_suppressed", lambda found: [*original(found), found.eot])
    request = replace(decode_request(known, final=True), context=context)
    assert decode_short(model, request, threading.Event()).doubtful in ("capped", "repetition")
    seconds = len(pad_window(request.samples, request.speech_samples)) / 16_000
    assert recorded.lengths == [count_most_tokens(seconds)]


def test_nothing_is_generated_for_a_caller_that_has_left(known: Whisper, model: Any) -> None:
    abandoned = threading.Event()
    abandoned.set()
    result = decode_short(model, decode_request(known, final=True), abandoned)
    assert (result.text, result.lang) == ("", "en")


@pytest.mark.parametrize("path", sorted((ROOT / "samples").glob("*.wav")), ids=lambda path: path.stem)
async def test_a_short_window_understands_every_sample(path: Path) -> None:
    """As the full one does; what is no speech is no text in either."""
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    audio, rate = read_wav(path)
    if rate != 16_000:
        audio = soxr.resample(audio.astype(np.float32), rate, 16_000).clip(-32768, 32767).astype(np.int16)
    provider = WhisperLocalProvider(make_whisper_settings(str(SAMPLES_CHECKPOINT)))
    finals = [(await transcribe(provider, audio, window=window)).text for window in ("short", "full")]
    assert finals == [path.with_suffix(".txt").read_text(encoding="utf-8").strip()] * 2
