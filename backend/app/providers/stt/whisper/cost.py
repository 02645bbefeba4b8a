"""What a final costs on this machine, measured without speech: one typical decode on every core at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from app.providers.base import SAMPLE_RATE_HZ
from app.providers.stt.whisper.short_window import FINAL_FRAMES, pad_features

TYPICAL_S = 8.0
"""Speech of a typical utterance."""

TYPICAL_TOKENS = 26
"""Tokens whose decode costs what a decode of TYPICAL_S of speech does (measured)."""

ROUNDS = 2
PATIENCE_S = 5.0
"""A round that took longer than this is the last one."""


def measure_cost(model: Any, beam_size: int, at_once: int, *, is_on_cpu: bool = True) -> float:
    """Core seconds per second of speech of finals of a `WhisperModel`, `at_once` at a time. Blocks.

    On a CPU it counts the CPU time of this process, not the clock: other programs that are busy at this moment do not
    matter.
    """
    noise = np.random.default_rng(1).standard_normal(int(TYPICAL_S * SAMPLE_RATE_HZ)).astype(np.float32) / 100
    eot = model.hf_tokenizer.token_to_id("<|endoftext|>")
    start = model.hf_tokenizer.token_to_id("<|startoftranscript|>")
    begin = threading.Barrier(at_once)

    def decode() -> None:
        begin.wait()
        encoded = model.encode(pad_features(model.feature_extractor(noise), FINAL_FRAMES))
        # No end of text is allowed: each decode has the same number of steps, whatever the noise sounds like.
        # CTranslate2 generates half of `max_length`.
        model.model.generate(
            encoded, [[start]], beam_size=beam_size, max_length=2 * TYPICAL_TOKENS, suppress_tokens=[eot]
        )

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
    return min(costs_s) / TYPICAL_S
