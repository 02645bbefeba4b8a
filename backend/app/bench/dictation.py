"""Dictation: each clip in a live session; latency, guarantees, word errors, phantom finals, cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from app.bench.clips import RATE_HZ, Clip, load_samples
from app.bench.figures import Figure, Part, make_quantiles
from app.bench.offline import OfflineResult, offline_engine
from app.bench.scoring import Score, score_session
from app.bench.speaker import TAIL_S, SessionLog, SessionOptions, list_finals, speak
from app.bench.target import Target
from app.bench.words import count_errors, normalize_words
from app.client.prompt_client import PromptClient


@dataclass(slots=True)
class ClipResult:
    """One clip, its session, and its offline decode."""

    clip: Clip
    samples: NDArray[np.int16]
    log: SessionLog = field(default_factory=SessionLog)
    offline: OfflineResult | None = None

    @property
    def truth(self) -> list[str]:
        return normalize_words(self.clip.text, self.clip.lang)

    @property
    def heard(self) -> list[str]:
        return normalize_words(" ".join(data["text"] for _, data in list_finals(self.log)), self.clip.lang)

    @property
    def alone(self) -> list[str] | None:
        """The words of the offline decode, where there was one."""
        return None if self.offline is None else normalize_words(self.offline.text, self.clip.lang)


async def measure_dictation(
    target: Target, clips: Sequence[Clip], speech: SessionOptions, *, speakers: int = 1, offline: bool = True
) -> Part:
    """Dictate every clip, at most `speakers` at a time; then decode each offline with the same engine.

    Raises:
        BenchError: the engine has no offline decode.
    """
    results = [ClipResult(clip, load_samples(clip)) for clip in clips]
    limit = anyio.CapacityLimiter(speakers)
    idle_mb = target.read_memory_mb()

    async with PromptClient(target.url) as client:

        async def one(result: ClipResult) -> None:
            wanted = SessionOptions(
                speech.provider, speech.model, speech.lang or _find_lang(result.clip), speech.endpointing
            )
            async with limit:
                result.log = await speak(client, result.samples, wanted)

        before_s = target.read_cpu_s()
        async with anyio.create_task_group() as group:
            for result in results:
                group.start_soon(one, result)
        after_s = target.read_cpu_s()
    talking = [result for result in results if result.clip.speech]
    if offline:
        await _decode_offline(talking)
    spent_s = None if before_s is None or after_s is None else after_s - before_s
    scores = [score_session(result.log, result.clip.lang) for result in talking]
    figures = [
        *_make_latency_figures(scores),
        *_make_promise_figures(results, scores),
        *_make_word_figures(talking),
        *_make_cost_figures(results, spent_s, idle_mb),
    ]
    return Part("dictation", tuple(figures), {"clips": [_make_row(result) for result in results]})


def _find_lang(clip: Clip) -> str | None:
    return None if clip.lang in ("", "none") else clip.lang


async def _decode_offline(results: Sequence[ClipResult]) -> None:
    """With the engine and model that the server's finals name."""
    told = [data for result in results for _, data in list_finals(result.log)]
    if not told:
        return
    async with offline_engine(told[0]["provider"]) as engine:
        for result in results:
            result.offline = await engine.decode(
                result.samples, lang=_find_lang(result.clip) or "auto", model=told[0]["model"]
            )


def _make_latency_figures(scores: Sequence[Score]) -> list[Figure]:
    total = Score()
    for one in scores:
        total.add(one)
    return [
        *make_quantiles("dictation.first_partial", "time to first partial", total.first_partial_ms,
                p50_goal=1000, p95_goal=1500),
        *make_quantiles("dictation.partial_lag", "partial lag", total.partial_lag_ms),
        *make_quantiles("dictation.to_eager", "end of speech to eager final", total.to_eager_ms),
        *make_quantiles("dictation.to_final", "end of speech to final", total.to_final_ms),
        *make_quantiles("dictation.endpoint", "of it: silence waited for", total.endpoint_ms),
        *make_quantiles("dictation.queue", "of it: queue", total.queue_ms),
        *make_quantiles("dictation.decode", "of it: decode", total.decode_ms),
        *make_quantiles("dictation.unexplained", "of it: neither", total.unexplained_ms),
        *make_quantiles("dictation.beyond", "end of speech to final, beyond the silence", total.beyond_ms,
                p50_goal=250, p95_goal=500),
    ]  # fmt: skip


def _make_promise_figures(results: Sequence[ClipResult], scores: Sequence[Score]) -> list[Figure]:
    phantoms = [len(list_finals(result.log)) for result in results if not result.clip.speech]
    return [
        _make_count("stable_violations", "stable prefixes that changed", [one.stable_violations for one in scores]),
        _make_count("eager_violations", "finals that differ from their eager final",
               [one.eager_violations for one in scores]),
        Figure("dictation.stable_wrong", "stable words that differ from the final", "%", "share",
               tuple(100.0 * one.stable_wrong for one in scores),
               tuple(float(one.stable_words) for one in scores), goal=3),
        Figure("dictation.unstable", "words of partials taken back, of final words", "%", "share",
               tuple(100.0 * one.shown_back for one in scores),
               tuple(float(one.final_words) for one in scores)),
        _make_count("phantoms", "finals where nothing was said", phantoms),
        _make_count("failed", "sessions that broke off", [result.log.failure is not None for result in results]),
    ]  # fmt: skip


def _make_count(key: str, title: str, samples: Sequence[float]) -> Figure:
    return Figure(f"dictation.{key}", title, "", "count", tuple(map(float, samples)), goal=0)


def _make_word_figures(results: Sequence[ClipResult]) -> list[Figure]:
    live = [count_errors(result.truth, result.heard) for result in results]
    weights = tuple(float(one.words) for one in live)
    figures = [
        Figure("dictation.wer", "words wrong, streaming", "%", "share",
               tuple(100.0 * one.wrong for one in live), weights),
    ]  # fmt: skip
    alone = [(result, result.alone) for result in results]
    if not results or any(words is None for _, words in alone):
        return figures
    still = [count_errors(result.truth, words or []) for result, words in alone]
    gap = tuple(100.0 * (a.wrong - b.wrong) for a, b in zip(live, still, strict=True))
    return [
        *figures,
        Figure("dictation.wer_offline", "words wrong, offline", "%", "share",
               tuple(100.0 * one.wrong for one in still), weights, "neither"),
        Figure("dictation.wer_gap", "streaming minus offline", "points", "share", gap, weights, goal=0.5),
        _make_recall_figure("first_word", "first words kept, of those right offline", results, 0),
        _make_recall_figure("last_word", "last words kept, of those right offline", results, -1),
    ]  # fmt: skip


def _make_recall_figure(key: str, title: str, results: Sequence[ClipResult], edge: int) -> Figure:
    def right(result: ClipResult, said: list[str] | None) -> bool:
        return bool(said) and bool(result.truth) and (said or [""])[edge] == result.truth[edge]

    counted = [result for result in results if right(result, result.alone)]
    kept = tuple(100.0 * right(result, result.heard) for result in counted)
    return Figure(f"dictation.{key}", title, "%", "share", kept, (1.0,) * len(kept), "higher", 99)


def _make_cost_figures(
    results: Sequence[ClipResult], spent_s: float | None, idle_mb: float | None
) -> list[Figure]:
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


def _make_row(result: ClipResult) -> dict[str, Any]:
    return {
        "id": result.clip.id,
        "said": result.clip.text,
        "streaming": [data["text"] for _, data in list_finals(result.log)],
        "offline": None if result.offline is None else result.offline.text,
        "timing": [
            {"received_ms": round(at), **data["timing"]} for at, data in list_finals(result.log)
        ],
        "failure": result.log.failure,
    }  # fmt: skip
