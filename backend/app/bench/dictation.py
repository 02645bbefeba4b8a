"""Dictation: each clip in a live session of its own; latency, promises kept, words right, phantom finals, cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from app.bench.clips import RATE_HZ, Clip, samples_of
from app.bench.figures import Figure, Part, spread
from app.bench.offline import Offline, offline_engine
from app.bench.scoring import Score, score
from app.bench.speaker import TAIL_S, Speech, Take, finals, speak
from app.bench.target import Target
from app.bench.words import errors, normal
from app.client.prompt_client import PromptClient


@dataclass(slots=True)
class Result:
    """One clip: what was said, and what came of it."""

    clip: Clip
    samples: NDArray[np.int16]
    take: Take = field(default_factory=Take)
    offline: Offline | None = None

    @property
    def truth(self) -> list[str]:
        return normal(self.clip.text, self.clip.lang)

    @property
    def heard(self) -> list[str]:
        return normal(" ".join(data["text"] for _, data in finals(self.take)), self.clip.lang)

    @property
    def alone(self) -> list[str] | None:
        """The words of the offline decode, where there was one."""
        return None if self.offline is None else normal(self.offline.text, self.clip.lang)


async def dictation(
    target: Target, clips: Sequence[Clip], speech: Speech, *, speakers: int = 1, offline: bool = True
) -> Part:
    """Dictate every clip, at most `speakers` at a time; then decode each offline with the same engine.

    Raises:
        BenchError: the engine has no offline decode.
    """
    results = [Result(clip, samples_of(clip)) for clip in clips]
    limit = anyio.CapacityLimiter(speakers)
    idle_mb = target.memory_mb()

    async with PromptClient(target.url) as client:

        async def one(result: Result) -> None:
            wanted = Speech(
                speech.provider, speech.model, speech.lang or _lang(result.clip), speech.endpointing
            )
            async with limit:
                result.take = await speak(client, result.samples, wanted)

        before_s = target.cpu_s()
        async with anyio.create_task_group() as group:
            for result in results:
                group.start_soon(one, result)
        after_s = target.cpu_s()
    talking = [result for result in results if result.clip.speech]
    if offline:
        await _decode_offline(talking)
    spent_s = None if before_s is None or after_s is None else after_s - before_s
    scores = [score(result.take, result.clip.lang) for result in talking]
    figures = [
        *_latency(scores), *_promises(results, scores), *_words(talking), *_cost(results, spent_s, idle_mb),
    ]  # fmt: skip
    return Part("dictation", tuple(figures), {"clips": [_row(result) for result in results]})


def _lang(clip: Clip) -> str | None:
    return None if clip.lang in ("", "none") else clip.lang


async def _decode_offline(results: Sequence[Result]) -> None:
    """With the engine and model that the server's finals name."""
    told = [data for result in results for _, data in finals(result.take)]
    if not told:
        return
    async with offline_engine(told[0]["provider"]) as engine:
        for result in results:
            result.offline = await engine.decode(
                result.samples, lang=_lang(result.clip) or "auto", model=told[0]["model"]
            )


def _latency(scores: Sequence[Score]) -> list[Figure]:
    total = Score()
    for one in scores:
        total.add(one)
    return [
        *spread("dictation.first_partial", "time to first partial", total.first_partial_ms,
                p50_goal=1000, p95_goal=1500),
        *spread("dictation.partial_lag", "partial lag", total.partial_lag_ms),
        *spread("dictation.to_eager", "end of speech to eager final", total.to_eager_ms),
        *spread("dictation.to_final", "end of speech to final", total.to_final_ms),
        *spread("dictation.endpoint", "of it: silence waited for", total.endpoint_ms),
        *spread("dictation.queue", "of it: queue", total.queue_ms),
        *spread("dictation.decode", "of it: decode", total.decode_ms),
        *spread("dictation.unexplained", "of it: neither", total.unexplained_ms),
        *spread("dictation.beyond", "end of speech to final, beyond the silence", total.beyond_ms,
                p50_goal=250, p95_goal=500),
    ]  # fmt: skip


def _promises(results: Sequence[Result], scores: Sequence[Score]) -> list[Figure]:
    phantoms = [len(finals(result.take)) for result in results if not result.clip.speech]
    return [
        _count("stable_violations", "stable prefixes that changed", [one.stable_violations for one in scores]),
        _count("eager_violations", "finals that differ from their eager final",
               [one.eager_violations for one in scores]),
        Figure("dictation.stable_wrong", "stable words that differ from the final", "%", "share",
               tuple(100.0 * one.stable_wrong for one in scores),
               tuple(float(one.stable_words) for one in scores), goal=3),
        Figure("dictation.unstable", "words of partials taken back, of final words", "%", "share",
               tuple(100.0 * one.shown_back for one in scores),
               tuple(float(one.final_words) for one in scores)),
        _count("phantoms", "finals where nothing was said", phantoms),
        _count("failed", "sessions that broke off", [result.take.failure is not None for result in results]),
    ]  # fmt: skip


def _count(key: str, title: str, samples: Sequence[float]) -> Figure:
    return Figure(f"dictation.{key}", title, "", "count", tuple(map(float, samples)), goal=0)


def _words(results: Sequence[Result]) -> list[Figure]:
    live = [errors(result.truth, result.heard) for result in results]
    weights = tuple(float(one.words) for one in live)
    figures = [
        Figure("dictation.wer", "words wrong, streaming", "%", "share",
               tuple(100.0 * one.wrong for one in live), weights),
    ]  # fmt: skip
    alone = [(result, result.alone) for result in results]
    if not results or any(words is None for _, words in alone):
        return figures
    still = [errors(result.truth, words or []) for result, words in alone]
    gap = tuple(100.0 * (a.wrong - b.wrong) for a, b in zip(live, still, strict=True))
    return [
        *figures,
        Figure("dictation.wer_offline", "words wrong, offline", "%", "share",
               tuple(100.0 * one.wrong for one in still), weights, "neither"),
        Figure("dictation.wer_gap", "streaming minus offline", "points", "share", gap, weights, goal=0.5),
        _recall("first_word", "first words kept, of those right offline", results, 0),
        _recall("last_word", "last words kept, of those right offline", results, -1),
    ]  # fmt: skip


def _recall(key: str, title: str, results: Sequence[Result], edge: int) -> Figure:
    def right(result: Result, said: list[str] | None) -> bool:
        return bool(said) and bool(result.truth) and (said or [""])[edge] == result.truth[edge]

    counted = [result for result in results if right(result, result.alone)]
    kept = tuple(100.0 * right(result, result.heard) for result in counted)
    return Figure(f"dictation.{key}", title, "%", "share", kept, (1.0,) * len(kept), "higher", 99)


def _cost(results: Sequence[Result], spent_s: float | None, idle_mb: float | None) -> list[Figure]:
    audio_s = sum(len(result.samples) / RATE_HZ + TAIL_S for result in results)
    found = []
    if spent_s is not None and audio_s:
        cost = (round(spent_s / audio_s, 4),)
        found.append(Figure("dictation.cpu", "CPU seconds for a second of audio", "s", "value", cost))
    if idle_mb is not None:
        found.append(
            Figure("dictation.memory", "memory of the idle server", "MB", "value", (round(idle_mb, 1),))
        )
    return found


def _row(result: Result) -> dict[str, Any]:
    return {
        "id": result.clip.id,
        "said": result.clip.text,
        "streaming": [data["text"] for _, data in finals(result.take)],
        "offline": None if result.offline is None else result.offline.text,
        "timing": [
            {"received_ms": round(at), **data["timing"]} for at, data in finals(result.take)
        ],
        "failure": result.take.failure,
    }  # fmt: skip
