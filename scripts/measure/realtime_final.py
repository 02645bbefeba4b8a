"""Measures how much later a transcript leaves on `/v1/realtime` than a final on `/ws/stt`, by the server's own clock.

python scripts/measure/realtime_final.py [--runs 10] [--clip NAME ...]

Both sockets of one server hear the same recordings in turn, at the pace of speech, with the same silence at the end of
a turn, and once more with an end that the client tells. Each message is stamped where the application takes and gives
it: from the message that holds the last speech to the event with its text, and from the moment at which the session has
the final to that event, which is what the dialect itself costs.
"""

import argparse
import asyncio
import base64
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.cli.serve import make_uvicorn_options  # noqa: E402  # the path above comes first
from app.core.config import LlmSettings, Settings  # noqa: E402
from app.main import create_app  # noqa: E402
from app.services.dictation.outbox import Outbox  # noqa: E402
from tests.support.realtime_client import TRANSCRIPTION, connect_realtime_client  # noqa: E402
from tests.support.server import own_data_folder, run_app  # noqa: E402
from tests.support.speech_client import (  # noqa: E402
    connect_speech_client,
    load_speech,
    make_silence,
    wait_until,
)

CLIPS = ("en_weather_madrid_48k", "es_correo_jefe_16k", "en_two_requests_16k")
WEIGHTS = Path.home() / ".cache" / "prompter" / "weights" / "base"
RATE_HZ = 24_000
CHUNK_S = 0.1
SILENCE_MS = 600
LOADING_S = 120
MEASURES = ("heard_to_sent_ms", "final_to_sent_ms")


class Stamps:
    """An application around another one, which notes when speech comes and when its text leaves."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.heard: list[float] = []
        """When each message with audio of the present turn was taken."""
        self.final = self.sent = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def take() -> Any:
            message = await receive()
            if message.get("bytes") or "input_audio_buffer.append" in (message.get("text") or "")[:60]:
                self.heard.append(time.monotonic())
            return message

        async def give(message: Any) -> None:
            text = message.get("text") or ""
            if f'"{TRANSCRIPTION}.completed"' in text or '"type":"final"' in text:
                self.sent = time.monotonic()
            await send(message)

        await self._app(scope, take, give)

    def watch_finals(self) -> None:
        """Note when a session has a final."""
        emit = Outbox.emit

        def note(outbox: Outbox, event: Any) -> None:
            if event["type"] == "final":
                self.final = time.monotonic()
            emit(outbox, event)

        Outbox.emit = note  # type: ignore[method-assign]  # this process measures, and nothing else


async def speak(pcm: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Send audio at the pace of speech."""
    step, began = int(RATE_HZ * CHUNK_S) * 2, time.monotonic()
    for number, at in enumerate(range(0, len(pcm), step)):
        await asyncio.sleep(max(0.0, began + number * CHUNK_S - time.monotonic()))
        await send(pcm[at : at + step])


async def measure_native(url: str, pcm: bytes, *, is_manual: bool) -> None:
    async with connect_speech_client(url) as client:
        endpointing: Any = "manual" if is_manual else {"silence_ms": SILENCE_MS}
        await client.start(sample_rate=RATE_HZ, endpointing=endpointing, store=False)
        await speak(pcm, client.connection.send)
        if is_manual:
            await client.send("flush", id=1)
        await client.until("final")


async def measure_realtime(url: str, pcm: bytes, *, is_manual: bool) -> None:
    async with connect_realtime_client(url) as client:
        detection = {"type": "server_vad", "silence_duration_ms": SILENCE_MS}
        await client.update(turn_detection=None if is_manual else detection)

        async def append(chunk: bytes) -> None:
            await client.send("input_audio_buffer.append", audio=base64.b64encode(chunk).decode())

        await speak(pcm, append)
        if is_manual:
            await client.send("input_audio_buffer.commit")
        await client.transcribed()


async def measure(url: str, stamps: Stamps, clips: list[str], runs: int) -> dict[str, Any]:
    """Every clip by both sockets in turn; the first one warms both up."""
    found: dict[str, Any] = {}
    doors = {"native": measure_native, "realtime": measure_realtime}
    for mode, is_manual in (("server_vad", False), ("commit", True)):
        taken: dict[str, dict[str, list[float]]] = {door: {name: [] for name in MEASURES} for door in doors}
        for run in range(-1, runs):
            for clip in clips:
                speech = load_speech(RATE_HZ, clip)
                last = int(np.flatnonzero(np.abs(speech) > np.abs(speech).max() / 30)[-1])
                told = speech[:last] if is_manual else np.concatenate((speech, make_silence(1.2, RATE_HZ)))
                for door, take in doors.items():
                    stamps.heard.clear()
                    await take(url, told.tobytes(), is_manual=is_manual)
                    if run >= 0:
                        end = stamps.heard[min(last // int(RATE_HZ * CHUNK_S), len(stamps.heard) - 1)]
                        for name, since in zip(MEASURES, (end, stamps.final), strict=True):
                            taken[door][name].append((stamps.sent - since) * 1000)
        found[mode] = {name: summarize(taken["native"][name], taken["realtime"][name]) for name in MEASURES}
    return found


def summarize(native: list[float], realtime: list[float]) -> dict[str, Any]:
    pairs = [after - before for before, after in zip(native, realtime, strict=True)]
    named = {"native": native, "realtime": realtime, "realtime_less_native": pairs}
    return {name: describe(values) for name, values in named.items()}


def describe(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return {"p50": round(cuts[9], 2), "p95": round(cuts[18], 2), "max": round(max(values), 2)}


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--clip", nargs="+", default=list(CLIPS), dest="clips")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="a Whisper checkpoint")
    chosen = parser.parse_args()
    stt = {"provider": "whisper_local", "whisper_local": {"model": str(chosen.model)}}
    with own_data_folder(
        Settings(_env_file=None, stt=stt, llm=LlmSettings(discover=False))  # type: ignore[arg-type]
    ) as settings:
        app = create_app(settings)
        stamps = Stamps(app)
        stamps.watch_finals()
        with run_app(stamps, **make_uvicorn_options(settings)) as (url, _):  # type: ignore[arg-type]
            asyncio.run(wait_until(lambda: app.state.resources.stt.is_warm, LOADING_S))
            found = asyncio.run(measure(url, stamps, chosen.clips, chosen.runs))
    print(
        json.dumps({"model": chosen.model.name, "turns": chosen.runs * len(chosen.clips), **found}, indent=2)
    )


if __name__ == "__main__":
    main()
