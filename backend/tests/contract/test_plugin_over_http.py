"""A third-party package's engines on a real server: listed, dictated to, prompted like the built-in."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from app.core.config import Settings
from tests.conftest import SAMPLES, read_wav
from tests.fakes.plugin import install_plugin
from tests.support.server import run_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        install_plugin(tmp_path_factory.mktemp("plugin"), patch)
        with run_server(Settings(models_dir=Path("/nowhere"))) as server:
            yield server.url


async def test_it_is_listed_beside_the_built_in_ones(url: str) -> None:
    async with httpx2.AsyncClient(base_url=url) as client:
        stt = {item["name"]: item for item in (await client.get("/providers/stt")).json()["items"]}
        llm = {item["name"]: item for item in (await client.get("/providers/llm")).json()["items"]}
    assert (stt["sound_meter"]["status"], stt["sound_meter"]["models"]) == ("ready", ["meter"])
    assert stt["sound_meter"]["capabilities"]["streaming"]
    assert stt["cloud_stub"]["type"] == "mock"
    assert stt["does_not_import"]["status"] == "not_installed"
    assert (llm["parrot"]["status"], llm["parrot"]["type"]) == ("ready", "example")


async def test_a_dictation_can_ask_for_it(url: str) -> None:
    samples, rate_hz = read_wav(SAMPLES / "en_reverse_list_16k.wav")
    start = {"type": "start", "config": {"provider": "sound_meter", "sample_rate": rate_hz}}
    events = []
    async with connect(url.replace("http", "ws") + "/ws/stt") as socket:
        await socket.send(json.dumps(start))
        for at in range(0, len(samples), 1600):
            await socket.send(samples[at : at + 1600].tobytes())
        await socket.send('{"type":"stop"}')
        async for message in socket:
            events.append(json.loads(message))
            if events[-1]["type"] == "stopped":
                break
    finals = [event for event in events if event["type"] == "final"]
    assert [event["text"].partition("-")[2] for event in finals] == ["audible-samples"]
    assert {event["provider"] for event in finals} == {"sound_meter"}
    assert any(event["type"] == "partial" for event in events)


async def test_a_prompt_can_be_sent_to_it(url: str) -> None:
    body = {"messages": [{"role": "user", "content": "hola"}], "provider": "parrot"}
    async with httpx2.AsyncClient(base_url=url) as client:
        answer = await client.post("/llm/generate", json=body)
    assert answer.status_code == 200
    assert answer.json()["text"] == "hola! hola! "
