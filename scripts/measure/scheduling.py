"""Compares ways to schedule eight utterances at once in PocketSphinx: unscheduled, in turns, pinned to workers."""

import argparse
import statistics
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import anyio
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import Settings  # noqa: E402  # the path above comes first
from app.providers.base import Samples, SttConfig, SttStream  # noqa: E402
from app.providers.stt.pocketsphinx.provider import PocketSphinxProvider  # noqa: E402
from app.services.decoding.scheduled_stream import ScheduledStream  # noqa: E402
from app.services.decoding.scheduler import Scheduler, usable_cores  # noqa: E402

Wrap = Callable[[SttStream, Scheduler, int], SttStream]


class Unpinned:
    """A stream without a worker of its own."""

    def __init__(self, stream: SttStream) -> None:
        self.accept, self.finish, self.aclose = stream.accept, stream.finish, stream.aclose


VARIANTS: dict[str, Wrap] = {
    "unscheduled": lambda stream, _, __: stream,
    "turns": lambda stream, scheduler, number: ScheduledStream(Unpinned(stream), scheduler, number, "e"),
    "pinned": lambda stream, scheduler, number: ScheduledStream(stream, scheduler, number, "e"),
}


def load(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples[:: file.getframerate() // 16_000]


async def measure(
    provider: PocketSphinxProvider, wrap: Wrap, samples: Samples, sessions: int
) -> tuple[float, float]:
    """Wall time until all utterances are done, and until the first is done (s)."""
    scheduler = Scheduler(usable_cores(), time.monotonic)
    began, ends = time.monotonic(), []

    async def speak(number: int) -> None:
        session = await provider.open_session(SttConfig())
        stream = wrap(await session.open_stream(), scheduler, number)
        for start in range(0, len(samples), 6400):
            await stream.accept(samples[start : start + 6400])
        await stream.finish(len(samples))
        await stream.aclose()
        ends.append(time.monotonic() - began)

    async with anyio.create_task_group() as group:
        for number in range(sessions):
            group.start_soon(speak, number)
    return ends[-1], ends[0]


async def main(wav: Path, sessions: int, rounds: int) -> None:
    samples = load(wav)
    provider = PocketSphinxProvider(Settings(_env_file=None))
    await provider.start()
    try:
        for wrap in VARIANTS.values():
            await measure(provider, wrap, samples, sessions)  # warm-up: every decoder is loaded
        found = {name: [] for name in VARIANTS}
        for _ in range(rounds):
            for name, wrap in VARIANTS.items():
                found[name].append(await measure(provider, wrap, samples, sessions))
    finally:
        await provider.aclose()
    print(
        f"{sessions} utterances of {len(samples) / 16_000:.1f} s, {usable_cores()} cores, median of {rounds}"
    )
    for name, times in found.items():
        last, first = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:12} all done after {last:5.2f} s, the first after {first:5.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wav", type=Path, nargs="?", default=ROOT / "samples" / "en_weather_madrid_48k.wav")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    anyio.run(main, options.wav, options.sessions, options.rounds)
