"""Capacity: more live speakers until finals come late, then twice the number that fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from app.bench.clips import Clip, PlacedClip, Scene, build_scene, load_samples
from app.bench.figures import Figure, Part, compute_quantile, make_quantiles
from app.bench.hearing import Hearing, find_onset_ms, find_right_words, hear_clips
from app.bench.offline import OfflineEngine, find_first_word_ms, offline_engine
from app.bench.scoring import Score, find_lost_clips, score_session
from app.bench.speaker import SessionLog, SessionOptions, list_finals, speak
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
    provider: str = ""
    model: str | None = None
    """The engine that the finals name."""
    stable_words: int = 0
    stable_wrong: int = 0
    """Words of last stable prefixes that are missing in their finals."""
    hearings: tuple[Hearing, ...] = field(default=(), repr=False)
    """Each clip that was spoken in an accepted session."""

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
    offline: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Part:
    """Measure `levels`, or search for the most speakers that the server holds and go on to twice as many.

    `offline` decodes each clip as a whole, too, with the same engine in this process, and compares.

    Raises:
        BenchError: the engine has no offline decode.
    """

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
    compared = await _decode_offline(clips, measured, tell) if offline else {}
    rows = [
        {**asdict(level), "p95_ms": level.p95_ms, "hearing": summarize_hearings(level, compared)}
        for level in sorted(measured, key=lambda one: one.speakers)
    ]
    offline_rows = {name: asdict(found) for name, found in compared.items()}
    return Part("capacity", tuple(make_figures(measured)), {"levels": rows, "offline": offline_rows})


@dataclass(frozen=True, slots=True)
class OfflineClip:
    """One clip decoded as a whole by the same engine."""

    text: str
    right: tuple[int, ...]
    """Words of the truth that it has, in order."""
    first_word_ms: float | None
    """From the onset of speech: the shortest prefix whose decode has one of the first words. None: not measured."""


async def _decode_offline(
    clips: Sequence[Clip], levels: Sequence[Level], tell: Callable[[str], None]
) -> dict[str, OfflineClip]:
    """The clips that were spoken; prefixes of those alone that one speaker spoke."""
    heard = {one.clip for level in levels for one in level.hearings}
    alone = {one.clip for level in levels if level.speakers == 1 for one in level.hearings}
    found: dict[str, OfflineClip] = {}
    named = next((level for level in levels if level.provider), None)
    if named is None:
        return {}
    async with offline_engine(named.provider) as engine:
        for clip in clips:
            if clip.id in heard:
                tell(f"offline: {clip.id}")
                found[clip.id] = await _decode_clip(engine, clip, named.model, with_prefix=clip.id in alone)
    return found


async def _decode_clip(
    engine: OfflineEngine, clip: Clip, model: str | None, *, with_prefix: bool
) -> OfflineClip:
    samples = load_samples(clip)
    truth = normalize_words(clip.text, clip.lang)
    text = (await engine.decode(samples, lang=clip.lang, model=model)).text
    first_ms = None
    if with_prefix:
        first_ms = await find_first_word_ms(
            engine, samples, clip, model=model, onset_ms=find_onset_ms(samples)
        )
    return OfflineClip(text, find_right_words(truth, normalize_words(text, clip.lang)), first_ms)


def summarize_hearings(level: Level, offline: Mapping[str, OfflineClip]) -> dict[str, Any]:
    """The figures of one level that its hearings hold; None where nothing was measured."""

    def quantile(values: Sequence[float], share: float) -> float | None:
        return compute_quantile(values, share) if values else None

    first = [one.first_word_ms for one in level.hearings if one.first_word_ms is not None]
    later = [
        one.first_word_ms - moment
        for one in level.hearings
        if one.first_word_ms is not None
        and one.clip in offline
        and (moment := offline[one.clip].first_word_ms) is not None
    ]
    gaps = [one.gap_ms for one in level.hearings if one.gap_ms is not None]
    settled = [ms for one in level.hearings for ms in one.settled_ms]
    pairs = [
        (set(one.right), set(offline[one.clip].right), one.words)
        for one in level.hearings
        if one.clip in offline
    ]
    words = sum(count for _, _, count in pairs)
    lost = sum(len(still - live) for live, still, _ in pairs)
    won = sum(len(live - still) for live, still, _ in pairs)
    return {
        "first_word_p50_ms": quantile(first, 0.5),
        "first_word_p95_ms": quantile(first, 0.95),
        "first_word_none": len(level.hearings) - len(first),
        "first_word_later_p95_ms": quantile(later, 0.95),
        "gap_max_ms": max(gaps, default=None),
        "settled_p50_ms": quantile(settled, 0.5),
        "stable_wrong_percent": 100 * level.stable_wrong / level.stable_words if level.stable_words else None,
        "lost_live": lost if pairs else None,
        "won_live": won if pairs else None,
        "lost_live_percent": 100 * (lost - won) / words if words else None,
        "doubled": sum(one.doubled for one in level.hearings),
    }


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
    """Run `speakers` sessions at once; each speaks `utterances` clips of one language with pauses."""
    loaded = [(clip, load_samples(clip)) for clip in clips if clip.speech]
    onsets_ms = {clip.id: find_onset_ms(samples) for clip, samples in loaded}
    memory: list[float] = []
    before_s = target.read_cpu_s()
    took_s = 0.0
    scenes: list[Scene] = []
    logs: list[SessionLog] = []
    async with PromptClient(target.url) as client:
        with anyio.CancelScope() as watching:
            async with anyio.create_task_group() as outer:
                outer.start_soon(_watch_memory, target, memory)
                for spoken in _build_rounds(loaded, speakers, utterances):
                    began_s = anyio.current_time()
                    scenes += spoken
                    logs += await _speak_together(client, spoken, speech)
                    took_s += anyio.current_time() - began_s
                watching.cancel()
    after_s = target.read_cpu_s()
    cores = None if before_s is None or after_s is None else (after_s - before_s) / took_s
    level = _make_level([one.lines for one in scenes], logs, onsets_ms, cores, max(memory, default=None))
    return replace(level, speakers=speakers)


def _build_rounds(
    loaded: Sequence[tuple[Clip, NDArray[np.int16]]], speakers: int, utterances: int
) -> list[list[Scene]]:
    """The scenes that are spoken together. A speaker has one language; one speaker alone speaks each in turn.

    Alone, a speaker says up to twice as much: a p95 needs utterances.
    """
    langs = sorted({clip.lang for clip, _ in loaded})
    by_lang = [[each for each in loaded if each[0].lang == lang] for lang in langs]
    if speakers == 1:
        return [[build_scene(mine, min(2 * utterances, len(mine)), 0)] for mine in by_lang]
    return [
        [build_scene(by_lang[seed % len(langs)], utterances, seed // len(langs)) for seed in range(speakers)]
    ]


async def _speak_together(
    client: PromptClient, scenes: Sequence[Scene], speech: SessionOptions
) -> list[SessionLog]:
    logs = [SessionLog() for _ in scenes]

    async def one(number: int) -> None:
        await anyio.sleep(SPREAD_S * number / len(scenes))
        options = replace(speech, lang=speech.lang or scenes[number].lines[0].clip.lang)
        logs[number] = await speak(client, scenes[number].samples, options)

    async with anyio.create_task_group() as group:
        for number in range(len(scenes)):
            group.start_soon(one, number)
    return logs


async def _watch_memory(target: Target, found: list[float]) -> None:
    while True:
        if (now_mb := target.read_memory_mb()) is not None:
            found.append(now_mb)
        await anyio.sleep(2)


def _make_level(
    lines: Sequence[Sequence[PlacedClip]],
    logs: Sequence[SessionLog],
    onsets_ms: Mapping[str, float],
    cores: float | None,
    memory_mb: float | None,
) -> Level:
    total, wrong, words = Score(), 0, 0
    hearings: list[Hearing] = []
    served = [(said, log) for said, log in zip(lines, logs, strict=True) if not log.refused]
    for said, log in served:
        lang = said[0].clip.lang
        total.add(score_session(log, lang))
        hearings += hear_clips(said, log, onsets_ms)
        truth = normalize_words(" ".join(line.clip.text for line in said), lang)
        found = count_errors(
            truth, normalize_words(" ".join(data["text"] for _, data in list_finals(log)), lang)
        )
        wrong, words = wrong + found.wrong, words + found.words
    told = next((data for _, log in served for _, data in list_finals(log)), {})
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
        provider=told.get("provider", ""),
        model=told.get("model"),
        stable_words=total.stable_words,
        stable_wrong=total.stable_wrong,
        hearings=tuple(hearings),
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
