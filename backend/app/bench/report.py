"""Results on disk and on the screen: JSON with every sample, Markdown tables for people, two runs compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.bench.compare import Change
from app.bench.figures import BenchError, Figure, Part, from_json, to_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmark."""

    when: str
    """ISO 8601, with its offset."""
    command: str
    machine: Mapping[str, str | int]
    setting: Mapping[str, Any]
    """What was measured: provider, model, audio, target."""
    parts: Sequence[Part] = field(default_factory=tuple)

    @property
    def figures(self) -> list[Figure]:
        return [figure for part in self.parts for figure in part.figures]


def to_dict(run: Run) -> dict[str, Any]:
    """The whole run as JSON values."""
    return {
        "format": FORMAT,
        "when": run.when,
        "command": run.command,
        "machine": dict(run.machine),
        "setting": dict(run.setting),
        "parts": [
            {
                "name": part.name,
                "figures": [to_json(figure) for figure in part.figures],
                "details": part.details,
            }
            for part in run.parts
        ],
    }


def read_run(path: Path) -> Run:
    """Read what `write_run` wrote.

    Raises:
        BenchError: it cannot be read, or is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise BenchError(f"{str(path)!r} has format {data['format']!r}; this program reads {FORMAT}")
        parts = tuple(
            Part(part["name"], tuple(from_json(figure) for figure in part["figures"]), part["details"])
            for part in data["parts"]
        )
        return Run(data["when"], data["command"], data["machine"], data["setting"], parts)
    except OSError as error:
        raise BenchError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{str(path)!r} is no result of `prompter bench`") from error


def write_run(run: Run, folder: Path) -> tuple[Path, Path]:
    """`result.json` and `report.md` in a folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    result, report = folder / "result.json", folder / "report.md"
    result.write_text(json.dumps(to_dict(run), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    report.write_text(format_run(run), encoding="utf-8")
    return result, report


def format_run(run: Run) -> str:
    """The run as a page: where and how, then one table for each part."""
    where = ", ".join(f"{key} {value}" for key, value in {**run.machine, **run.setting}.items())
    lines = [f"# Benchmark of {run.when[:10]}", "", f"`{run.command}`", "", where, ""]
    for part in run.parts:
        lines += [f"## {part.name.capitalize()}", "", *format_table(part.figures), ""]
        if part.name == "capacity":
            lines += [*_format_levels(part.details["levels"]), ""]
            lines += format_hearing(part.details["levels"])
    return "\n".join(lines)


def format_table(figures: Sequence[Figure]) -> list[str]:
    """Value beside goal."""
    rows = ["| what | value | goal | n |", "|---|---|---|---|"]
    for figure in figures:
        sign = "<=" if figure.better == "lower" else ">="
        goal = "" if figure.goal is None else f"{sign} {format_value(figure.goal, figure.unit)}"
        mark = {True: " ✓", False: " ✗", None: ""}[figure.met]
        rows.append(
            f"| {figure.title} | {format_value(figure.value, figure.unit)}{mark} | {goal} | {len(figure.samples)} |"
        )
    return rows


def _format_levels(levels: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        "| speakers | p50 | p95 | lost | refused | words wrong | cores | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for level in levels:
        waits = sorted(level["to_final_ms"])
        middle = waits[len(waits) // 2] if waits else None
        wrong = 100 * level["words_wrong"] / level["words"] if level["words"] else None
        cells = [
            str(level["speakers"]),
            format_value(middle, "ms"),
            format_value(level["p95_ms"], "ms"),
            f"{level['lost']} of {level['spoken']}",
            str(level["refused"]),
            format_value(wrong, "%"),
            format_value(level["cores"], ""),
            format_value(level["memory_mb"], "MB"),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def format_hearing(levels: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each number of speakers reads on their screens; nothing where no clip was scored."""
    scored = [level for level in levels if level.get("hearing") and level.get("hearings")]
    if not scored:
        return []
    titles = (
        *(
            "speakers",
            "final p50 / p95",
            "first right word p50 / p95",
            "later than offline, p95",
            "longest gap",
        ),
        *("text settled p50", "stable wrong", "right offline, wrong live (less the reverse)", "said twice"),
        *("lost", "refused", "degraded", "cores"),
    )
    rows = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for level in scored:
        heard, waits = level["hearing"], sorted(level["to_final_ms"])
        pairs = "" if heard["lost_live"] is None else f" ({heard['lost_live']} - {heard['won_live']})"
        cells = [
            str(level["speakers"]),
            f"{_seconds(waits[len(waits) // 2] if waits else None)} / {_seconds(level['p95_ms'])}",
            f"{_seconds(heard['first_word_p50_ms'])} / {_seconds(heard['first_word_p95_ms'])}",
            _seconds(heard["first_word_later_p95_ms"]),
            _seconds(heard["gap_max_ms"]),
            _seconds(heard["settled_p50_ms"]),
            format_value(heard["stable_wrong_percent"], "%"),
            f"{format_value(heard['lost_live_percent'], '%')}{pairs}",
            f"{heard['doubled']} of {len(level['hearings'])}",
            f"{level['lost']} of {level['spoken']}",
            str(level["refused"]),
            str(level["degraded"]),
            format_value(level["cores"], ""),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return [*rows, ""]


def _seconds(value_ms: float | None) -> str:
    return "-" if value_ms is None else f"{value_ms / 1000:.2f} s"


def format_changes(changes: Sequence[Change]) -> list[str]:
    """Two runs as a table; what changed comes first."""
    order = {"worse": 0, "better": 1, "changed": 2, "only before": 3, "only after": 3, "same": 4}
    rows = ["| what | before | after | change (95 %) | verdict |", "|---|---|---|---|---|"]
    for change in sorted(changes, key=lambda one: order[one.verdict]):
        unit = change.figure.unit
        sure = "" if change.low is None else f"{change.low:+.3g} … {change.high:+.3g}"
        values = f"{format_value(change.before, unit)} | {format_value(change.after, unit)}"
        rows.append(f"| {change.figure.title} | {values} | {sure} | {change.verdict} |")
    return rows


def format_value(value: float | None, unit: str) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    digits = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()
