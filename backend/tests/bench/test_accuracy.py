"""Accuracy of an engine on recordings: windows compared, loops counted, long recordings in pieces."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.bench import offline
from app.bench.accuracy import accuracy
from app.bench.clips import find_clips
from app.bench.figures import BenchError
from app.bench.offline import offline_engine
from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.providers.base import SttConfig, WindowRequest, WindowResult
from app.providers.registry import Registration
from tests.conftest import SAMPLES
from tests.fakes.engine import FakeEngine

SAID = "What is the weather like in Madrid today?"


class FakeWindows(FakeEngine):
    """Right with the full window; the short one goes round in circles."""

    async def open_session(self, config: SttConfig) -> Any:
        return FakeWindowSession()


class FakeWindowSession:
    """Counts what it is given."""

    model = "fake"

    async def decode(self, request: WindowRequest) -> WindowResult:
        assert request.final
        assert 0 < len(request.samples) == request.speech_samples
        if request.window == "full":
            return WindowResult(SAID, decode_ms=80)
        return WindowResult("what is what is what is", doubtful="repetition", decode_ms=8)

    async def aclose(self) -> None:
        """Nothing to free."""


class Unready(FakeEngine):
    """Never starts."""

    async def start(self) -> None:
        raise ProviderNotReady("no checkpoint; fetch one")


def register(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
    table = {"fake": Registration("fake", lambda: lambda _: engine, "tests")}
    monkeypatch.setattr(offline, "list_stt_registrations", lambda: table)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for suffix in ("wav", "txt"):
        shutil.copy(SAMPLES / f"en_weather_madrid_48k.{suffix}", tmp_path)
    return tmp_path


async def test_windows_are_compared(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    register(monkeypatch, FakeWindows())
    part = await accuracy(find_clips(folder), provider="fake", model=None, windows=["short", "full"])
    found = {figure.key: figure.value for figure in part.figures}
    assert found["accuracy.full_wer"] == 0
    assert found["accuracy.short_wer"] == 100 * 6 / 8
    assert (found["accuracy.short_loops"], found["accuracy.full_loops"]) == (1, 0)
    assert (found["accuracy.short_decode_p50"], found["accuracy.full_decode_p50"]) == (8, 80)
    assert found["accuracy.equal"] == 0


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
