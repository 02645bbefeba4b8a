"""Capacity: more live speakers until finals come late, then twice the number that fits."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import anyio

from app.bench.clips import RATE_HZ, Clip, PlacedClip, build_scene, load_samples
from app.bench.figures import Figure, Part, compute_quantile, make_quantiles
from app.bench.scoring import Score, find_lost_clips, score_session
from app.bench.speaker import TAIL_S, SessionLog, SessionOptions, list_finals, speak
from app.bench.target import Target
from app.bench.words import count_errors, normalize_words
from app.client.prompt_client import PromptClient

LATE_MS = 2000.0
"""p95 of end of speech to final (ms) beyond which the level does not fit."""
SPREAD_S = 3.0
"""Speakers start spread over this time (s), so that their sentences do not end together."""


@dataclass(frozen=True, slots=True)
class Level:
    """Results of one number of simultaneous speakers."""

    speakers: int
    spoken: int
    """Utterances spoken in accepted sessions."""
    lost: int
    """Spoken utterances without any final."""
    refused: int
    """Sessions that the server refused."""
    broken: int
    """Accepted sessions that ended with an error."""
    to_final_ms: tuple[float, ...]
    first_partial_ms: tuple[float, ...]
    partials: int
    degraded: int
    words_wrong: int
    words: int
    cores: float | None
    memory_mb: float | None

    @property
    def p95_ms(self) -> float | None:
        return compute_quantile(self.to_final_ms, 0.95) if self.to_final_ms else None

    @property
    def fits(self) -> bool:
        """Whether every final came in time and nothing was lost, refused or broken."""
        on_time = self.p95_ms is not None and self.p95_ms <= LATE_MS
        return on_time and not (self.lost or self.refused or self.broken)


async def measure_capacity(
    target: Target,
    clips: Sequence[Clip],
    speech: SessionOptions,
    *,
    most: int = 64,
    utterances: int = 7,
    levels: Sequence[int] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Part:
    """Measure `levels`, or search for the most speakers that the server holds and go on to twice as many."""

    async def measure(speakers: int) -> Level:
        level = await run_level(target, clips, speech, speakers, utterances)
        p95 = "no final" if level.p95_ms is None else f"p95 {level.p95_ms:.0f} ms"
        tell(f"{speakers} speakers: {p95}, lost {level.lost}, refused {level.refused}")
        return level

    if levels:
        measured = [await measure(speakers) for speakers in levels]
    else:
        measured = [await measure(1)]
        while (following := choose_next_level(measured, most)) is not None:
            measured.append(await measure(following))
    rows = [
        {**asdict(level), "p95_ms": level.p95_ms} for level in sorted(measured, key=lambda one: one.speakers)
    ]
    return Part("capacity", tuple(make_figures(measured)), {"levels": rows})


def choose_next_level(measured: Sequence[Level], most: int) -> int | None:
    """The next number of speakers to try: doubling, then halving the gap, then twice what fits; None at the end."""
    tried = {level.speakers for level in measured}
    fits = max((level.speakers for level in measured if level.fits), default=0)
    breaks = min(
        (level.speakers for level in measured if not level.fits and level.speakers > fits), default=None
    )
    if fits == 0:
        return None
    if breaks is None:
        return min(fits * 2, most) if fits < most else None
    if breaks - fits > max(1, fits // 8):
        return (fits + breaks) // 2
    return None if fits * 2 in tried else fits * 2


async def run_level(
    target: Target, clips: Sequence[Clip], speech: SessionOptions, speakers: int, utterances: int
) -> Level:
    """Run `speakers` sessions at once; each speaks `utterances` clips with pauses."""
    loaded = [(clip, load_samples(clip)) for clip in clips if clip.speech]
    scenes = [build_scene(loaded, utterances, seed) for seed in range(speakers)]
    logs = [SessionLog() for _ in scenes]
    memory: list[float] = []
    before_s = target.read_cpu_s()

    async with PromptClient(target.url) as client:

        async def one(number: int) -> None:
            await anyio.sleep(SPREAD_S * number / speakers)
            logs[number] = await speak(client, scenes[number].samples, speech)

        with anyio.CancelScope() as watching:
            async with anyio.create_task_group() as outer:
                outer.start_soon(_watch_memory, target, memory)
                async with anyio.create_task_group() as group:
                    for number in range(speakers):
                        group.start_soon(one, number)
                watching.cancel()
    after_s = target.read_cpu_s()
    longest_s = max(len(one.samples) for one in scenes) / RATE_HZ + TAIL_S + SPREAD_S * (1 - 1 / speakers)
    cores = None if before_s is None or after_s is None else (after_s - before_s) / longest_s
    return _make_level([one.lines for one in scenes], logs, cores, max(memory, default=None))


async def _watch_memory(target: Target, found: list[float]) -> None:
    while True:
        if (now_mb := target.read_memory_mb()) is not None:
            found.append(now_mb)
        await anyio.sleep(2)


def _make_level(
    lines: Sequence[Sequence[PlacedClip]],
    logs: Sequence[SessionLog],
    cores: float | None,
    memory_mb: float | None,
) -> Level:
    total, wrong, words = Score(), 0, 0
    served = [(said, log) for said, log in zip(lines, logs, strict=True) if not log.refused]
    for said, log in served:
        lang = said[0].clip.lang
        total.add(score_session(log, lang))
        truth = normalize_words(" ".join(line.clip.text for line in said), lang)
        found = count_errors(
            truth, normalize_words(" ".join(data["text"] for _, data in list_finals(log)), lang)
        )
        wrong, words = wrong + found.wrong, words + found.words
    return Level(
        speakers=len(logs),
        spoken=sum(len(said) for said, _ in served),
        lost=sum(len(find_lost_clips(said, log)) for said, log in served),
        refused=sum(log.refused for log in logs),
        broken=sum(log.failure is not None for _, log in served),
        to_final_ms=tuple(round(ms, 1) for ms in total.to_final_ms),
        first_partial_ms=tuple(round(ms, 1) for ms in total.first_partial_ms),
        partials=sum(data["type"] == "partial" for _, log in served for _, data in log.events),
        degraded=total.degraded,
        words_wrong=wrong,
        words=words,
        cores=None if cores is None else round(cores, 3),
        memory_mb=None if memory_mb is None else round(memory_mb, 1),
    )


def make_figures(levels: Sequence[Level]) -> list[Figure]:
    """Figures of the levels: how many fit, waits at 1, 8 and twice what fits, cost of one speaker."""
    by_speakers = {level.speakers: level for level in levels}
    fits = max((level.speakers for level in levels if level.fits), default=0)
    found = [
        Figure("capacity.speakers", "live speakers with p95 of end of speech to final <= 2 s", "", "value",
               (float(fits),), better="higher", goal=16),
    ]  # fmt: skip
    for speakers, goal_ms in ((1, 700.0), (8, 900.0)):
        if level := by_speakers.get(speakers):
            title = f"end of speech to final, {speakers} speaking"
            found += make_quantiles(
                f"capacity.to_final_{speakers}", title, level.to_final_ms, p95_goal=goal_ms
            )
    if (alone := by_speakers.get(1)) and alone.cores is not None:
        found.append(
            Figure(
                "capacity.cores_1", "cores used by one speaker", "cores", "value", (alone.cores,), goal=0.15
            )
        )
    found += _make_memory_figures(levels)
    if fits and (twice := by_speakers.get(2 * fits)):
        found += _make_overload_figures(twice)
    return found


def _make_memory_figures(levels: Sequence[Level]) -> list[Figure]:
    known = sorted((level.speakers, level.memory_mb) for level in levels if level.memory_mb is not None)
    if len(known) < 2:
        return []
    (few, low), (many, high) = known[0], known[-1]
    each = (round((high - low) / (many - few), 2),)
    return [
        Figure("capacity.memory_each", f"memory a session, between {few} and {many}", "MB", "value", each)
    ]


def _make_overload_figures(level: Level) -> list[Figure]:
    found = [
        Figure("capacity.twice_lost", "at twice that: finals lost", "", "count", (float(level.lost),), goal=0),
        Figure("capacity.twice_refused", "at twice that: sessions refused", "", "count",
               (float(level.refused),), better="neither"),
        Figure("capacity.twice_degraded", "at twice that: times that fewer partials were announced", "", "count",
               (float(level.degraded),), better="neither"),
        *make_quantiles("capacity.twice_to_final", "at twice that: end of speech to final", level.to_final_ms),
    ]  # fmt: skip
    if level.memory_mb is not None:
        memory = (level.memory_mb,)
        found.append(
            Figure("capacity.twice_memory", "at twice that: memory of the server", "MB", "value", memory)
        )
    return found
