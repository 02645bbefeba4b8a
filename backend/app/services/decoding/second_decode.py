"""Decodes again, at its own level, the speech of an utterance that has no words after the first decode."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
from anyio.to_thread import run_sync
from numpy.typing import NDArray

from app.providers.base import SAMPLES_PER_MS, Samples, WindowRequest, WindowResult
from app.providers.vad import detect_speech
from app.services.decoding.coverage import (
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
    shift,
    split_at,
    widen,
)

MOST_DECODES = 4
"""Second decodes of one utterance. What has no words after them is told as uncovered."""

Decode = Callable[[WindowRequest], Awaitable[WindowResult]]
DetectSpeech = Callable[[Samples], NDArray[np.float32]]
"""The speech probability of each frame of 512 samples. Blocks."""


async def decode_uncovered(
    request: WindowRequest, result: WindowResult, decode: Decode, detect: DetectSpeech = detect_speech
) -> WindowResult:
    """The result of `request` with the words of passages that it missed. It names those that stay without words.

    Raises what `decode` raises.
    """
    if not result.words and not result.segments:
        return result  # the engine does not say where its words are
    whole = Passage(0, request.speech_samples // SAMPLES_PER_MS)
    pending, left, tries = find_gaps(result, whole), [], 0
    while pending:
        gap = pending.pop(0)
        audible = amplify(cut_passage(request.samples, gap))
        passages = find_passages(await run_sync(detect, audible), gap)
        if not passages:
            continue
        if tries == MOST_DECODES:
            left += passages
            continue
        tries += 1
        region = widen(Passage(passages[0].start_ms, passages[-1].end_ms), gap)
        found = await _decode_passage(request, region, result.lang, decode)
        result = replace(result, decode_ms=result.decode_ms + found.decode_ms)
        before, after = split_at(result, region)
        found, is_known = keep_inside(found, region, before, after)
        if is_known:
            continue
        if is_believable(found, passages):
            result = insert(result, found, region)
            pending = find_gaps(found, region) + pending
        else:
            left += passages
    left = [passage for passage in left if is_certain(passage)]
    return replace(result, uncovered=list_uncovered(request.samples, left))


async def _decode_passage(
    request: WindowRequest, passage: Passage, lang: str | None, decode: Decode
) -> WindowResult:
    samples, start_ms = cut_with_context(request.samples, passage)
    second = replace(request, samples=samples, speech_samples=len(samples), context="", words=True, lang=lang)
    return shift(await decode(second), start_ms)
