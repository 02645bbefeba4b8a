"""Reports: what is written can be read again, tables say what was found, pictures are drawn."""

from pathlib import Path

import pytest

from app.bench.compare import compare
from app.bench.figures import BenchError, Figure, Part, spread
from app.bench.plots import draw
from app.bench.report import Run, compared, markdown, read_run, shown, write

TIMING = {"received_ms": 2700, "speech_end_ms": 2000, "endpoint_ms": 600, "queue_ms": 30, "decode_ms": 60}
LEVEL = {
    "speakers": 2, "spoken": 14, "lost": 1, "refused": 0, "to_final_ms": [650.0, 700.0, 3000.0], "p95_ms": 3000.0,
    "words_wrong": 3, "words": 60, "cores": 0.21, "memory_mb": 210.4,
}  # fmt: skip
RUN = Run(
    "2026-01-02T03:04:05+00:00",
    "prompter bench run samples",
    {"cores": 2},
    {"provider": "fake"},
    (
        Part(
            "dictation",
            (*spread("dictation.to_final", "end of speech to final", [650, 900], p95_goal=800),
             Figure("dictation.wer", "words wrong", "%", "share", (100.0,), (8.0,), goal=20)),
            {"clips": [{"timing": [TIMING]}]},
        ),
        Part("capacity", (Figure("capacity.speakers", "speakers", "", "value", (), better="higher"),),
             {"levels": [LEVEL]}),
    ),
)  # fmt: skip


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    result, report = write(RUN, tmp_path / "new" / "folder")
    again = read_run(result)
    assert again.figures == RUN.figures
    assert (again.when, again.command) == (RUN.when, RUN.command)
    assert report.read_text(encoding="utf-8") == markdown(RUN) == markdown(again)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format":1}', '{"format":99}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(BenchError, match=r"result\.json"):
        read_run(path)


def test_the_tables_say_value_and_goal() -> None:
    lines = markdown(RUN).splitlines()
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
    assert shown(value, unit) == text


def test_a_comparison_begins_with_what_got_worse() -> None:
    def run(*values: float) -> list[Figure]:
        return [Figure(f"k{i}", f"figure {i}", "", "value", (value,)) for i, value in enumerate(values)]

    rows = compared(compare(run(1, 2, 4), run(1, 1, 8)))
    assert [row.split(" | ")[-1] for row in rows[2:]] == ["worse |", "better |", "same |"]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    files = draw(RUN.parts, tmp_path)
    assert sorted(path.name for path in files) == [
        "capacity.png", "capacity.svg", "dictation.png", "dictation.svg",
    ]  # fmt: skip
    assert (tmp_path / "dictation.png").read_bytes().startswith(b"\x89PNG")
    assert "End of speech to final" in (tmp_path / "dictation.svg").read_text()


def test_the_same_run_gives_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        draw(RUN.parts, tmp_path / name)
    for name in ("dictation.svg", "capacity.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_nothing_heard_gives_no_picture(tmp_path: Path) -> None:
    assert draw([Part("dictation", (), {"clips": [{"timing": []}]}), Part("ingest", ())], tmp_path) == []
