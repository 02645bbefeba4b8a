"""Weights that come and go while a server runs: what is there is used from the next dictation or prompt on."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from app.core.config import Settings
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.server import RunningServer, run_server
from tests.support.speech_client import (
    SpeechClient,
    connect_speech_client,
    list_texts,
    load_speech,
    make_silence,
)
from tests.support.tiny_llama import SENTENCE, write_tiny_llama

pytestmark = pytest.mark.once

SPOKEN = "What is the weather like in Madrid today?"
PATIENCE_S = 20.0


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, and an empty cache of the model hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def server(models: Path) -> Iterator[RunningServer]:
    settings = Settings(
        _env_file=None, models_dir=models, llm={"discover": False, "llama_local": {"threads": 1}}
    )
    with run_server(settings) as running:
        yield running


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE_S) as client:
        yield client


def copy_checkpoint(target: Path) -> None:
    """Put a checkpoint that knows the samples into place as downloads do: by a rename."""
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    part = target.with_name(f".{target.name}.part")
    shutil.copytree(SAMPLES_CHECKPOINT, part)
    part.rename(target)


def copy_into_cache(cache: Path) -> None:
    """The same as the model hub's library leaves it in its cache."""
    repository = cache / "models--Systran--faster-whisper-base"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    copy_checkpoint(repository / "snapshots" / "abc")


async def read_items(http: httpx2.AsyncClient, kind: str) -> dict[str, Any]:
    items = (await http.get(f"/providers/{kind}")).json()["items"]
    return {item["name"]: item for item in items}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until something holds."""
    with anyio.fail_after(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  # the server has no event for it
            await anyio.sleep(0.05)


async def dictate(client: SpeechClient) -> str:
    """Say the sentence and stop; the text of its finals."""
    spoken = load_speech().tobytes() + make_silence(1.5).tobytes()
    first = len(client.events)
    await client.audio(spoken)
    await client.stop()
    return " ".join(list_texts(client.events[first:]))


@pytest.mark.parametrize("place", ["models", "cache"])
async def test_the_next_dictation_uses_a_checkpoint_that_arrived(
    server: RunningServer, http: httpx2.AsyncClient, models: Path, place: str
) -> None:
    before = await read_items(http, "stt")
    assert (before["whisper_local"]["status"], before["pocketsphinx"]["default"]) == ("no_model", True)
    async with connect_speech_client(server.url) as early:
        assert (await early.start())["provider"] == "pocketsphinx"
        if place == "models":
            copy_checkpoint(models / "base")
        else:
            copy_into_cache(models.parent / "cache")
        async with connect_speech_client(server.url) as next_one:
            ready = await next_one.start()
            assert (ready["provider"], ready["model"]) == ("whisper_local", "base")
            assert await dictate(next_one) == SPOKEN
        after = (await read_items(http, "stt"))["whisper_local"]
        assert (after["status"], after["default"], after["models"]) == ("ready", True, ["base"])
        assert await dictate(early), "a dictation keeps the engine that it began with"


async def test_a_checkpoint_that_arrives_is_loaded_before_somebody_speaks(
    server: RunningServer, http: httpx2.AsyncClient, models: Path
) -> None:
    async def is_ready() -> bool:
        return (await http.get("/health/ready")).status_code == 200

    async def is_loaded() -> bool:
        return any("speech engine is now whisper_local base" in line for line in server.log)

    await until(is_ready)
    copy_checkpoint(models / "base")
    await until(is_loaded)


async def test_a_checkpoint_can_be_removed_while_it_is_used(
    server: RunningServer, http: httpx2.AsyncClient, models: Path
) -> None:
    copy_checkpoint(models / "base")
    async with connect_speech_client(server.url) as early:
        assert (await early.start())["provider"] == "whisper_local"
        shutil.rmtree(models / "base")
        assert (await read_items(http, "stt"))["whisper_local"]["status"] == "no_model"
        async with connect_speech_client(server.url) as next_one:
            assert (await next_one.start())["provider"] == "pocketsphinx"
        assert await dictate(early) == SPOKEN


async def test_half_a_checkpoint_is_none(
    server: RunningServer, http: httpx2.AsyncClient, models: Path
) -> None:
    copy_checkpoint(models / "base")
    (models / "base").rename(models / ".base.part")
    (models / "small").mkdir()
    shutil.copy(models / ".base.part" / "model.bin", models / "small")
    assert (await read_items(http, "stt"))["whisper_local"]["models"] == []


async def test_a_recording_can_name_a_checkpoint_that_arrived(
    server: RunningServer, http: httpx2.AsyncClient, models: Path
) -> None:
    copy_checkpoint(models / "tiny")
    recording = SAMPLES_CHECKPOINT.parents[1] / "samples" / "en_weather_madrid_48k.wav"
    answer = await http.post(
        "/v1/audio/transcriptions", data={"model": "tiny"}, files={"file": recording.read_bytes()}
    )
    assert answer.json()["text"].strip() == SPOKEN


async def test_a_language_model_that_arrives_answers(http: httpx2.AsyncClient, models: Path) -> None:
    body = {"messages": [{"role": "user", "content": "Say hello"}], "config": {"temperature": 0}}
    assert (await http.post("/llm/generate", json=body)).json()["provider"] == "echo"
    assert "llama_local/tiny" not in (await http.get("/api/models")).json()
    write_tiny_llama(models / ".tiny.gguf").rename(models / "tiny.gguf")
    answer = (await http.post("/llm/generate", json=body)).json()
    assert (answer["provider"], answer["text"]) == ("llama_local", SENTENCE)
    llama = (await read_items(http, "llm"))["llama_local"]
    assert (llama["status"], llama["default"]) == ("ready", True)

    async def is_listed() -> bool:
        return "llama_local/tiny" in (await http.get("/api/models")).json()

    await until(is_listed)
    (models / "tiny.gguf").unlink()
    assert (await http.post("/llm/generate", json=body)).json()["provider"] == "echo"
