"""A decode that goes on from a text: an utterance in one window with the speech before it, whose text is final.

The told text is given to the decoder as the beginning of its own, without the marks that close it. What it writes
next is the utterance; whether it closes the sentence first shows whether the sentence goes on.
"""

import re
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from app.providers.base import SAMPLE_RATE_HZ, ToldSpeech, Word
from app.providers.stt.whisper.full_window import (
    LOG_PROB,
    PROMPT_TOKENS,
    DecodeRequest,
    DecodeResult,
    order_words,
)
from app.providers.stt.whisper.hallucination import (
    COMPRESSION_RATIO,
    DOUBTFUL_LOG_PROB,
    compression_ratio,
    drop_copies,
)
from app.providers.stt.whisper.short_window import (
    FINAL_FRAMES,
    PARTIAL_FRAMES,
    AlignedWord,
    Window,
    align_words,
    encode_window,
    find_language,
    generate,
    is_closed,
    make_tokenizer,
)
from app.utils.joining import CLOSING_MARKS, strip_closing_marks
from app.utils.letters import count_letters

REPEATED_WORDS = 3
"""An utterance that begins with so many of the told words in a row is decoded alone."""

ENDED = 0.3
"""Probability of a closing mark from which a capital after the told text begins a sentence, and is no name."""

LANGUAGE_SAMPLES = 5 * SAMPLE_RATE_HZ
"""The language of an utterance is found in its beginning: 2 s are enough (docs/decisions/0010)."""

_OPENING = re.compile(r"""(?:["'”’»)\]](?=\s|$)|[^\w¿¡(\[{<«“"'$€£#@+])*""")
_END_TOKENS = (".", "?", "!", '."', '?"', '!"', "。", "？", "！")
_ELLIPSIS = re.compile(r"\.{2,}|…")


def decode_continuation(
    model: Any, request: DecodeRequest, told: ToldSpeech, abandoned: threading.Event
) -> DecodeResult | None:
    """What follows the told text, with times from the first sample of `request`. Blocks.

    None where the decoder is not sure, or the utterance is in another language.
    """
    before = strip_closing_marks(told.text)
    if not before:
        return None
    lang, probability = _find_language(model, request, told)
    if lang != told.lang or abandoned.is_set():
        return None
    window = encode_window(
        model,
        np.concatenate((told.samples, request.samples)),
        len(told.samples) + request.speech_samples,
        FINAL_FRAMES,
    )
    decoder = _Decoder(model, make_tokenizer(model, lang), window, request)
    continuation = _go_on(decoder, before)
    if continuation is None or abandoned.is_set():
        return None
    aligned = align_words(model, decoder.tokenizer, window, continuation.tokens)
    if not is_closed(continuation.text, aligned.closing):
        continuation = continuation._replace(text=strip_closing_marks(continuation.text))
        aligned.open_end()
    spoken = _take_last(aligned.words, continuation.text, len(told.samples) / SAMPLE_RATE_HZ)
    words = order_words(spoken, len(request.samples), continuation.text)
    if _is_doubtful(continuation, words, told.text):
        return None
    return DecodeResult(
        continuation.text,
        lang,
        probability,
        words=words if request.words else (),
        joined=not continuation.ends_before,
        ends_before=continuation.ends_before,
        trusted=True,
        # The probability of no speech is that of the told speech too, and says nothing here.
        is_speech_doubted=continuation.log_prob < DOUBTFUL_LOG_PROB,
    )


class _Decoder(NamedTuple):
    model: Any
    tokenizer: Any
    window: Window
    request: DecodeRequest


class _Continuation(NamedTuple):
    """What the decoder wrote after the told text."""

    tokens: list[int]
    """Of the told text and what follows."""
    text: str
    ends_before: str
    """Marks that end the told sentence; empty where it goes on."""
    log_prob: float
    capped: bool


def _find_language(model: Any, request: DecodeRequest, told: ToldSpeech) -> tuple[str, float]:
    """The language of the utterance alone: the speech before it would lean the decision."""
    if request.lang is not None or not model.model.is_multilingual:
        return request.lang or told.lang or "en", 1.0
    heard = min(request.speech_samples, LANGUAGE_SAMPLES)
    alone = encode_window(model, request.samples[:heard], heard, PARTIAL_FRAMES)
    return find_language(model, alone, request)


def _go_on(decoder: _Decoder, told: str) -> _Continuation | None:
    """Decode what follows the told text: the best text that has words, and not the best one that ends there."""
    model, tokenizer, window, request = decoder
    given = len(tokenizer.encode(f" {told}"))
    # faster-whisper drops hotwords where there is a prefix: they are given as the text before.
    terms = tokenizer.encode(f" {request.hotwords}")[:PROMPT_TOKENS] if request.hotwords else []
    prompt = model.get_prompt(tokenizer, terms, without_timestamps=True, prefix=told)
    for found in generate(model, tokenizer, window, prompt, request, given):
        tokens = [token for token in found.tokens if token < tokenizer.eot]
        ends_before, text = split_opening(tokenizer.decode(tokens[given:]))
        if not text:
            continue
        if not ends_before and text[0].isupper() and _end_probability(decoder, told) >= ENDED:
            ends_before = "."
        return _Continuation(tokens, text, ends_before, found.log_prob, found.capped)
    return None


def _end_probability(decoder: _Decoder, told: str) -> float:
    """The probability of a mark that ends the sentence after the told text."""
    model, tokenizer, window, _ = decoder
    prompt = model.get_prompt(tokenizer, [], without_timestamps=True, prefix=told)
    given = len(tokenizer.encode(f" {told}"))
    most = given + 1
    (result,) = model.model.generate(
        window.encoded,
        [prompt],
        beam_size=1,
        max_length=max(2 * most, len(prompt) + most),
        return_logits_vocab=True,
        suppress_blank=False,
    )
    log_probs = np.asarray(result.logits[0][given], dtype=np.float64).ravel()
    log_probs -= log_probs.max()
    marks = [ids[0] for ids in map(tokenizer.encode, _END_TOKENS) if len(ids) == 1]
    return float(np.exp(log_probs[marks]).sum() / np.exp(log_probs).sum())


def split_opening(said: str) -> tuple[str, str]:
    """The marks at the beginning of `said` that end the sentence before it, empty where none does; and the rest."""
    opening = _OPENING.match(said)
    assert opening is not None
    marks = "".join(mark for mark in _ELLIPSIS.sub("", opening.group()) if mark in CLOSING_MARKS)
    return marks, said[opening.end() :].strip()


def _take_last(words: Sequence[AlignedWord], text: str, offset_s: float) -> list[AlignedWord]:
    """The last words, as many as `text` has, with times after the offset. The first one may be the end of a word."""
    taken: list[AlignedWord] = []
    left = count_letters(text)
    for word in reversed(words):
        if left <= 0:
            break
        letters = word.word.strip()
        shown = letters[-left:] if len(letters) > left else letters
        left -= count_letters(shown)
        taken.append(word._replace(word=shown, start=word.start - offset_s, end=word.end - offset_s))
    return taken[::-1]


def _is_doubtful(continuation: _Continuation, words: tuple[Word, ...], told: str) -> bool:
    text = continuation.text
    if continuation.capped or continuation.log_prob < LOG_PROB or compression_ratio(text) > COMPRESSION_RATIO:
        return True
    return repeats(_normalize(text), _normalize(told)) or drop_copies(text, words).dropped


def repeats(said: list[str], told: list[str]) -> bool:
    """Whether a text begins with words of the told one, which is what the decoder hears in noise."""
    count = min(REPEATED_WORDS, len(told))
    starts = range(len(told) - count + 1)
    return len(said) >= count and any(said[:count] == told[at : at + count] for at in starts)


def _normalize(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
