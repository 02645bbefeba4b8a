"""People who dictate at once: what each was told and when, and whether anything was lost or told twice."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np

from app.bench.clips import RATE_HZ, Scene, build_scene, find_clips, load_samples
from app.bench.figures import compute_quantile
from app.bench.scoring import find_lost_clips
from app.bench.speaker import CHUNK_MS, EVENTS, TAIL_S, SessionLog, list_finals
from app.client.errors import ClientError
from app.client.pacing import paced
from app.client.prompt_client import PromptClient

SPREAD_S = 3.0
"""Speakers begin spread over this time (s)."""


@dataclass(slots=True)
class Speaker:
    """One dictation, and the moment (s of the monotonic clock) at which its first sample was sent."""

    scene: Scene
    log: SessionLog = field(default_factory=SessionLog)
    began_s: float = 0.0

    async def speak(self, client: PromptClient, provider: str) -> None:
        self.began_s = time.monotonic()
        try:
            async for event in client.dictate(
                self._chunks(), sample_rate=RATE_HZ, provider=provider, lang="en", events=EVENTS
            ):
                self.log.events.append(((time.monotonic() - self.began_s) * 1000, event.data))
        except ClientError as error:
            self.log.failure = getattr(error, "code", "") or type(error).__name__
            self.log.reason = str(error)
            self.log.refused = not any(data["type"] == "ready" for _, data in self.log.events)

    async def _chunks(self) -> AsyncIterator[bytes]:
        quiet = np.zeros(int(TAIL_S * RATE_HZ), np.int16)
        pcm = np.concatenate((self.scene.samples, quiet)).astype("<i2").tobytes()
        step = RATE_HZ * CHUNK_MS // 1000 * 2
        self.began_s = time.monotonic()
        async for chunk in paced([pcm[at : at + step] for at in range(0, len(pcm), step)], RATE_HZ):
            yield chunk


@dataclass(frozen=True, slots=True)
class Told:
    """One final: when it came (monotonic, s), and how long after the end of its speech (s)."""

    at_s: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a crowd was told."""

    speakers: int
    spoken: int
    lost: int
    """Spoken sentences of which no final has any part."""
    twice: int
    """Finals that were told again, and those that overlap another one."""
    refused: int
    broken: int
    """Dictations that ended with an error."""
    resumed: int
    """Times that a dictation went on over a new connection."""
    finals: tuple[Told, ...]
    failures: dict[str, int]

    def quantile_s(self, share: float, since_s: float = 0.0, until_s: float = float("inf")) -> float | None:
        """Of the waits of the finals that came in this time; None where there is none."""
        waits = [each.waited_s for each in self.finals if since_s <= each.at_s < until_s]
        return compute_quantile(waits, share) if waits else None

    def format(self) -> str:
        p50, p95 = (show_s(self.quantile_s(share)) for share in (0.5, 0.95))
        failures = f" {self.failures}" if self.failures else ""
        return (
            f"{self.speakers} speakers: end of speech to final p50 {p50} p95 {p95}, {len(self.finals)} finals of "
            f"{self.spoken} sentences, lost {self.lost}, twice {self.twice}, "
            f"refused {self.refused}, broken {self.broken}, "
            f"resumed {self.resumed}{failures}"
        )


def show_s(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


class Crowd:
    """Speakers with the English recordings of a folder, one sentence after the other with pauses of 1.2 to 2 s."""

    def __init__(self, folder: Path, provider: str) -> None:
        clips = find_clips(folder, ["en"], ["speech"])
        self._clips = [(clip, load_samples(clip)) for clip in clips if clip.speech]
        self._provider = provider
        self._speakers: list[Speaker] = []

    @property
    def is_warm(self) -> bool:
        """Whether every speaker has been told something."""
        return bool(self._speakers) and all(list_finals(each.log) for each in self._speakers)

    async def run(self, url: str, speakers: int, sentences: int) -> Result:
        crowd = self._speakers = [
            Speaker(build_scene(self._clips, sentences, seed)) for seed in range(speakers)
        ]
        async with PromptClient(url) as client, anyio.create_task_group() as group:
            for number, speaker in enumerate(crowd):
                group.start_soon(speaker.speak, client, self._provider)
                if number + 1 < speakers:
                    await anyio.sleep(SPREAD_S / speakers)
        return summarize(crowd)


def summarize(crowd: Sequence[Speaker]) -> Result:
    finals = [
        Told(each.began_s + at / 1000, (at - data["timing"]["speech_end_ms"]) / 1000)
        for each in crowd
        for at, data in list_finals(each.log)
    ]
    served = [each for each in crowd if not each.log.refused]
    return Result(
        speakers=len(crowd),
        spoken=sum(len(each.scene.lines) for each in served),
        lost=sum(len(find_lost_clips(each.scene.lines, each.log)) for each in served),
        twice=sum(count_twice(each.log) for each in served),
        refused=len(crowd) - len(served),
        broken=sum(each.log.failure is not None for each in served),
        resumed=sum(data["type"] == "resumed" for each in crowd for _, data in each.log.events),
        finals=tuple(sorted(finals, key=lambda one: one.at_s)),
        failures=dict(
            Counter(f"{each.log.failure}: {each.log.reason}" for each in crowd if each.log.failure)
        ),
    )


def count_twice(log: SessionLog) -> int:
    """Finals that were told again, and those that begin before the speech of the one before them has ended."""
    finals = [data for _, data in list_finals(log)]
    spans = sorted((data["start_ms"], data["timing"]["speech_end_ms"]) for data in finals)
    again = len(finals) - len({data["utterance_id"] for data in finals})
    return again + sum(after[0] < before[1] for before, after in pairwise(spans) if after != before)
