"""Pictures of a run: drawn for the parts that have one, the same each time."""

from pathlib import Path

from app.bench.figures import Part
from app.bench.plots import draw_figures
from tests.fakes.bench_run import RUN


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
