"""Capacity: more and more live speakers until finals come late, then twice what fits."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import anyio

from app.bench.clips import RATE_HZ, Clip, Line, samples_of, scene
from app.bench.figures import Figure, Part, quantile, spread
from app.bench.scoring import Score, lost, score
from app.bench.speaker import TAIL_S, Speech, Take, finals, speak
from app.bench.target import Target
from app.bench.words import errors, normal
from app.client.prompt_client import PromptClient

LATE_MS = 2000.0
"""p95 of end of speech to final beyond which a server does not hold its speakers."""
SPREAD_S = 3.0
"""Speakers begin at different moments within this time, or all would end their sentences together."""


@dataclass(frozen=True, slots=True)
class Level:
    """So many speakers at once, and what they got."""

    speakers: int
    spoken: int
    """Utterances said in sessions that were taken."""
    lost: int
    """Of them, those without any final."""
    refused: int
    """Sessions that the server did not take."""
    broken: int
    """Sessions that it took and did not bring to their end."""
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
        return quantile(self.to_final_ms, 0.95) if self.to_final_ms else None

    @property
    def holds(self) -> bool:
        """Everybody was served in time and nothing was lost."""
        on_time = self.p95_ms is not None and self.p95_ms <= LATE_MS
        return on_time and not (self.lost or self.refused or self.broken)


async def capacity(
    target: Target,
    clips: Sequence[Clip],
    speech: Speech,
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
        while (following := next_level(measured, most)) is not None:
            measured.append(await measure(following))
    rows = [
        {**asdict(level), "p95_ms": level.p95_ms} for level in sorted(measured, key=lambda one: one.speakers)
    ]
    return Part("capacity", tuple(figures_of(measured)), {"levels": rows})


def next_level(measured: Sequence[Level], most: int) -> int | None:
    """The next number of speakers to try: doubling, then halving the gap, then twice what fits; None at the end."""
    tried = {level.speakers for level in measured}
    fits = max((level.speakers for level in measured if level.holds), default=0)
    breaks = min(
        (level.speakers for level in measured if not level.holds and level.speakers > fits), default=None
    )
    if fits == 0:
        return None
    if breaks is None:
        return min(fits * 2, most) if fits < most else None
    if breaks - fits > max(1, fits // 8):
        return (fits + breaks) // 2
    return None if fits * 2 in tried else fits * 2


async def run_level(
    target: Target, clips: Sequence[Clip], speech: Speech, speakers: int, utterances: int
) -> Level:
    """So many speakers at once; each says `utterances` clips with pauses, in a session of its own."""
    loaded = [(clip, samples_of(clip)) for clip in clips if clip.speech]
    scenes = [scene(loaded, utterances, seed) for seed in range(speakers)]
    takes = [Take() for _ in scenes]
    memory: list[float] = []
    before_s = target.cpu_s()

    async with PromptClient(target.url) as client:

        async def one(number: int) -> None:
            await anyio.sleep(SPREAD_S * number / speakers)
            takes[number] = await speak(client, scenes[number].samples, speech)

        with anyio.CancelScope() as watching:
            async with anyio.create_task_group() as outer:
                outer.start_soon(_watch_memory, target, memory)
                async with anyio.create_task_group() as group:
                    for number in range(speakers):
                        group.start_soon(one, number)
                watching.cancel()
    after_s = target.cpu_s()
    longest_s = max(len(one.samples) for one in scenes) / RATE_HZ + TAIL_S + SPREAD_S * (1 - 1 / speakers)
    cores = None if before_s is None or after_s is None else (after_s - before_s) / longest_s
    return _level([one.lines for one in scenes], takes, cores, max(memory, default=None))


async def _watch_memory(target: Target, found: list[float]) -> None:
    while True:
        if (now_mb := target.memory_mb()) is not None:
            found.append(now_mb)
        await anyio.sleep(2)


def _level(
    lines: Sequence[Sequence[Line]], takes: Sequence[Take], cores: float | None, memory_mb: float | None
) -> Level:
    total, wrong, words = Score(), 0, 0
    served = [(said, take) for said, take in zip(lines, takes, strict=True) if not take.refused]
    for said, take in served:
        lang = said[0].clip.lang
        total.add(score(take, lang))
        truth = normal(" ".join(line.clip.text for line in said), lang)
        found = errors(truth, normal(" ".join(data["text"] for _, data in finals(take)), lang))
        wrong, words = wrong + found.wrong, words + found.words
    return Level(
        speakers=len(takes),
        spoken=sum(len(said) for said, _ in served),
        lost=sum(len(lost(said, take)) for said, take in served),
        refused=sum(take.refused for take in takes),
        broken=sum(take.failure is not None for _, take in served),
        to_final_ms=tuple(round(ms, 1) for ms in total.to_final_ms),
        first_partial_ms=tuple(round(ms, 1) for ms in total.first_partial_ms),
        partials=sum(data["type"] == "partial" for _, take in served for _, data in take.events),
        degraded=total.degraded,
        words_wrong=wrong,
        words=words,
        cores=None if cores is None else round(cores, 3),
        memory_mb=None if memory_mb is None else round(memory_mb, 1),
    )


def figures_of(levels: Sequence[Level]) -> list[Figure]:
    """What the levels say: how many fit, the waits at one, at eight and at twice what fits, the cost of one."""
    by_speakers = {level.speakers: level for level in levels}
    fits = max((level.speakers for level in levels if level.holds), default=0)
    found = [
        Figure("capacity.speakers", "live speakers with p95 of end of speech to final <= 2 s", "", "value",
               (float(fits),), better="higher", goal=16),
    ]  # fmt: skip
    for speakers, goal_ms in ((1, 700.0), (8, 900.0)):
        if level := by_speakers.get(speakers):
            title = f"end of speech to final, {speakers} speaking"
            found += spread(f"capacity.to_final_{speakers}", title, level.to_final_ms, p95_goal=goal_ms)
    if (alone := by_speakers.get(1)) and alone.cores is not None:
        found.append(
            Figure(
                "capacity.cores_1", "cores used by one speaker", "cores", "value", (alone.cores,), goal=0.15
            )
        )
    found += _memory(levels)
    if fits and (twice := by_speakers.get(2 * fits)):
        found += _overload(twice)
    return found


def _memory(levels: Sequence[Level]) -> list[Figure]:
    known = sorted((level.speakers, level.memory_mb) for level in levels if level.memory_mb is not None)
    if len(known) < 2:
        return []
    (few, low), (many, high) = known[0], known[-1]
    each = (round((high - low) / (many - few), 2),)
    return [
        Figure("capacity.memory_each", f"memory a session, between {few} and {many}", "MB", "value", each)
    ]


def _overload(level: Level) -> list[Figure]:
    found = [
        Figure("capacity.twice_lost", "at twice that: finals lost", "", "count", (float(level.lost),), goal=0),
        Figure("capacity.twice_refused", "at twice that: sessions refused", "", "count",
               (float(level.refused),), better="neither"),
        Figure("capacity.twice_degraded", "at twice that: times that fewer partials were announced", "", "count",
               (float(level.degraded),), better="neither"),
        *spread("capacity.twice_to_final", "at twice that: end of speech to final", level.to_final_ms),
    ]  # fmt: skip
    if level.memory_mb is not None:
        memory = (level.memory_mb,)
        found.append(
            Figure("capacity.twice_memory", "at twice that: memory of the server", "MB", "value", memory)
        )
    return found
