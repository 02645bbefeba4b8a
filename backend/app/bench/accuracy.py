"""Accuracy: one engine on one's own recordings, offline: words wrong, loops and cost, for each kind of window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.bench.clips import RATE_HZ, Clip, load_samples
from app.bench.figures import Figure, Part, make_quantiles
from app.bench.offline import OfflineEngine, OfflineResult, Window, offline_engine
from app.bench.words import WordErrors, count_errors, normalize_words
from app.core.config import Settings

LOOPS = frozenset({"repetition", "capped"})


@dataclass(frozen=True, slots=True)
class ClipDecode:
    """One clip through one kind of window."""

    clip: Clip
    window: Window
    audio_s: float
    errors: WordErrors
    offline: OfflineResult


async def measure_accuracy(
    clips: Sequence[Clip],
    *,
    provider: str,
    model: str | None,
    windows: Sequence[Window],
    settings: Settings | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Part:
    """Decode every clip with every kind of window."""
    rows: list[ClipDecode] = []
    async with offline_engine(provider, settings) as engine:
        talking = [clip for clip in clips if clip.speech]
        for window in windows if talking else ():
            await _decode_clip(engine, talking[0], model, window)  # warm-up: loading is not measured
        for number, clip in enumerate(talking, 1):
            tell(f"{number} of {len(talking)}: {clip.id}")
            rows += [await _decode_clip(engine, clip, model, window) for window in windows]
    return Part("accuracy", tuple(make_figures(rows, windows)), {"clips": [_make_row(row) for row in rows]})


async def _decode_clip(engine: OfflineEngine, clip: Clip, model: str | None, window: Window) -> ClipDecode:
    samples = load_samples(clip)
    lang = clip.lang if clip.lang not in ("", "none") else "auto"
    found = await engine.decode(samples, lang=lang, model=model, window=window)
    wrong = count_errors(normalize_words(clip.text, clip.lang), normalize_words(found.text, clip.lang))
    return ClipDecode(clip, window, len(samples) / RATE_HZ, wrong, found)


def make_figures(rows: Sequence[ClipDecode], windows: Sequence[Window]) -> list[Figure]:
    """For each window its errors, loops, doubts and cost; and how often two windows give the same text."""
    found: list[Figure] = []
    for window in windows:
        of = [row for row in rows if row.window == window]
        words = tuple(float(row.errors.words) for row in of)
        seconds = tuple(row.audio_s for row in of)
        loops = tuple(float(bool(LOOPS & set(row.offline.doubtful))) for row in of)
        empty = tuple(float("empty" in row.offline.doubtful or not row.offline.text) for row in of)
        found += [
            Figure(f"accuracy.{window}_wer", f"{window} window: words wrong", "%", "share",
                   tuple(100.0 * row.errors.wrong for row in of), words),
            Figure(f"accuracy.{window}_loops", f"{window} window: decodes that went round in circles", "",
                   "count", loops),
            Figure(f"accuracy.{window}_empty", f"{window} window: decodes without text", "", "count", empty),
            Figure(f"accuracy.{window}_cpu", f"{window} window: CPU seconds for a second of audio", "s", "share",
                   tuple(row.offline.cpu_s for row in of), seconds),
            *make_quantiles(f"accuracy.{window}_decode", f"{window} window: decode",
                            [row.offline.decode_ms for row in of]),
        ]  # fmt: skip
    if len(windows) == 2:
        found += _make_comparison_figures(rows, *windows)
    return found


def _make_comparison_figures(rows: Sequence[ClipDecode], one: Window, other: Window) -> list[Figure]:
    texts = {(row.clip.id, row.window): normalize_words(row.offline.text, row.clip.lang) for row in rows}
    ids = [row.clip.id for row in rows if row.window == one]
    equal = tuple(100.0 * (texts[name, one] == texts[name, other]) for name in ids)
    spent = {
        window: sum(row.offline.cpu_s for row in rows if row.window == window) for window in (one, other)
    }
    found = [
        Figure("accuracy.equal", f"texts of {one} and {other} windows equal", "%", "share", equal,
               (1.0,) * len(equal), "higher"),
    ]  # fmt: skip
    if spent[one] and spent[other]:
        times = (round(spent[other] / spent[one], 2),)
        found.append(
            Figure(
                "accuracy.times",
                f"CPU of a {other} window, times a {one} one's",
                "x",
                "value",
                times,
                better="neither",
            )
        )
    return found


def _make_row(row: ClipDecode) -> dict[str, object]:
    return {
        "id": row.clip.id,
        "window": row.window,
        "said": row.clip.text,
        "text": row.offline.text,
        "wrong": row.errors.wrong,
        "words": row.errors.words,
        "doubtful": list(row.offline.doubtful),
        "cpu_s": round(row.offline.cpu_s, 3),
    }
