"""Home Assistant's order of events on real weights: a command that ends by itself, in both languages."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart
from wyoming.client import AsyncTcpClient

from app.core.config import LlmSettings, Settings
from tests.conftest import SAMPLES, read_wav
from tests.real.recall import Clip, Heard, assert_understood
from tests.support.server import run_server

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

COMMANDS = {
    "en_weather_madrid_48k": ("en", "What is the weather like in Madrid today?"),
    "es_traduce_texto_48k": ("es", "Traduce este texto al inglés, por favor."),
}
CHUNK_S = 0.03
"""As a satellite sends."""


@pytest.fixture(scope="module")
def port(whisper_base: Path) -> Iterator[int]:
    settings = Settings(
        _env_file=None,
        stt={"whisper_local": {"model": str(whisper_base)}},
        llm=LlmSettings(discover=False),
        wyoming={"uri": "tcp://127.0.0.1:0"},
        scheduler={"admit_load": 0},
    )
    with run_server(settings) as server:
        yield server.resources.wyoming.port


async def send(client: AsyncTcpClient, pcm: bytes, form: dict[str, Any]) -> None:
    """A microphone that never ends: speech, then silence."""
    step = int(CHUNK_S * form["rate"]) * 2
    at = 0
    while True:
        piece = pcm[at : at + step].ljust(step, b"\0")
        await client.write_event(AudioChunk(**form, audio=piece).event())
        await asyncio.sleep(CHUNK_S)
        at += step


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_ends_by_itself_and_is_understood(port: int, name: str) -> None:
    lang, said = COMMANDS[name]
    samples, rate_hz = read_wav(SAMPLES / f"{name}.wav")
    form: dict[str, Any] = {"rate": rate_hz, "width": 2, "channels": 1}
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language=lang).event())
        await client.write_event(AudioStart(**form).event())
        upload = asyncio.create_task(send(client, samples.tobytes(), form))
        async with asyncio.timeout(60):
            while (event := await client.read_event()) is not None and not Transcript.is_type(event.type):
                pass
        upload.cancel()
    assert event is not None
    clip = Clip(name, lang, SAMPLES / f"{name}.wav", said)
    assert_understood([Heard(clip, Transcript.from_event(event).text)], kept=0.8, invented=0.3)
