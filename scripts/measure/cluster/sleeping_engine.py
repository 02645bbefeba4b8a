"""A speech engine whose decodes sleep for their cost and use no core: eight of its workers fit on two cores.

Its text is a function of the audio's length. `SLEEPING_ENGINE_LOG` names a file to which each decode adds a line: when
it began, on the clock of this machine, and the worker (`SLEEPING_ENGINE_NODE`).
"""

import asyncio
import os
import time
from pathlib import Path

from app.core.config import Settings
from app.providers.base import (
    SAMPLE_RATE_HZ,
    ProviderStatus,
    SttCapabilities,
    SttConfig,
    WindowRequest,
    WindowResult,
    Word,
)
from app.schemas.providers import ProviderState

FINAL_S, PARTIAL_S, PER_SECOND_S = 0.30, 0.15, 0.02
"""What a decode costs: so much for each, and so much for a second of its audio."""
WORD_S = 0.4
"""Speech of one word."""


class SleepingProvider:
    name, type = "sleeping", "mock"
    capabilities = SttCapabilities(
        languages=None, streaming=True, words=True, vocabulary=False, network=False
    )

    def __init__(self, settings: Settings) -> None:
        del settings

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "sleeps as long as a decode takes")

    def models(self) -> list[str]:
        return ["sleeping"]

    async def start(self) -> None: ...

    async def open_session(self, config: SttConfig) -> "SleepingSession":
        del config
        return SleepingSession()

    async def aclose(self) -> None: ...


class SleepingSession:
    """A `WindowSttSession`."""

    model: str | None = "sleeping"

    async def decode(self, request: WindowRequest) -> WindowResult:
        audio_s = len(request.samples) / SAMPLE_RATE_HZ
        cost_s = (FINAL_S if request.final else PARTIAL_S) + PER_SECOND_S * audio_s
        write_line(cost_s)
        await asyncio.sleep(cost_s)
        words = make_words(int(1000 * min(audio_s, request.speech_samples / SAMPLE_RATE_HZ)))
        text = " ".join(word.text for word in words)
        return WindowResult(text, "en", words, lang_sure=True, trusted=True, decode_ms=1000 * cost_s)

    async def aclose(self) -> None: ...


def make_words(speech_ms: int) -> tuple[Word, ...]:
    """Words without a gap, as many as fit into so much speech."""
    step = int(1000 * WORD_S)
    starts = range(0, max(speech_ms, 1), step)
    return tuple(
        Word(f"word{number}", start, min(start + step, speech_ms), 1.0) for number, start in enumerate(starts)
    )


def write_line(cost_s: float) -> None:
    if path := os.environ.get("SLEEPING_ENGINE_LOG"):
        line = f"{time.monotonic():.3f} {os.environ.get('SLEEPING_ENGINE_NODE', '?')} {cost_s:.3f}\n"
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line)
