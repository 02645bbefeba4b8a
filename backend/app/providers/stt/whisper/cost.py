"""What a final costs on this machine, measured without speech: one typical decode on every core at once.

Typical is a final of live speech after a pause: with the speech before it in its window, in a language that has to be
found where the checkpoint knows several, with the times of its words; and some are decoded in vain.
"""

import threading
import time
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

ROUNDS = 2
PATIENCE_S = 5.0
"""A round that took longer than this is the last one."""


def measure_cost(model: Any, beam_size: int, at_once: int, *, is_on_cpu: bool = True) -> float:
    """Core seconds per second of speech of finals of a `WhisperModel`, `at_once` at a time. Blocks.

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

    def decode() -> None:
        begin.wait()
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

    costs_s = []
    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(ROUNDS):
            began_s, cpu_s = time.monotonic(), time.process_time()
            for done in [pool.submit(decode) for _ in range(at_once)]:
                done.result()
            took_s = time.monotonic() - began_s
            costs_s.append((time.process_time() - cpu_s) / at_once if is_on_cpu else took_s)
            if took_s > PATIENCE_S:
                break
    return IN_VAIN * min(costs_s) / TYPICAL_S
