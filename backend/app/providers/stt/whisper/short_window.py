"""A decode of a short window: only the frames that are there. Cheap, and checked, for Whisper was trained on 30 s."""

import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.providers.base import SAMPLE_RATE_HZ, Samples, Word
from app.providers.stt.whisper.full_window import (
    LOG_PROB,
    NO_SPEECH,
    DecodeRequest,
    DecodeResult,
    context_tokens,
    count_most_tokens,
    order_segments,
    order_words,
    pad_window,
)
from app.providers.stt.whisper.hallucination import (
    COMPRESSION_RATIO,
    CopyCheck,
    compression_ratio,
    doubts_speech,
    drop_copies,
    has_words,
    repeats_phrase,
)
from app.providers.stt.whisper.language import detect_language
from app.utils.joining import strip_closing_marks

MARGIN_FRAMES = 50
"""Half a second of silence after the audio: without it last words are lost (docs/decisions/0003)."""
ROUND_FRAMES = 128
PARTIAL_FRAMES = 640
FINAL_FRAMES = 1000
"""The least window. A shorter one makes real weights say short sentences twice (docs/decisions/0003)."""
MAX_FRAMES = 3000


CERTAIN_NO_SPEECH = 0.9
"""Probability of no speech above which a partial has no text, however sure the decoder is."""

SURE_CLOSING = 0.5
"""Probability from which a mark closes a final. At a pause inside a sentence it is often less."""

ELLIPSES = ("..", "…")
"""How Whisper ends what it takes for cut off."""

_SECONDS_PER_TIMESTAMP = 0.02
_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"


class AlignedWord(NamedTuple):
    """One word of an alignment; times in seconds."""

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
    window = encode_window(model, request.samples, request.speech_samples, least)
    lang, probability = find_language(model, window, request)
    if abandoned.is_set():
        return DecodeResult("", lang, probability)
    tokenizer = make_tokenizer(model, lang, request.task)
    prompt = model.get_prompt(
        tokenizer,
        context_tokens(model, request, lang),
        without_timestamps=not request.final,
        hotwords=request.hotwords,
    )
    found = generate(model, tokenizer, window, prompt, request)[0]
    said = [token for token in found.tokens if token < tokenizer.eot]
    text = tokenizer.decode(said).strip()
    if found.no_speech > (
        NO_SPEECH if found.log_prob <= LOG_PROB else 1 if request.final else CERTAIN_NO_SPEECH
    ):
        text = ""
    if not has_words(text):
        text = ""
    words: tuple[Word, ...] = ()
    if text and (request.words or repeats_phrase(text)):
        aligned = align_words(model, tokenizer, window, said)
        if request.final and not is_closed(text, aligned.closing):
            text = strip_closing_marks(text)
            aligned.open_end()
        words = order_words(aligned.words, len(request.samples), text)
    checked = drop_copies(text, words)
    capped = found.capped and not checked.dropped
    doubt = _find_doubt(checked, found.log_prob, request, capped=capped)
    text, words = checked.text, checked.words if request.words else ()
    rejected = None if text else "no_speech"
    parts = _split(found.tokens, tokenizer, window.audio_s)
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
        no_speech=found.no_speech,
        log_prob=found.log_prob,
        is_speech_doubted=doubts_speech(found.no_speech, found.log_prob),
    )


class Window(NamedTuple):
    """Encoded audio."""

    encoded: Any
    frames: int
    """Of the audio, without padding behind it."""
    audio_s: float


class Generated(NamedTuple):
    """What the decoder wrote."""

    tokens: list[int]
    """Timestamps included; they begin with those that were given."""
    log_prob: float
    """Mean over the tokens that were not given."""
    no_speech: float
    capped: bool


def encode_window(model: Any, samples: Samples, speech_samples: int, least_frames: int) -> Window:
    """Encode the audio that is there, and silence up to `least_frames`."""
    audio = pad_window(samples, speech_samples)
    features = model.feature_extractor(audio)
    encoded = model.encode(pad_features(features, least_frames))
    return Window(encoded, features.shape[-1] - 1, len(audio) / SAMPLE_RATE_HZ)


def generate(
    model: Any, tokenizer: Any, window: Window, prompt: list[int], request: DecodeRequest, given: int = 0
) -> list[Generated]:
    """Decode after `prompt`, whose last `given` tokens are the beginning of the text. The best text comes first."""
    longest = given + count_most_tokens(window.audio_s)
    most = min(longest, model.max_length // 2, model.max_length - len(prompt))
    beams = request.beam_size if request.final else 1
    (result,) = model.model.generate(
        window.encoded,
        [prompt],
        beam_size=beams,
        num_hypotheses=beams,  # they were found anyway
        # CTranslate2 generates half of it at most, and what the prompt leaves of it.
        max_length=max(2 * most, len(prompt) + most),
        max_initial_timestamp_index=50,
        return_scores=True,
        return_no_speech_prob=True,
        suppress_blank=not given,  # after a given text there may be nothing more
        suppress_tokens=_suppressed(tokenizer),
    )
    return [
        Generated(
            tokens,
            score * len(tokens) / (len(tokens) - given + 1),
            result.no_speech_prob,
            len(tokens) >= most,
        )
        for tokens, score in zip(result.sequences_ids, result.scores, strict=True)
    ]


def pad_features(features: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    """The audio's frames with a margin after them, as silent as faster-whisper's own padding."""
    frames = features.shape[-1] - 1  # the last one lies behind the audio
    wanted = -(-(frames + MARGIN_FRAMES) // ROUND_FRAMES) * ROUND_FRAMES
    fitted = np.zeros((features.shape[0], min(max(wanted, least), MAX_FRAMES)), np.float32)
    kept = min(frames, fitted.shape[1])
    fitted[:, :kept] = features[:, :kept]
    return fitted


def find_language(model: Any, window: Window, request: DecodeRequest) -> tuple[str, float]:
    """The language of the request or, where it names none, of the window; and its probability."""
    if not model.model.is_multilingual:
        return "en", 1.0
    if request.lang is not None:
        return request.lang, 1.0
    return detect_language(model, window.encoded, request.choice)


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


class Alignment(NamedTuple):
    """Words with times, and the probability of the marks that close the text; 1 where it ends without."""

    words: list[AlignedWord]
    closing: float

    def open_end(self) -> None:
        """Strip the closing marks."""
        self.words[-1] = self.words[-1]._replace(word=strip_closing_marks(self.words[-1].word))


def align_words(model: Any, tokenizer: Any, window: Window, said: list[int]) -> Alignment:
    """Find where the tokens of a text are spoken."""
    from faster_whisper.transcribe import merge_punctuations

    (alignment,) = model.find_alignment(tokenizer, [said], window.encoded, window.frames)
    has_mark = bool(alignment) and not strip_closing_marks(alignment[-1]["word"])
    closing = float(alignment[-1]["probability"]) if has_mark else 1.0
    merge_punctuations(alignment, _PREPENDED, _APPENDED)
    words = [
        AlignedWord(each["word"], each["start"], each["end"], each["probability"])
        for each in alignment
        if each["word"].strip()
    ]
    return Alignment(words, closing)


def is_closed(text: str, closing: float) -> bool:
    """Whether the sentence ends here, by the probability of its closing marks. An ellipsis closes nothing."""
    return closing >= SURE_CLOSING and not text.endswith(ELLIPSES)


def make_tokenizer(model: Any, lang: str, task: str = "transcribe") -> Any:
    """The tokenizer of a `WhisperModel` for a language and a task."""
    return _tokenizer(model.hf_tokenizer, model.model.is_multilingual, lang, task)


@lru_cache(maxsize=32)
def _tokenizer(hf_tokenizer: Any, multilingual: bool, lang: str, task: str) -> Any:
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(hf_tokenizer, multilingual, task=task, language=lang)


@lru_cache(maxsize=32)
def _suppressed(tokenizer: Any) -> Any:
    from faster_whisper.transcribe import get_suppressed_tokens

    return get_suppressed_tokens(tokenizer, [-1])
