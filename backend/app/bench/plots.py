"""Pictures of a run, as PNG and SVG: where the wait for a final comes from, and what more speakers do to it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from app.bench.figures import Part, compute_quantile

FORMATS = ("png", "svg")
INK, MUTED, FIRST, SECOND, THIRD = "#1f2937", "#9ca3af", "#2563eb", "#d97706", "#059669"
GOAL_MS = 2000


def draw_figures(parts: Sequence[Part], folder: Path) -> list[Path]:
    """A picture for each part that has one; the files."""
    known: dict[str, Callable[[Part], Canvas | None]] = {"dictation": _draw_waits, "capacity": _draw_capacity}
    files = []
    # Texts stay texts, and the same run gives the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "prompter", "font.size": 10}):
        for part in parts:
            canvas = known[part.name](part) if part.name in known else None
            if canvas is None:
                continue
            for form in FORMATS:
                path = folder / f"{part.name}.{form}"
                canvas.savefig(path, format=form, dpi=144, metadata={"Date": None} if form == "svg" else None)
                files.append(path)
    return files


def _draw_waits(part: Part) -> Canvas | None:
    """Each final as a bar of its parts, shortest first."""
    timing = [final for clip in part.details["clips"] for final in clip["timing"]]
    if not timing:
        return None
    rows = sorted(timing, key=lambda one: one["received_ms"] - one["speech_end_ms"])
    canvas, axes = _make_canvas("End of speech to final", "finals, quickest first", "ms")
    bottom = [0.0] * len(rows)
    at = range(1, len(rows) + 1)
    for name, colour in (("endpoint", MUTED), ("queue", SECOND), ("decode", FIRST)):
        heights = [row[f"{name}_ms"] for row in rows]
        axes.bar(at, heights, bottom=bottom, color=colour, width=0.85, label=name)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    measured = [row["received_ms"] - row["speech_end_ms"] for row in rows]
    axes.plot(at, measured, ".", color=INK, markersize=4, label="on the wire")
    _add_legend(canvas)
    return canvas


def _draw_capacity(part: Part) -> Canvas | None:
    """p50 and p95 against the number of speakers, and the goal."""
    levels: Sequence[Mapping[str, Any]] = [one for one in part.details["levels"] if one["to_final_ms"]]
    if not levels:
        return None
    canvas, axes = _make_canvas("End of speech to final under load", "live speakers", "ms")
    speakers = [level["speakers"] for level in levels]
    for share, colour in ((0.5, THIRD), (0.95, FIRST)):
        waits = [compute_quantile(level["to_final_ms"], share) for level in levels]
        axes.plot(speakers, waits, "o-", color=colour, label=f"p{share * 100:.0f}")
    axes.axhline(GOAL_MS, color=SECOND, linestyle="--", linewidth=1, label="goal for p95")
    axes.set_ylim(bottom=0)
    axes.set_xticks(speakers)
    _add_legend(canvas)
    return canvas


def _add_legend(canvas: Canvas) -> None:
    """Below the plot, where it covers nothing."""
    canvas.legend(frameon=False, loc="outside lower center", ncols=4)


def _make_canvas(title: str, across: str, up: str) -> tuple[Canvas, Any]:
    canvas = Canvas(figsize=(7, 4), layout="constrained")
    axes = canvas.add_subplot()
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    return canvas, axes
