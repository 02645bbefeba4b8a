"""A decode of Whisper's full window of 30 s with faster-whisper; the requests and results of all decodes."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ, Samples, Segment, Word
from app.providers.stt.whisper.hallucination import (
    COMPRESSION_RATIO,
    doubts_speech,
    drop_copies,
    has_words,
    remove_loop,
)
from app.providers.stt.whisper.language import LanguageChoice, detect_language
from app.utils.joining import strip_closing_marks
from app.utils.letters import count_letters

REAL_TAIL_SAMPLES = SAMPLE_RATE_HZ // 4
"""Audio after the end of speech that is decoded too, at most: the gate misses a last quiet consonant."""
ZERO_TAIL_SAMPLES = SAMPLE_RATE_HZ * 3 // 10
"""Silence added at the end; without it Whisper drops last words."""

MAX_TERMS = 60
PROMPT_TOKENS = 220
"""Half of the decoder's tokens, less the control tokens. The vocabulary comes first, then the end of the context."""

DECODER_TOKENS = 448
"""Of a Whisper decoder: prompt and text."""

CONTROL_TOKENS = 8
"""Around a prompt, at most."""

BASE_TOKENS = 8
TOKENS_PER_S = 8
"""The longest text: BASE_TOKENS, and TOKENS_PER_S of audio, which is faster than anybody speaks."""

LOG_PROB = -1.0
NO_SPEECH = 0.6

PARAMETERS: dict[str, Any] = {
    # One temperature: CTranslate2's random generators cannot be seeded for a call, so the usual ladder of temperatures
    # gives the same audio different texts. REPETITION_RETRY takes the place of the second temperature.
    "temperature": [0.0],
    "compression_ratio_threshold": COMPRESSION_RATIO,
    "log_prob_threshold": LOG_PROB,
    "no_speech_threshold": NO_SPEECH,
    "condition_on_previous_text": False,
    "vad_filter": False,
}
REPETITION_RETRY: dict[str, Any] = {"no_repeat_ngram_size": 4, "repetition_penalty": 1.1}
"""Changes for the second try of a decode that repeats itself."""


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """One decode: its audio and its options."""

    samples: Samples
    speech_samples: int
    lang: str | None
    """Whisper's code, or None to detect it."""
    hotwords: str | None
    words: bool
    beam_size: int
    choice: LanguageChoice = field(default_factory=LanguageChoice)
    """What is known of the language where it is to be detected."""
    context: str = ""
    """Text that came before, for the prompt."""
    context_lang: str | None = None
    """Its language: an utterance in another one is decoded without it."""
    final: bool = True
    task: Literal["transcribe", "translate"] = "transcribe"
    """What the decoder writes: the words that are spoken, or English ones."""


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The result of one decode."""

    text: str
    lang: str
    lang_probability: float
    words: tuple[Word, ...] = ()
    rejected: str | None = None
    doubtful: str | None = None
    """Why a short window must be decoded again in full; None where it need not."""
    joined: bool = False
    """The text goes on with the sentence before it."""
    ends_before: str = ""
    """Marks that end the sentence before it."""
    trusted: bool = False
    """Nothing was cut from the text, and the decoder was sure of it."""
    segments: tuple[Segment, ...] = ()
    no_speech: float = 0.0
    """Probability that the audio has no speech: the highest of the text's segments."""
    log_prob: float = 0.0
    """Mean logarithm of the probability of a token: the lowest of the text's segments."""
    is_speech_doubted: bool = False
    """As in `Transcript`: each segment of the text is doubted."""


def decode_full(model: Any, request: DecodeRequest, abandoned: threading.Event) -> DecodeResult:
    """Decode one utterance with a `WhisperModel`. Blocks; stops between windows when `abandoned` is set."""
    from faster_whisper.audio import pad_or_trim

    audio = pad_window(request.samples, request.speech_samples)
    if request.lang is None and model.model.is_multilingual:
        encoded = model.encode(pad_or_trim(model.feature_extractor(audio)))
        request = replace(request, lang=detect_language(model, encoded, request.choice)[0])
    segments, info = _transcribe(model, audio, request, {}, abandoned)
    if _worst_ratio(segments) > COMPRESSION_RATIO:
        second, _ = _transcribe(model, audio, request, REPETITION_RETRY, abandoned)
        if second and _worst_ratio(second) <= COMPRESSION_RATIO:
            segments = second
    raw = "".join(segment.text for segment in segments).strip()
    if not has_words(raw):
        return DecodeResult("", info.language, info.language_probability, rejected="no_speech")
    spoken = [word for segment in segments for word in segment.words or ()]
    once = drop_copies(raw, order_words(spoken, len(request.samples), raw))
    checked = remove_loop(once.text)
    if checked.rejected:
        return DecodeResult("", info.language, info.language_probability, rejected="hallucination")
    words = take_words(once.words, checked.text)
    trusted = checked.text == raw and all(segment.avg_logprob >= LOG_PROB for segment in segments)
    parts = [(segment.text, segment.start, segment.end) for segment in segments]
    return DecodeResult(
        checked.text,
        info.language,
        info.language_probability,
        words,
        trusted=trusted,
        segments=order_segments(parts, len(request.samples), checked.text),
        no_speech=max(segment.no_speech_prob for segment in segments),
        log_prob=min(segment.avg_logprob for segment in segments),
        is_speech_doubted=all(
            doubts_speech(segment.no_speech_prob, segment.avg_logprob) for segment in segments
        ),
    )


def count_most_tokens(audio_s: float) -> int:
    """The most tokens that this much speech can have: a decoder that goes round in circles stops there."""
    return BASE_TOKENS + int(TOKENS_PER_S * audio_s)


def pad_window(samples: Samples, speech_samples: int) -> NDArray[np.float32]:
    """The utterance until a little after its speech, then silence; full scale 1."""
    kept = samples[: speech_samples + REAL_TAIL_SAMPLES]
    audio = np.zeros(len(kept) + ZERO_TAIL_SAMPLES, np.float32)
    np.divide(kept, 32768, out=audio[: len(kept)], dtype=np.float32)
    return audio


def hotwords(vocabulary: tuple[str, ...]) -> str | None:
    """The vocabulary as prompt text, which faster-whisper calls hotwords."""
    terms = [_plain(term) for term in vocabulary[:MAX_TERMS]]
    return ", ".join(term for term in terms if term) or None


def context_tokens(model: Any, request: DecodeRequest, lang: str | None) -> list[int]:
    """The text before an utterance in `lang` as tokens, as far as the vocabulary leaves room in the prompt."""

    def tokens(text: str) -> list[int]:
        found: list[int] = model.hf_tokenizer.encode(f" {text}", add_special_tokens=False).ids
        return found

    if request.context_lang not in (None, lang) or not (context := _plain(request.context)):
        return []
    room = PROMPT_TOKENS - (len(tokens(request.hotwords)) if request.hotwords else 0)
    return tokens(context)[-room:] if room > 0 else []


def _plain(text: str) -> str:
    # `<|` begins the names of control tokens: no term and no transcript may write one.
    return " ".join(text.replace("<|", " ").split())


def _transcribe(
    model: Any,
    audio: NDArray[np.float32],
    request: DecodeRequest,
    changes: dict[str, Any],
    abandoned: threading.Event,
) -> tuple[list[Any], Any]:
    # CTranslate2 generates half of what it is allowed.
    most = 2 * count_most_tokens(len(audio) / SAMPLE_RATE_HZ)
    has_room = most <= DECODER_TOKENS - PROMPT_TOKENS - CONTROL_TOKENS
    pending, info = model.transcribe(
        audio,
        language=request.lang,
        task=request.task,
        beam_size=request.beam_size,
        hotwords=request.hotwords,
        word_timestamps=request.words,
        initial_prompt=context_tokens(model, request, request.lang) or None,
        max_new_tokens=most if has_room else None,
        **PARAMETERS,
        **changes,
    )
    segments = []
    for segment in pending:  # each step of the iterator decodes a window
        if abandoned.is_set():
            break
        segments.append(segment)
    return segments, info


def _worst_ratio(segments: list[Any]) -> float:
    return max((segment.compression_ratio for segment in segments), default=0.0)


def order_words(spoken: Iterable[Any], utterance_samples: int, text: str) -> tuple[Word, ...]:
    """faster-whisper's words, as many as `text` has, with times in order and inside the utterance."""
    end_ms = utterance_samples * 1000 // SAMPLE_RATE_HZ
    words: list[Word] = []
    earliest_ms = 0
    for word in spoken:
        start_ms = min(max(round(word.start * 1000), earliest_ms), end_ms)
        earliest_ms = min(max(round(word.end * 1000), start_ms), end_ms)
        confidence = min(max(float(word.probability), 0.0), 1.0)
        words.append(Word(word.word.strip(), start_ms, earliest_ms, confidence))
    return take_words(words, text)


def take_words(words: Iterable[Word], text: str) -> tuple[Word, ...]:
    """The first words, as many as `text` has."""
    left = count_letters(text)
    taken: list[Word] = []
    for word in words:
        left -= count_letters(word.text)
        if left < 0:
            break
        taken.append(word)
    return tuple(taken)


def order_segments(
    parts: Iterable[tuple[str, float, float]], utterance_samples: int, text: str
) -> tuple[Segment, ...]:
    """Text, start and end (s) of each part, as far as `text` goes, with times in order and inside the utterance."""
    end_ms = utterance_samples * 1000 // SAMPLE_RATE_HZ
    segments: list[Segment] = []
    earliest_ms = at = 0
    for part, start_s, end_s in parts:
        shown = part.strip()
        if not shown:
            continue
        found = text.find(shown, at)
        if found < 0:
            shown = strip_closing_marks(shown)  # the text may end without the mark that the decoder wrote
            found = text.find(shown, at)
        if found < 0:
            break
        at = found + len(shown)
        start_ms = min(max(round(start_s * 1000), earliest_ms), end_ms)
        earliest_ms = min(max(round(end_s * 1000), start_ms), end_ms)
        segments.append(Segment(shown, start_ms, earliest_ms))
    return tuple(segments) if not text[at:].strip() else ()
