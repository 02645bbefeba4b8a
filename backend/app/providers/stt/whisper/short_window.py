"""A decode of a short window: only the frames that are there. Cheap, and checked, for Whisper was trained on 30 s."""

import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ, Word
from app.providers.stt.whisper.full_window import (
    LOG_PROB,
    NO_SPEECH,
    DecodeRequest,
    DecodeResult,
    context_tokens,
    order_segments,
    order_words,
    pad_window,
)
from app.providers.stt.whisper.hallucination import (
    COMPRESSION_RATIO,
    CopyCheck,
    compression_ratio,
    drop_copies,
    repeats_phrase,
)
from app.providers.stt.whisper.language import detect_language

MARGIN_FRAMES = 50
"""Half a second of silence after the audio: without it last words are lost (docs/decisions/0003)."""
ROUND_FRAMES = 128
PARTIAL_FRAMES = 640
FINAL_FRAMES = 1500
"""The least window. A shorter one makes real weights say short sentences twice (docs/decisions/0003)."""
MAX_FRAMES = 3000

BASE_TOKENS = 8
TOKENS_PER_S = 8
"""The longest text: BASE_TOKENS, and TOKENS_PER_S of audio, which is faster than anybody speaks."""

CERTAIN_NO_SPEECH = 0.9
"""Probability of no speech above which a partial has no text, however sure the decoder is."""

_SECONDS_PER_TIMESTAMP = 0.02
_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"


class _AlignedWord(NamedTuple):
    word: str
    start: float
    end: float
    probability: float


def decode_short(
    model: Any, request: DecodeRequest, abandoned: threading.Event, *, least_frames: int | None = None
) -> DecodeResult:
    """Decode one window with a `WhisperModel`. Blocks.

    Encodes the frames that are there, and at least `least_frames` (default: PARTIAL_FRAMES or FINAL_FRAMES).
    """
    least = least_frames or (FINAL_FRAMES if request.final else PARTIAL_FRAMES)
    audio = pad_window(request.samples, request.speech_samples)
    features = model.feature_extractor(audio)
    encoded = model.encode(pad_features(features, least))
    lang, probability = _language(model, encoded, request)
    if abandoned.is_set():
        return DecodeResult("", lang, probability)
    tokenizer = _tokenizer(model.hf_tokenizer, model.model.is_multilingual, lang)
    prompt = model.get_prompt(
        tokenizer,
        context_tokens(model, request, lang),
        without_timestamps=not request.final,
        hotwords=request.hotwords,
    )
    longest = BASE_TOKENS + int(TOKENS_PER_S * len(audio) / SAMPLE_RATE_HZ)
    most = min(longest, model.max_length // 2, model.max_length - len(prompt))
    (result,) = model.model.generate(
        encoded,
        [prompt],
        beam_size=request.beam_size if request.final else 1,
        # CTranslate2 generates half of it at most, and what the prompt leaves of it.
        max_length=max(2 * most, len(prompt) + most),
        max_initial_timestamp_index=50,
        return_scores=True,
        return_no_speech_prob=True,
        suppress_blank=True,
        suppress_tokens=_suppressed(tokenizer),
    )
    tokens = result.sequences_ids[0]
    said = [token for token in tokens if token < tokenizer.eot]
    text = tokenizer.decode(said).strip()
    log_prob = result.scores[0] * len(tokens) / (len(tokens) + 1)
    if result.no_speech_prob > (
        NO_SPEECH if log_prob <= LOG_PROB else 1 if request.final else CERTAIN_NO_SPEECH
    ):
        text = ""
    words: tuple[Word, ...] = ()
    if text and (request.words or repeats_phrase(text)):
        words = _words(model, tokenizer, encoded, said, features, request, text)
    checked = drop_copies(text, words)
    capped = len(tokens) >= most and not checked.dropped
    doubt = _find_doubt(checked, log_prob, request, capped=capped)
    text, words = checked.text, checked.words if request.words else ()
    rejected = None if text else "no_speech"
    parts = _split(tokens, tokenizer, len(audio) / SAMPLE_RATE_HZ)
    segments = order_segments(parts, len(request.samples), text) if text else ()
    return DecodeResult(
        text,
        lang,
        probability,
        words,
        rejected,
        doubt,
        trusted=not doubt,
        segments=segments,
        no_speech=result.no_speech_prob,
        log_prob=log_prob,
    )


def pad_features(features: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    """The audio's frames with a margin after them, as silent as faster-whisper's own padding."""
    frames = features.shape[-1] - 1  # the last one lies behind the audio
    wanted = -(-(frames + MARGIN_FRAMES) // ROUND_FRAMES) * ROUND_FRAMES
    fitted = np.zeros((features.shape[0], min(max(wanted, least), MAX_FRAMES)), np.float32)
    kept = min(frames, fitted.shape[1])
    fitted[:, :kept] = features[:, :kept]
    return fitted


def _language(model: Any, encoded: Any, request: DecodeRequest) -> tuple[str, float]:
    if not model.model.is_multilingual:
        return "en", 1.0
    if request.lang is not None:
        return request.lang, 1.0
    return detect_language(model, encoded, request.choice)


def _find_doubt(checked: CopyCheck, log_prob: float, request: DecodeRequest, *, capped: bool) -> str | None:
    """Why the window must be decoded again in full; None where the result is good.

    A partial without its copies is good enough to be shown.
    """
    if not checked.text:
        return "empty"
    if compression_ratio(checked.text) > COMPRESSION_RATIO or (checked.dropped and request.final):
        return "repetition"
    if capped:
        return "capped"
    if not request.final:
        return None
    if log_prob < LOG_PROB:
        return "unsure"
    return None


def _split(tokens: list[int], tokenizer: Any, longest_s: float) -> Iterator[tuple[str, float, float]]:
    """Text, start and end (s) of each segment: the text between two timestamps."""
    said: list[int] = []
    start_s = end_s = 0.0
    for token in tokens:
        if token < tokenizer.eot:
            said.append(token)
        elif token >= tokenizer.timestamp_begin:
            end_s = (token - tokenizer.timestamp_begin) * _SECONDS_PER_TIMESTAMP
            if said:
                yield tokenizer.decode(said), start_s, end_s
            said, start_s = [], end_s
    if said:
        yield tokenizer.decode(said), start_s, longest_s


def _words(
    model: Any,
    tokenizer: Any,
    encoded: Any,
    said: list[int],
    features: NDArray[np.float32],
    request: DecodeRequest,
    text: str,
) -> tuple[Word, ...]:
    from faster_whisper.transcribe import merge_punctuations

    (alignment,) = model.find_alignment(tokenizer, [said], encoded, features.shape[-1] - 1)
    merge_punctuations(alignment, _PREPENDED, _APPENDED)
    spoken = [
        _AlignedWord(each["word"], each["start"], each["end"], each["probability"])
        for each in alignment
        if each["word"].strip()
    ]
    return order_words(spoken, len(request.samples), text)


@lru_cache(maxsize=32)
def _tokenizer(hf_tokenizer: Any, multilingual: bool, lang: str) -> Any:
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(hf_tokenizer, multilingual, task="transcribe", language=lang)


@lru_cache(maxsize=32)
def _suppressed(tokenizer: Any) -> Any:
    from faster_whisper.transcribe import get_suppressed_tokens

    return get_suppressed_tokens(tokenizer, [-1])
