"""Pictures of a run: drawn for the parts that have one, the same each time."""

from pathlib import Path

from app.bench.figures import Figure, Part, make_quantiles
from app.bench.plots import draw_figures
from app.bench.report import Run

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
            (*make_quantiles("dictation.to_final", "end of speech to final", [650, 900], p95_goal=800),
             Figure("dictation.wer", "words wrong", "%", "share", (100.0,), (8.0,), goal=20)),
            {"clips": [{"timing": [TIMING]}]},
        ),
        Part("capacity", (Figure("capacity.speakers", "speakers", "", "value", (), better="higher"),),
             {"levels": [LEVEL]}),
    ),
)  # fmt: skip


def test_pictures_are_drawn(tmp_path: Path) -> None:
    files = draw_figures(RUN.parts, tmp_path)
    assert sorted(path.name for path in files) == [
        "capacity.png", "capacity.svg", "dictation.png", "dictation.svg",
    ]  # fmt: skip
    assert (tmp_path / "dictation.png").read_bytes().startswith(b"\x89PNG")
    assert "End of speech to final" in (tmp_path / "dictation.svg").read_text()


def test_the_same_run_gives_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        draw_figures(RUN.parts, tmp_path / name)
    for name in ("dictation.svg", "capacity.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_nothing_heard_gives_no_picture(tmp_path: Path) -> None:
    assert (
        draw_figures([Part("dictation", (), {"clips": [{"timing": []}]}), Part("ingest", ())], tmp_path) == []
    )
