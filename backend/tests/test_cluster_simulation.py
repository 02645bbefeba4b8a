"""The simulation of a cluster: `scripts/measure/cluster/simulate.py`, with the server's own policy."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from app.bench.figures import compute_quantile

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "measure" / "cluster" / "simulate.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("simulate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    paths = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = paths
    return module


def test_every_silence_brings_a_final_and_room_brings_it_soon(script: ModuleType) -> None:
    plan = script.Plan(speakers=20, workers=5, cores=4, gateways=2, measured_s=15.0, warm_up_s=5.0)
    figures = script.simulate(plan)
    assert abs(figures.ended - len(figures.to_final_s)) <= plan.speakers, "only those under way may differ"
    assert figures.ended > plan.speakers
    assert compute_quantile(figures.final_queue_s, 0.95) < 0.05
    assert compute_quantile(figures.first_partial_s, 0.5) < 1.0
    assert script.list_uses(plan, figures)["cores of the workers, finals"] < 0.5


def test_too_few_cores_cost_partials_first_and_no_final(script: ModuleType) -> None:
    plan = script.Plan(speakers=40, workers=1, cores=2, gateways=1, measured_s=10.0, warm_up_s=5.0)
    figures = script.simulate(plan)
    assert figures.shed > len(figures.partial_queue_s), "most partials are shed"
    assert figures.highest_level >= 2
    assert len(figures.to_final_s) >= 30, "two cores are busy with finals"
    rows = "\n".join(script.report(plan, figures))
    assert "| scarcest | cores of the workers, finals |" in rows


def test_the_same_plan_brings_the_same_queues(script: ModuleType) -> None:
    plan = script.Plan(speakers=12, workers=1, cores=2, gateways=1, measured_s=8.0, warm_up_s=4.0)
    first, second = script.simulate(plan), script.simulate(plan)
    assert first.to_final_s == second.to_final_s
    assert first.partial_queue_s == second.partial_queue_s


def test_recorded_utterances_are_read(script: ModuleType) -> None:
    spoken = script.parse_spoken(script.SPOKEN)
    assert len(spoken) == 75
    assert spoken[15].speech_s == 21.4
    assert spoken[15].pauses == ((4.1, 4.2), (11.7, 11.9))
