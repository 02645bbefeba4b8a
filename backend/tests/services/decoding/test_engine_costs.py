"""What engines cost: measured once for each machine, kept in the data folder, safe where the file is damaged."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.core.config import Settings
from app.services.decoding.admission import EngineCost
from app.services.decoding.cost_file import MOST_MACHINES, NAME, CostFile, describe_machine
from app.services.decoding.engine_costs import EngineCosts
from app.services.decoding.scheduler import Scheduler
from tests.fakes.engine import FakeEngine, Script
from tests.fakes.window_engine import FakeWindowEngine


def make_costs(folder: Path, cores: int = 2) -> tuple[EngineCosts, Scheduler]:
    scheduler = Scheduler(cores, lambda: 0.0)
    return EngineCosts(Settings(_env_file=None, data_dir=folder), scheduler), scheduler


async def test_an_engine_is_measured_once_on_a_machine(tmp_path: Path) -> None:
    engine = FakeEngine(Script(cost=0.07))
    for _ in range(2):  # the second time in a new process
        costs, scheduler = make_costs(tmp_path)
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(costs.learn, engine, None)
        assert scheduler.engine_cost("fake/small").warm_up_rate == 0.07
    assert engine.measured == 1
    await costs.learn(engine, "large")
    assert engine.measured == 2, "another checkpoint costs something else"
    costs, _ = make_costs(tmp_path, cores=4)
    await costs.learn(engine, None)
    assert engine.measured == 3, "so does another machine"


async def test_what_was_learned_from_speech_is_kept(tmp_path: Path) -> None:
    costs, scheduler = make_costs(tmp_path)
    measured = await costs.learn(FakeEngine(Script(cost=0.1)), None)
    guessed = await costs.learn(FakeWindowEngine(), None)
    scheduler.engine_cost(measured).add(6.0, 60.0)
    scheduler.engine_cost(guessed).add(1.2, 60.0)
    await costs.store()

    costs, scheduler = make_costs(tmp_path)
    await costs.learn(FakeWindowEngine(), None)
    assert scheduler.engine_cost(measured) == EngineCost(0.1, 6.0, 60.0)
    assert scheduler.engine_cost(guessed).rate == pytest.approx(0.02)


ROWS: list[Any] = [
    None,
    [],
    7,
    {},
    {"warm_up_rate": "0.1", "took_s": 0, "speech_s": 0},
    {"warm_up_rate": -1, "took_s": 0, "speech_s": 0},
    {"warm_up_rate": 0, "took_s": 0, "speech_s": 0},
    {"warm_up_rate": 0.1, "took_s": None, "speech_s": 0},
    {"warm_up_rate": True, "took_s": 0, "speech_s": 0},
    {"warm_up_rate": 0.1, "took_s": float("inf"), "speech_s": 0},
    {"warm_up_rate": 0.1, "took_s": float("nan"), "speech_s": 0},
]
DAMAGED = [
    *("", "null", "[]", "{", "[" * 100_000, "\x00"),
    *('{"format": 9, "machines": {}}', '{"format": 2, "machines": []}'),
    json.dumps({"format": 2, "machines": {describe_machine(2): []}}),
    *(json.dumps({"format": 2, "machines": {describe_machine(2): {"fake/small": row}}}) for row in ROWS),
]


@pytest.mark.parametrize("text", DAMAGED)
async def test_a_damaged_file_is_measured_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    engine = FakeEngine(Script(cost=0.07))
    costs, scheduler = make_costs(tmp_path)
    await costs.learn(engine, None)
    assert (engine.measured, scheduler.engine_cost("fake/small").warm_up_rate) == (1, 0.07)
    assert CostFile(tmp_path, describe_machine(2)).read() == {"fake/small": EngineCost(0.07)}


async def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    costs, scheduler = make_costs(tmp_path / "file" / "below")
    await costs.learn(FakeEngine(Script(cost=0.07)), None)
    assert scheduler.engine_cost("fake/small").warm_up_rate == 0.07


async def test_an_engine_that_cannot_be_measured_is_tried_once(tmp_path: Path) -> None:
    engine = FakeEngine(Script(failures={"measure_cost": RuntimeError("secret words")}))
    costs, scheduler = make_costs(tmp_path)
    for _ in range(2):
        engine.script.failures["measure_cost"] = RuntimeError("secret words")
        await costs.learn(engine, None)
    assert (engine.measured, scheduler.engine_cost("fake/small")) == (0, EngineCost())


def test_a_data_folder_that_moves_keeps_each_machines_costs(tmp_path: Path) -> None:
    for machine in range(MOST_MACHINES + 2):
        CostFile(tmp_path, f"m{machine}").write({"e": EngineCost(0.1 + machine)})
    assert CostFile(tmp_path, "m0").read() == {}
    for machine in range(2, MOST_MACHINES + 2):
        assert CostFile(tmp_path, f"m{machine}").read() == {"e": EngineCost(0.1 + machine)}
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
