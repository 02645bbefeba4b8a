"""Recordings that take long: white space until the answer is there; failures, and clients that leave."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import anyio
import httpx2
import numpy as np
import openai
import orjson
import pytest

from app.api import slow_answer
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.recordings import encode
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import make_sentence, wait_until

PATH = "/v1/audio/transcriptions"
RECORDING = encode(np.frombuffer(make_sentence(2.0), np.int16), 16_000, "wav", out_hz=16_000)
FORMATS = ["json", "verbose_json", "text", "srt", "vtt"]
PIECES = 3
"""White space that a client waits for."""


@dataclass
class SlowServer:
    """A server whose engine waits at its final."""

    served: RunningServer
    engine: FakeEngine
    gate: Gate

    @property
    def url(self) -> str:
        return self.served.url


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowServer]:
    monkeypatch.setattr(slow_answer, "QUIET_S", 0.05)
    gate = Gate()
    engine = FakeEngine(Script(final=lambda _: "one two", gates={"finish": gate}))
    with serve_engine(engine) as served:
        yield SlowServer(served, engine, gate)
        gate.open()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


def body_of(form: str) -> dict[str, Any]:
    return {"data": {"model": "fake", "response_format": form}, "files": {"file": ("a.wav", RECORDING)}}


@pytest.mark.parametrize("form", FORMATS)
async def test_white_space_comes_until_the_answer_does(
    slow: SlowServer, http: httpx2.AsyncClient, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b""
    async with http.stream("POST", slow.url + PATH, **body_of(form)) as answer:
        assert answer.status_code == 200
        pieces = answer.aiter_raw()
        for _ in range(PIECES):
            body += await anext(pieces)
        assert body.strip() == (b"WEBVTT" if form == "vtt" else b"")
        slow.gate.open()
        async for piece in pieces:
            body += piece
    monkeypatch.setattr(slow_answer, "QUIET_S", 30)
    at_once = await http.post(slow.url + PATH, **body_of(form))
    assert at_once.headers["content-type"] == answer.headers["content-type"]
    assert int(at_once.headers["content-length"]) == len(at_once.content), "a fast answer has a length"
    assert body.split() == at_once.content.split()
    assert body != at_once.content
    if form == "json":
        assert orjson.loads(body) == at_once.json()
        assert at_once.json()["text"] == "one two"
    if form == "vtt":
        assert body.startswith(b"WEBVTT\n\n")


@pytest.mark.parametrize("form", FORMATS)
async def test_the_sdk_reads_an_answer_behind_white_space(
    slow: SlowServer, http: httpx2.AsyncClient, form: str
) -> None:
    told: list[Any] = []
    async with openai.AsyncOpenAI(base_url=f"{slow.url}/v1", api_key="any", max_retries=0) as sdk:

        async def ask() -> None:
            answer = await sdk.audio.transcriptions.with_raw_response.create(
                model="fake", file=("a.wav", RECORDING), response_format=cast("Any", form)
            )
            assert answer.text.startswith("WEBVTT\n\n\n" if form == "vtt" else (" ", "\n"))
            told.append(answer.parse())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await wait_until(slow.gate.reached.is_set)
            # A second client, which waits behind the first one, sees when white space has been sent.
            async with http.stream("POST", slow.url + PATH, **body_of("json")) as answer:
                pieces = answer.aiter_raw()
                for _ in range(PIECES):
                    await anext(pieces)
                slow.gate.open()
    [parsed] = told
    assert "one two" in (parsed if isinstance(parsed, str) else parsed.text)


@pytest.mark.parametrize("form", FORMATS)
async def test_a_failure_behind_white_space_breaks_off(
    slow: SlowServer, http: httpx2.AsyncClient, form: str
) -> None:
    """The error is in the body, and no client takes the body for whole."""
    slow.engine.script.failures["finish"] = RuntimeError("secret words")
    body = b""

    async def read() -> None:
        nonlocal body
        async with http.stream("POST", slow.url + PATH, **body_of(form)) as answer:
            async for piece in answer.aiter_raw():
                body += piece
                slow.gate.open()

    with pytest.raises(httpx2.RemoteProtocolError):
        await read()
    error = orjson.loads(body.removeprefix(b"WEBVTT"))["error"]
    assert error["code"] == "engine_failed"
    assert "secret" not in body.decode() + "\n".join(slow.served.log)
    await wait_until(lambda: slow.served.resources.transcriptions.open_jobs == 0)
    assert slow.engine.all_closed


async def test_the_sdk_raises_where_an_answer_breaks_off(slow: SlowServer, http: httpx2.AsyncClient) -> None:
    slow.engine.script.failures["finish"] = RuntimeError("secret words")
    async with openai.AsyncOpenAI(base_url=f"{slow.url}/v1", api_key="any", max_retries=0) as sdk:

        async def release() -> None:
            await wait_until(slow.gate.reached.is_set)
            # A second client, which waits behind the first one, sees when white space has been sent.
            async with http.stream("POST", slow.url + PATH, **body_of("json")) as answer:
                pieces = answer.aiter_raw()
                for _ in range(PIECES):
                    await anext(pieces)
                slow.gate.open()

        async with anyio.create_task_group() as group:
            group.start_soon(release)
            with pytest.raises(openai.APIConnectionError):
                await sdk.audio.transcriptions.create(model="fake", file=("a.wav", RECORDING))


async def test_a_client_that_leaves_white_space_ends_the_work(
    slow: SlowServer, http: httpx2.AsyncClient
) -> None:
    async with http.stream("POST", slow.url + PATH, **body_of("json")) as answer:
        await anext(answer.aiter_raw())
    slow.gate.open()
    await wait_until(lambda: slow.served.resources.transcriptions.open_jobs == 0)
    assert slow.engine.all_closed
