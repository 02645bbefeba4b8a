"""Reports: what is written can be read again, tables say what was found, pictures are drawn."""

from pathlib import Path

import pytest

from app.bench.compare import compare_figures
from app.bench.figures import BenchError, Figure
from app.bench.report import format_changes, format_run, format_value, read_run, write_run
from tests.fakes.bench_run import RUN


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    result, report = write_run(RUN, tmp_path / "new" / "folder")
    again = read_run(result)
    assert again.figures == RUN.figures
    assert (again.when, again.command) == (RUN.when, RUN.command)
    assert report.read_text(encoding="utf-8") == format_run(RUN) == format_run(again)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format":1}', '{"format":99}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(BenchError, match=r"result\.json"):
        read_run(path)


def test_the_tables_say_value_and_goal() -> None:
    lines = format_run(RUN).splitlines()
    assert "| end of speech to final, p95 | 900 ms ✗ | <= 800 ms | 2 |" in lines
    assert "| words wrong | 12.5 % ✓ | <= 20 % | 1 |" in lines
    assert "| speakers | - |  | 0 |" in lines
    assert "| 2 | 700 ms | 3000 ms | 1 of 14 | 0 | 5 % | 0.21 | 210 MB |" in lines


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "-"),
        (0.0, "", "0"),
        (1234.4, "ms", "1234 ms"),
        (0.0731, "s", "0.0731 s"),
        (3.0, "%", "3 %"),
    ],
)
def test_values_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_a_comparison_begins_with_what_got_worse() -> None:
    def run(*values: float) -> list[Figure]:
        return [Figure(f"k{i}", f"figure {i}", "", "value", (value,)) for i, value in enumerate(values)]

    rows = format_changes(compare_figures(run(1, 2, 4), run(1, 1, 8)))
    assert [row.split(" | ")[-1] for row in rows[2:]] == ["worse |", "better |", "same |"]
