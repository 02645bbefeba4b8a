"""Accuracy of an engine on recordings: windows compared, loops counted, long recordings in pieces."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from app.bench import offline
from app.bench.accuracy import measure_accuracy
from app.bench.clips import find_clips
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
    part = await measure_accuracy(find_clips(folder), provider="fake", model=None, windows=["short", "full"])
    found = {figure.key: figure.value for figure in part.figures}
    assert found["accuracy.full_wer"] == 0
    assert found["accuracy.short_wer"] == 100 * 6 / 8
    assert (found["accuracy.short_loops"], found["accuracy.full_loops"]) == (1, 0)
    assert (found["accuracy.short_decode_p50"], found["accuracy.full_decode_p50"]) == (8, 80)
    assert found["accuracy.equal"] == 0
