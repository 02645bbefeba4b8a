"""The part `dictation` against a real server with scripted recordings: its figures and the rows behind them."""

import shutil
from pathlib import Path

import pytest

from app.bench.clips import find_clips
from app.bench.dictation import measure_dictation
from app.bench.speaker import SessionOptions
from app.bench.target import Target
from tests.conftest import SAMPLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One sentence and one recording of nothing."""
    for name in ("en_weather_madrid_48k", "silence_16k"):
        for suffix in ("wav", "txt"):
            shutil.copy(SAMPLES / f"{name}.{suffix}", tmp_path)
    return tmp_path


async def test_the_mock_is_scored_as_it_answers(server: str, folder: Path) -> None:
    """It hears nothing, so every word is wrong, and its finals in silence are phantoms."""
    part = await measure_dictation(
        Target(server), find_clips(folder), SessionOptions(provider="cloud_stub"), speakers=2, offline=False
    )
    found = {figure.key: figure.value for figure in part.figures}
    assert found["dictation.wer"] is not None
    assert found["dictation.wer"] >= 100
    assert found["dictation.phantoms"] is not None
    assert found["dictation.phantoms"] > 0
    assert found["dictation.failed"] == 0
    assert found["dictation.stable_violations"] == 0
    assert "dictation.cpu" not in found, "the process of the server is unknown"
    rows = {row["id"]: row for row in part.details["clips"]}
    assert rows["en_weather_madrid_48k"]["said"] == "What is the weather like in Madrid today?"
    assert rows["silence_16k"]["streaming"][0] == "(mock) transcripción final #1"


async def test_a_refused_dictation_counts_as_failed(server: str, folder: Path) -> None:
    part = await measure_dictation(
        Target(server), find_clips(folder), SessionOptions(provider="nobody"), offline=False
    )
    found = {figure.key: figure.value for figure in part.figures}
    assert found["dictation.failed"] == 2
    assert {row["failure"] for row in part.details["clips"]} == {"unknown_provider"}
