"""What live speech costs on this machine, measured without speech: typical decodes on every core at once.

Typical is a final after a pause: with the speech before it in its window, in a language that has to be found where the
checkpoint knows several, with the times of its words; and some are decoded in vain. To it come the partials that load
does not thin out.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from app.providers.base import SAMPLE_RATE_HZ
from app.providers.stt.whisper.continuation import LANGUAGE_SAMPLES
from app.providers.stt.whisper.short_window import (
    FINAL_FRAMES,
    PARTIAL_FRAMES,
    align_words,
    encode_window,
    make_tokenizer,
)

TYPICAL_S = 8.0
"""Speech of a typical utterance."""

BEFORE_S = 4.0
"""Speech before it in its window."""

TYPICAL_TOKENS = 26
"""Tokens whose decode costs what a decode of TYPICAL_S of speech does (measured)."""

IN_VAIN = 1.2
"""Finals that are decoded for each one that is told: speech goes on after a pause, or a window is decoded again."""

PARTIAL_EVERY_S = 2.5
"""Speech for which a loaded server still decodes a partial."""

PARTIAL_TOKENS = 14
"""Tokens of a partial that the next one does not leave behind."""

ROUNDS = 2
PATIENCE_S = 5.0
"""A round that took longer than this is the last one."""


def measure_cost(model: Any, beam_size: int, at_once: int, *, is_on_cpu: bool = True) -> float:
    """Core seconds per second of live speech of a `WhisperModel`, `at_once` speakers at a time. Blocks.

    On a CPU it counts the CPU time of this process, not the clock: other programs that are busy at this moment do not
    matter.
    """
    dice = np.random.default_rng(1)
    noise = (dice.standard_normal(int((BEFORE_S + TYPICAL_S) * SAMPLE_RATE_HZ)) * 300).astype(np.int16)
    eot = model.hf_tokenizer.token_to_id("<|endoftext|>")
    start = model.hf_tokenizer.token_to_id("<|startoftranscript|>")
    tokenizer = make_tokenizer(model, "en")
    text = tokenizer.encode(" and" * TYPICAL_TOKENS)
    begin = threading.Barrier(at_once)

    def decode_partial() -> None:
        window = encode_window(model, noise[:LANGUAGE_SAMPLES], LANGUAGE_SAMPLES, PARTIAL_FRAMES)
        model.model.generate(
            window.encoded,
            [[start]],
            beam_size=1,
            max_length=2 * PARTIAL_TOKENS,
            suppress_tokens=[eot],
        )

    def decode_final() -> None:
        if model.model.is_multilingual:
            alone = encode_window(model, noise[:LANGUAGE_SAMPLES], LANGUAGE_SAMPLES, PARTIAL_FRAMES)
            model.model.detect_language(alone.encoded)
        window = encode_window(model, noise, len(noise), FINAL_FRAMES)
        # No end of text is allowed: each decode has the same number of steps, whatever the noise sounds like.
        # CTranslate2 generates half of `max_length`.
        model.model.generate(
            window.encoded,
            [[start]],
            beam_size=beam_size,
            max_length=2 * TYPICAL_TOKENS,
            suppress_tokens=[eot],
        )
        align_words(model, tokenizer, window, text)

    def measure(decode: Callable[[], None]) -> float:
        """The least core seconds of such a decode, of a few rounds."""

        def work() -> None:
            begin.wait()
            decode()

        costs_s = []
        for _ in range(ROUNDS):
            began_s, cpu_s = time.monotonic(), time.process_time()
            for done in [pool.submit(work) for _ in range(at_once)]:
                done.result()
            took_s = time.monotonic() - began_s
            costs_s.append((time.process_time() - cpu_s) / at_once if is_on_cpu else took_s)
            if took_s > PATIENCE_S:
                break
        return min(costs_s)

    with ThreadPoolExecutor(at_once) as pool:
        return IN_VAIN * measure(decode_final) / TYPICAL_S + measure(decode_partial) / PARTIAL_EVERY_S
