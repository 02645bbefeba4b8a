"""What weights give: the speed of this machine is the measured one, else an estimate from a measured neighbour."""

from pathlib import Path

import pytest

from app.core.config import Settings
from app.services.decoding.admission import EngineCost
from app.services.decoding.cost_file import CostFile, describe_machine
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.weights.offers import Offer, Speed, list_offers
from tests.support.checkpoints import write_checkpoint

CORES = 2
MEASURED = "whisper_local/base (147884203 bytes), cpu int8, 1 threads, beam 5, live speech"


async def offers_of(folder: Path, **rates: float) -> dict[str, Offer]:
    settings = Settings(_env_file=None, models_dir=folder / "models", data_dir=folder)
    costs = {MEASURED.replace("base", name): EngineCost(rate) for name, rate in rates.items()}
    CostFile(folder, describe_machine(CORES)).write(costs)
    stt = SttProviders(settings, Scheduler(CORES, lambda: 0.0), {})
    return {offer.name: offer for offer in await list_offers(settings, stt)}


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


async def test_what_was_measured_here_is_told(tmp_path: Path) -> None:
    base = (await offers_of(tmp_path, base=0.2))["base"]
    assert base.speed == Speed(rate=0.2, is_measured=True)
    assert base.speed.pace == "keeps_up"


async def test_the_others_are_estimated_by_size(tmp_path: Path) -> None:
    offers = await offers_of(tmp_path, base=0.2)
    small, large = offers["small"].speed, offers["large-v2"].speed
    assert small
    assert large
    assert small.rate == pytest.approx(0.2 * offers["small"].size_bytes / offers["base"].size_bytes)
    assert (small.is_measured, small.pace, large.pace) == (False, "lags", "too_slow")
    assert offers["smollm2"].speed is None


async def test_nothing_measured_is_nothing_said(tmp_path: Path) -> None:
    assert {offer.speed for offer in (await offers_of(tmp_path)).values()} == {None}


async def test_what_is_used_unasked_is_marked(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "models" / "tiny.en")
    write_checkpoint(tmp_path / "models" / "base")
    write_checkpoint(tmp_path / "models" / "whisper-samples")
    offers = await offers_of(tmp_path)
    assert [name for name, offer in offers.items() if offer.is_default] == ["base"]
    assert [name for name, offer in offers.items() if offer.is_here] == ["base", "tiny.en"]
    assert "whisper-samples" not in offers, "it knows its test sentences alone"
