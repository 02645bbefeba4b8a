"""One live speaker: sends audio at the pace of a microphone and records when each event arrives."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bench.clips import RATE_HZ
from app.client.errors import ClientError
from app.client.pacing import chunk_stream, paced
from app.client.prompt_client import PromptClient
from app.schemas.speech_socket import OPTIONAL_EVENTS

CHUNK_MS = 100
TAIL_S = 1.5
"""Silence after the speech (s): the endpoint ends the last utterance in every profile of up to this silence."""
EVENTS = tuple(sorted(OPTIONAL_EVENTS - {"ack"}))
"""Every optional event but the periodic `ack`."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The options of a session, as `start.config` takes them."""

    provider: str | None = None
    model: str | None = None
    lang: str | None = None
    endpointing: Any = None

    def options(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "model": self.model,
            "lang": self.lang,
            "endpointing": self.endpointing,
        }


@dataclass(slots=True)
class SessionLog:
    """The events of one session, each with its arrival time (ms after the first sample was sent)."""

    events: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)
    failure: str | None = None
    """Code of the error that ended the session before its end."""
    reason: str = ""
    """Message of that error."""
    refused: bool = False
    """The session never got `ready`: the server is full, or the engine is missing."""


async def speak(
    client: PromptClient,
    samples: NDArray[np.int16],
    speech: SessionOptions,
    *,
    live: bool = True,
    tail_s: float = TAIL_S,
) -> SessionLog:
    """Send `samples` (16 kHz mono) through one session; `live` sends at the pace of speech."""
    log, spoken = SessionLog(), _Source(samples, tail_s, live)
    try:
        async for event in client.dictate(
            spoken.chunks(), sample_rate=RATE_HZ, events=EVENTS, **speech.options()
        ):
            log.events.append(((time.monotonic() - spoken.began_s) * 1000, event.data))
    except ClientError as error:
        log.failure = getattr(error, "code", "") or type(error).__name__
        log.reason = str(error)
        log.refused = not any(data["type"] == "ready" for _, data in log.events)
    return log


class _Source:
    """The audio in chunks; `began_s` is when the first one was sent."""

    def __init__(self, samples: NDArray[np.int16], tail_s: float, live: bool) -> None:
        quiet = np.zeros(int(tail_s * RATE_HZ), np.int16)
        pcm = np.concatenate((samples, quiet)).astype("<i2").tobytes()
        step = RATE_HZ * CHUNK_MS // 1000 * 2
        self._chunks = [pcm[at : at + step] for at in range(0, len(pcm), step)]
        self._live = live
        self.began_s = time.monotonic()

    async def chunks(self) -> AsyncIterator[bytes]:
        self.began_s = time.monotonic()
        source = paced(self._chunks, RATE_HZ) if self._live else chunk_stream(self._chunks)
        async for chunk in source:
            yield chunk


def list_finals(log: SessionLog) -> Sequence[tuple[float, Mapping[str, Any]]]:
    """The finals that hold text."""
    return [(at, data) for at, data in log.events if data["type"] == "final" and data.get("text")]
