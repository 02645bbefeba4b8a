"""One run: its plan is checked first, its parts come in order, its files say where they come from."""

import shutil
from pathlib import Path

import pytest

from app.bench.figures import BenchError, Figure, Part
from app.bench.runner import Plan, make_run, run_plan, save_run
from app.bench.speaker import SessionOptions
from app.client.errors import Unreachable
from tests.conftest import SAMPLES

STUB = SessionOptions(provider="cloud_stub")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for suffix in ("wav", "txt"):
        shutil.copy(SAMPLES / f"en_weather_madrid_48k.{suffix}", tmp_path)
    return tmp_path


async def test_the_parts_of_a_plan_run_in_order(server: str, folder: Path) -> None:
    lines: list[str] = []
    plan = Plan(folder, parts=["capacity", "dictation"], speech=STUB, url=server, levels=[1], utterances=1)
    run = await run_plan(plan, "prompter bench run", lines.append)
    assert [part.name for part in run.parts] == ["capacity", "dictation"]
    assert lines[0] == "capacity …"
    assert run.setting == {"provider": "cloud_stub", "audio": folder.name}


async def test_an_unknown_part_is_refused_before_anything_runs(folder: Path) -> None:
    with pytest.raises(BenchError, match="no part 'tea'"):
        await run_plan(Plan(folder, parts=["tea"]), "", lambda _: None)


async def test_a_server_that_refuses_is_named_at_the_start(server: str, folder: Path) -> None:
    plan = Plan(folder, parts=["dictation"], speech=SessionOptions(provider="nobody"), url=server)
    with pytest.raises(BenchError, match="no speech provider has this name"):
        await run_plan(plan, "", lambda _: None)


async def test_a_server_that_is_not_there_is_named_at_the_start(folder: Path, unused_tcp_port: int) -> None:
    plan = Plan(folder, parts=["dictation"], speech=STUB, url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Unreachable):
        await run_plan(plan, "", lambda _: None)


def test_a_run_is_saved_with_its_report(tmp_path: Path) -> None:
    part = Part("ingest", (Figure("ingest.ratio", "ratio", "", "p50", (0.7,)),))
    files = save_run(make_run("prompter bench run", [part], {"provider": "fake"}), tmp_path / "out")
    assert sorted(path.name for path in files) == ["report.md", "result.json"]
    assert "provider fake" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
