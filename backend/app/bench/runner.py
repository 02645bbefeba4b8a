"""One run of the benchmark: its plan, its parts in order, its result on disk."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.bench import machine
from app.bench.capacity import capacity
from app.bench.clips import Clip, find_clips, samples_of
from app.bench.dictation import dictation
from app.bench.fairness import fairness
from app.bench.figures import BenchError, Part
from app.bench.ingest import ingest
from app.bench.report import Run, write
from app.bench.speaker import Speech, speak
from app.bench.target import Target, base_url, own_server
from app.client.prompt_client import PromptClient

Tell = Callable[[str], None]
PARTS = ("dictation", "capacity", "fairness", "ingest")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    folder: Path
    """Recordings."""
    parts: Sequence[str] = PARTS
    speech: Speech = field(default_factory=Speech)
    langs: Sequence[str] = ()
    kinds: Sequence[str] = ()
    url: str | None = None
    """A server that runs already; without it one of our own is started."""
    speakers: int = 1
    """Of `dictation`, at once."""
    most: int = 64
    """Of `capacity`."""
    levels: Sequence[int] = ()
    utterances: int = 7
    offline: bool = True


async def execute(plan: Plan, command: str, tell: Tell) -> Run:
    """Run the parts of a plan.

    Raises:
        BenchError, and what the client raises.
    """
    unknown = [part for part in plan.parts if part not in PARTS]
    if unknown:
        raise BenchError(f"no part {unknown[0]!r}; known: {', '.join(PARTS)}")
    clips = find_clips(plan.folder, plan.langs, plan.kinds)
    found: list[Part] = []
    for name in plan.parts:
        tell(f"{name} …")
        if name == "ingest":
            found.append(await ingest())
            continue
        # A fresh server for each part: none inherits what another left in memory.
        async with _target(plan.url) as target:
            await _warm_up(target, clips, plan.speech)
            if name == "dictation":
                offline = plan.offline and plan.url is None
                found.append(
                    await dictation(target, clips, plan.speech, speakers=plan.speakers, offline=offline)
                )
            elif name == "capacity":
                found.append(
                    await capacity(
                        target, clips, plan.speech, most=plan.most, utterances=plan.utterances,
                        levels=plan.levels, tell=tell,
                    )
                )  # fmt: skip
            else:
                found.append(await fairness(target, clips, plan.speech, utterances=plan.utterances))
    return describe(
        command, found, {"provider": plan.speech.provider or "the default", "audio": plan.folder.name}
    )


async def _warm_up(target: Target, clips: Sequence[Clip], speech: Speech) -> None:
    """One sentence that does not count: loading is not what is measured.

    Raises:
        BenchError: the server refuses it, and would refuse the rest.
    """
    first = next(clip for clip in clips if clip.speech)
    async with PromptClient(target.url) as client:
        take = await speak(client, samples_of(first), speech, live=False)
    if take.failure is not None:
        raise BenchError(f"the server does not take this dictation: {take.reason}")


def describe(command: str, parts: Sequence[Part], setting: dict[str, str]) -> Run:
    """A run that ends now, on this machine."""
    when = dt.datetime.now(dt.UTC).astimezone().isoformat(timespec="seconds")
    return Run(when, command, machine.describe(), setting, tuple(parts))


def save(run: Run, folder: Path) -> list[Path]:
    """Result, report and pictures; the files."""
    from app.bench.plots import draw  # matplotlib takes a second to load

    return [*write(run, folder), *draw(run.parts, folder)]


@asynccontextmanager
async def _target(url: str | None) -> AsyncIterator[Target]:
    if url is not None:
        async with PromptClient(base_url(url)) as client:
            await client.providers()  # nobody there: say so before anything is measured
        yield Target(base_url(url))
        return
    with own_server() as target:
        yield target
