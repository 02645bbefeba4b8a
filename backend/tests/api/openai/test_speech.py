"""`POST /v1/audio/speech` on a real server: formats, streaming, mistakes, a client that leaves."""

from collections.abc import AsyncIterator, Iterator
from threading import Event as Gate
from typing import Any

import httpx2
import pytest

from app.core.config import Settings
from app.providers.media.encoder import MEDIA_TYPES
from tests.fakes.voice import FakeVoice, with_voice
from tests.support.recordings import decode_recording
from tests.support.server import RunningServer, run_server
from tests.support.speech_client import wait_until

WORDS = "tell nobody about the purple submarine"


@pytest.fixture(scope="module")
def voice() -> FakeVoice:
    return FakeVoice()


@pytest.fixture(scope="module")
def served(voice: FakeVoice) -> Iterator[RunningServer]:
    limits: Any = {"speech_chars": 100, "speeches": 1}
    with run_server(Settings(_env_file=None, limits=limits), registrations=with_voice(voice)) as server:
        yield server


@pytest.fixture
async def http(served: RunningServer, voice: FakeVoice) -> AsyncIterator[httpx2.AsyncClient]:
    voice.requests.clear()
    voice.gate, voice.failure, voice.fails_at = None, None, 0
    async with httpx2.AsyncClient(base_url=served.url, timeout=60, trust_env=False) as made:
        yield made


async def ask(http: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await http.post(
        "/v1/audio/speech", json={"model": "tts-1", "voice": "alloy", "input": WORDS, **body}
    )


@pytest.mark.parametrize("form", MEDIA_TYPES)
async def test_every_format(http: httpx2.AsyncClient, form: Any) -> None:
    response = await ask(http, response_format=form)
    assert (response.status_code, response.headers["content-type"]) == (200, MEDIA_TYPES[form])
    if form != "pcm":
        heard = await decode_recording(response.content)
        assert len(heard) / 16_000 == pytest.approx(len(WORDS) / 10, abs=0.2)


async def test_mp3_where_no_format_is_named(http: httpx2.AsyncClient, voice: FakeVoice) -> None:
    response = await http.post(
        "/v1/audio/speech", json={"input": "¿Qué tal?", "speed": 2, "instructions": "calm"}
    )
    assert response.headers["content-type"] == "audio/mpeg"
    assert (voice.requests[0].voice, voice.requests[0].speed) == ("es", 2)


async def test_a_voice_as_an_object(http: httpx2.AsyncClient, voice: FakeVoice) -> None:
    assert (await ask(http, voice={"id": "es-419"})).status_code == 200
    assert voice.requests[0].voice == "es-419"


async def test_the_first_bytes_come_before_the_last_words(http: httpx2.AsyncClient, voice: FakeVoice) -> None:
    voice.gate = Gate()
    async with http.stream(
        "POST", "/v1/audio/speech", json={"input": WORDS, "response_format": "wav"}
    ) as response:
        pieces = response.aiter_raw()
        assert (await anext(pieces)).startswith(b"RIFF")
        voice.gate.set()
        assert len(b"".join([piece async for piece in pieces])) > 10_000


async def test_a_client_that_leaves_stops_the_engine(http: httpx2.AsyncClient, voice: FakeVoice) -> None:
    voice.gate = Gate()
    async with http.stream(
        "POST", "/v1/audio/speech", json={"input": WORDS, "response_format": "wav"}
    ) as response:
        pieces = response.aiter_raw()  # held: the answer is closed with its iterator
        await anext(pieces)
        full = await ask(http)
        assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    await wait_until(lambda: voice.opened == voice.closed)
    voice.gate = None
    assert (await ask(http)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": "x" * 101}, 400, "input"),
        ({"input": None}, 400, "input"),
        ({"voice": "Caruso"}, 400, "voice"),
        ({"model": "whisper-1"}, 404, "model"),
        ({"response_format": "wma"}, 400, "response_format"),
        ({"speed": 5}, 400, "speed"),
        ({"stream_format": "sse"}, 400, "stream_format"),
    ],
)
async def test_what_cannot_be_spoken(
    http: httpx2.AsyncClient, body: dict[str, Any], status: int, param: str
) -> None:
    response = await ask(http, **body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
    assert WORDS not in response.text


async def test_a_failure_before_the_first_bytes_has_a_status(
    http: httpx2.AsyncClient, voice: FakeVoice
) -> None:
    voice.failure = RuntimeError(WORDS)
    response = await ask(http)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "engine_failed")
    assert WORDS not in response.text


async def test_a_failure_behind_them_is_no_whole_answer(http: httpx2.AsyncClient, voice: FakeVoice) -> None:
    voice.failure, voice.fails_at = RuntimeError(WORDS), 5
    with pytest.raises(httpx2.RemoteProtocolError):
        await ask(http, response_format="wav")
    assert voice.opened == voice.closed


async def test_no_word_reaches_the_log(served: RunningServer, http: httpx2.AsyncClient) -> None:
    await ask(http)
    assert not [line for line in served.log if "submarine" in line]


async def test_the_voices(http: httpx2.AsyncClient) -> None:
    listed = (await http.get("/v1/audio/voices")).json()["voices"]
    assert listed[1] == {"id": "es", "name": "Spanish (Spain)", "languages": ["es"]}
