"""Decode whole recordings with an engine inside this process: no server, no speech gate."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.bench import machine
from app.bench.clips import RATE_HZ, Clip
from app.bench.figures import BenchError
from app.bench.hearing import has_first_word
from app.bench.words import normalize_words
from app.core.config import Settings, load_settings
from app.core.errors import PrompterError
from app.providers.base import (
    RawSttSession,
    SttConfig,
    SttProvider,
    SttSession,
    WindowRequest,
    WindowSttSession,
)
from app.providers.registry import list_stt_registrations

Window = Literal["short", "full"]
PREFIX_STEP_S, MOST_PREFIX_S = 0.1, 3.0
MAX_PIECE_S, MIN_PIECE_S = 28, 15
"""Longer recordings are cut at the quietest place between these two (s): a window ends at 30 s."""


@dataclass(frozen=True, slots=True)
class OfflineResult:
    """The text of one recording, and what it cost."""

    text: str
    decode_ms: float
    cpu_s: float
    doubtful: tuple[str, ...] = ()
    """Why the engine doubts a window: "repetition", "capped", "empty"."""


class OfflineEngine:
    """One started engine, from `offline_engine`."""

    def __init__(self, provider: SttProvider) -> None:
        self._provider = provider

    async def decode(
        self,
        samples: NDArray[np.int16],
        *,
        lang: str,
        model: str | None = None,
        window: Window = "full",
        final: bool = True,
    ) -> OfflineResult:
        """Decode one recording (16 kHz) in a session of its own; without `final` as a partial is decoded.

        Raises:
            BenchError: the engine refused.
        """
        try:
            session = await self._provider.open_session(SttConfig(lang=lang, model=model))
        except PrompterError as error:
            raise BenchError(error.message) from error
        texts, spent_ms, doubts = [], 0.0, []
        # Reading the children's counters costs something too: it stays outside of what is measured.
        children_s = machine.read_children_cpu_s(os.getpid())
        began_s = time.process_time()
        try:
            for piece in split_recording(samples):
                text, decode_ms, doubtful = await _decode_piece(session, piece, window, final=final)
                texts.append(text)
                spent_ms += decode_ms
                doubts += [doubtful] if doubtful else []
        except PrompterError as error:
            raise BenchError(error.message) from error
        finally:
            await session.aclose()
        cost_s = time.process_time() - began_s
        cost_s += machine.read_children_cpu_s(os.getpid()) - children_s
        return OfflineResult(" ".join(filter(None, texts)), spent_ms, cost_s, tuple(doubts))


@asynccontextmanager
async def offline_engine(name: str, settings: Settings | None = None) -> AsyncIterator[OfflineEngine]:
    """Start the engine of this name; it closes with the context.

    Raises:
        BenchError: there is none, or it cannot start.
    """
    known = list_stt_registrations()
    if name not in known:
        raise BenchError(f"no speech provider {name!r}; known: {', '.join(known)}")
    provider: SttProvider = known[name].load()(settings or load_settings())
    try:
        try:
            await provider.start()
        except PrompterError as error:
            raise BenchError(error.message) from error
        yield OfflineEngine(provider)
    finally:
        await provider.aclose()


async def find_first_word_ms(
    engine: OfflineEngine, samples: NDArray[np.int16], clip: Clip, *, model: str | None, onset_ms: float
) -> float | None:
    """How much speech after its onset (ms) a decode needs to have one of the first words; None where none has it.

    Each decode hears PREFIX_STEP_S more than the one before, up to MOST_PREFIX_S.
    """
    truth = normalize_words(clip.text, clip.lang)
    for step in range(1, round(MOST_PREFIX_S / PREFIX_STEP_S) + 1):
        heard_s = step * PREFIX_STEP_S
        end = int((onset_ms / 1000 + heard_s) * RATE_HZ)
        found = await engine.decode(samples[:end], lang=clip.lang, model=model, window="short", final=False)
        if has_first_word(truth, normalize_words(found.text, clip.lang)):
            return heard_s * 1000
    return None


async def _decode_piece(
    session: SttSession | WindowSttSession | RawSttSession,
    piece: NDArray[np.int16],
    window: Window,
    *,
    final: bool = True,
) -> tuple[str, float, str | None]:
    if isinstance(session, RawSttSession):
        raise BenchError("this engine sees raw chunks only; it has no offline decode")
    if isinstance(session, WindowSttSession):
        request = WindowRequest(piece, len(piece), final=final, window=window)
        result = await session.decode(request)
        return result.text, result.decode_ms, result.doubtful
    stream: Any = await session.open_stream()
    try:
        await stream.accept(piece)
        transcript = await stream.finish(len(piece))
    finally:
        await stream.aclose()
    return transcript.text, transcript.decode_ms, None


def split_recording(samples: NDArray[np.int16]) -> list[NDArray[np.int16]]:
    """Split a recording into pieces that fit into one window; nothing is lost or repeated."""
    found = []
    step = RATE_HZ // 5
    while len(samples) > MAX_PIECE_S * RATE_HZ:
        starts = range(MIN_PIECE_S * RATE_HZ, MAX_PIECE_S * RATE_HZ - step, step // 4)
        energy = [float(np.square(samples[at : at + step].astype(np.float64)).sum()) for at in starts]
        middle = starts[int(np.argmin(energy))] + step // 2
        found.append(samples[:middle])
        samples = samples[middle:]
    return [*found, samples]
