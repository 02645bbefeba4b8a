"""Whole recordings decoded by an engine of this process: cut without loss, and clear errors."""

import numpy as np
import pytest

from app.bench import offline
from app.bench.clips import RATE_HZ
from app.bench.figures import BenchError
from app.bench.offline import MAX_PIECE_S, offline_engine, split_recording
from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.providers.registry import Registration
from tests.fakes.engine import FakeEngine


@pytest.mark.parametrize("seconds", [1, 28, 29, 61.5])
def test_long_recordings_are_cut_without_loss(seconds: float) -> None:
    samples = np.random.default_rng(1).integers(-900, 900, int(seconds * RATE_HZ)).astype(np.int16)
    cut = split_recording(samples)
    assert np.array_equal(np.concatenate(cut), samples)
    assert all(0 < len(piece) <= MAX_PIECE_S * RATE_HZ for piece in cut)


def test_a_cut_falls_into_silence() -> None:
    samples = np.full(40 * RATE_HZ, 900, np.int16)
    samples[20 * RATE_HZ : 21 * RATE_HZ] = 0
    assert 20 <= len(split_recording(samples)[0]) / RATE_HZ <= 21


class Unready(FakeEngine):
    """Never starts."""

    async def start(self) -> None:
        raise ProviderNotReady("no checkpoint; fetch one")


def register(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
    table = {"fake": Registration("fake", lambda: lambda _: engine, "tests")}
    monkeypatch.setattr(offline, "list_stt_registrations", lambda: table)


async def test_an_engine_that_hears_audio_as_it_comes_has_an_offline_decode_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = FakeEngine()
    register(monkeypatch, engine)
    async with offline_engine("fake", Settings(_env_file=None)) as started:
        found = await started.decode(np.ones(40 * 16_000, np.int16), lang="en")
    assert found.text
    (session,) = engine.sessions
    assert session.closed
    assert sum(len(stream.audio) // 2 for stream in session.streams) == 40 * 16_000
    assert len(session.streams) == 2


@pytest.mark.parametrize(
    ("name", "engine", "message"),
    [("nobody", FakeEngine(), "no speech provider 'nobody'"), ("fake", Unready(), "fetch one")],
)
async def test_what_cannot_be_measured_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, engine: FakeEngine, message: str
) -> None:
    register(monkeypatch, engine)
    with pytest.raises(BenchError, match=message):
        async with offline_engine(name, Settings(_env_file=None)):
            pass
