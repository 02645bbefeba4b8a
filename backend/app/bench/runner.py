"""One run of the benchmark: its plan, its parts in order, its files."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.bench import machine
from app.bench.capacity import measure_capacity
from app.bench.clips import Clip, find_clips, load_samples
from app.bench.dictation import measure_dictation
from app.bench.fairness import measure_fairness
from app.bench.figures import BenchError, Part
from app.bench.ingest import measure_ingest
from app.bench.report import Run, write_run
from app.bench.speaker import SessionOptions, speak
from app.bench.target import Target, normalize_server_url, run_own_server
from app.client.prompt_client import PromptClient

Tell = Callable[[str], None]
PARTS = ("dictation", "capacity", "fairness", "ingest")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    folder: Path
    """The recordings."""
    parts: Sequence[str] = PARTS
    speech: SessionOptions = field(default_factory=SessionOptions)
    langs: Sequence[str] = ()
    kinds: Sequence[str] = ()
    without: Sequence[str] = ()
    """Ids of clips to leave out."""
    url: str | None = None
    """URL of a running server; None starts one."""
    speakers: int = 1
    """Simultaneous sessions of the part `dictation`."""
    most: int = 64
    """Largest number of speakers that the part `capacity` tries."""
    levels: Sequence[int] = ()
    utterances: int = 7
    offline: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment of the servers that are started."""


async def run_plan(plan: Plan, command: str, tell: Tell) -> Run:
    """Run the parts of a plan.

    Raises:
        BenchError, and what the client raises.
    """
    unknown = [part for part in plan.parts if part not in PARTS]
    if unknown:
        raise BenchError(f"no part {unknown[0]!r}; known: {', '.join(PARTS)}")
    found_clips = find_clips(plan.folder, plan.langs, plan.kinds)
    clips = [clip for clip in found_clips if clip.id not in plan.without]
    found: list[Part] = []
    for name in plan.parts:
        tell(f"{name} …")
        if name == "ingest":
            found.append(await measure_ingest())
            continue
        # A fresh server for each part: none inherits what another left in memory.
        async with _open_target(plan.url, plan.environment) as target:
            await _warm_up(target, clips, plan.speech)
            if name == "dictation":
                offline = plan.offline and plan.url is None
                found.append(
                    await measure_dictation(
                        target, clips, plan.speech, speakers=plan.speakers, offline=offline
                    )
                )
            elif name == "capacity":
                found.append(
                    await measure_capacity(
                        target, clips, plan.speech, most=plan.most, utterances=plan.utterances,
                        levels=plan.levels, offline=plan.offline and plan.url is None, tell=tell,
                    )
                )  # fmt: skip
            else:
                found.append(await measure_fairness(target, clips, plan.speech, utterances=plan.utterances))
    return make_run(
        command, found, {"provider": plan.speech.provider or "the default", "audio": plan.folder.name}
    )


async def _warm_up(target: Target, clips: Sequence[Clip], speech: SessionOptions) -> None:
    """Dictate one sentence that does not count, so that loading is not measured.

    Raises:
        BenchError: the server refuses this dictation.
    """
    first = next(clip for clip in clips if clip.speech)
    async with PromptClient(target.url) as client:
        log = await speak(client, load_samples(first), speech, live=False)
    if log.failure is not None:
        raise BenchError(f"the server refuses this dictation: {log.reason}")


def make_run(command: str, parts: Sequence[Part], setting: dict[str, str]) -> Run:
    """The record of a run that ends now on this machine."""
    when = dt.datetime.now(dt.UTC).astimezone().isoformat(timespec="seconds")
    return Run(when, command, machine.describe_machine(), setting, tuple(parts))


def save_run(run: Run, folder: Path) -> list[Path]:
    """Write result, report and pictures; returns the files."""
    from app.bench.plots import draw_figures  # matplotlib logs a second to load

    return [*write_run(run, folder), *draw_figures(run.parts, folder)]


@asynccontextmanager
async def _open_target(url: str | None, environment: Mapping[str, str]) -> AsyncIterator[Target]:
    if url is not None:
        async with PromptClient(normalize_server_url(url)) as client:
            await client.providers()  # fails now if no server answers
        yield Target(normalize_server_url(url))
        return
    with run_own_server(dict(environment)) as target:
        yield target
