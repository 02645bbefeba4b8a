"""Requests that mean ill: heads without an end, bodies that never come, fields that nest; none is held for long."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from app.core.config import LlmSettings
from tests.fakes.engine import FakeEngine
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import wait_until

pytestmark = pytest.mark.once

REQUEST_S = 0.5
HELLO = b'{"model":"echo","messages":[{"role":"user","content":"hello"}]}'


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    limits = {"request_s": REQUEST_S, "header_bytes": 8192}
    with serve_engine(FakeEngine(), limits=limits, llm=LlmSettings(discover=False)) as served:
        yield served


@pytest.fixture
async def http(served: RunningServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False, timeout=20) as client:
        yield client


async def told(served: RunningServer, *pieces: bytes, every_s: float = 0.0) -> bytes:
    """What the server says, until it closes, to whom sends these pieces at this pace and keeps the connection open."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def send() -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    sending = asyncio.create_task(send())
    try:
        return await asyncio.wait_for(reader.read(), 15)
    except ConnectionError:
        return b""
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()


def head(path: str, length: int, kind: str = "application/json") -> bytes:
    lines = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )
    return lines.encode()


LONG = {
    "one header": b"X: " + b"x" * 9000 + b"\r\n\r\n",
    "many headers": b"".join(b"X-%d: xxxxxxxx\r\n" % number for number in range(1000)) + b"\r\n",
    "no end": b"X: " + b"x" * 100_000,
}


@pytest.mark.parametrize("rest", LONG.values(), ids=LONG)
async def test_a_head_that_is_too_long_is_refused(served: RunningServer, rest: bytes) -> None:
    answer = await told(served, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n" + rest)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"limits.header_bytes" in answer
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("start", [b"GET /health HTTP/1.1\r\nX: ", b"no request at all\r\n"])
async def test_a_refusal_reaches_a_client_that_still_sends(served: RunningServer, start: bytes) -> None:
    # 900 kB in pieces: a server that closes at once resets the connection before the client reads a word.
    answer = await told(served, start, *[b"x" * 30_000] * 30, every_s=0.005)
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_refused_client_that_never_stops_is_let_go_of(served: RunningServer) -> None:
    began_s = asyncio.get_running_loop().time()
    await told(served, b"GET /health HTTP/1.1\r\nX: ", *[b"x" * 60_000] * 1000, every_s=0.005)
    await wait_until(lambda: served.connections == 0)
    assert asyncio.get_running_loop().time() - began_s < 30


async def test_an_address_that_is_too_long_is_refused(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/health?" + "x" * 9000)).status_code == 431
    assert (await http.get("/health?" + "x" * 7000)).status_code == 200


async def test_a_head_in_small_pieces_is_counted_as_a_whole(served: RunningServer) -> None:
    pieces = [b"GET /health HTTP/1.1\r\n", *[b"X: " + b"x" * 1000 + b"\r\n"] * 12]
    assert (await told(served, *pieces, every_s=0.01)).startswith(b"HTTP/1.1 431 ")


async def test_trailers_do_not_become_headers(served: RunningServer) -> None:
    chunked = head("/llm/generate", 0).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked\r\nConnection: close"
    )
    answer = await told(served, chunked + b"0\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_who_never_ends_a_head_is_let_go_of(served: RunningServer) -> None:
    assert await told(served) == b""
    assert await told(served, *[b"G", b"E", b"T", b" ", b"/"] * 20, every_s=0.1) == b""
    await wait_until(lambda: served.connections == 0)


async def test_a_second_head_has_its_time_too(served: RunningServer) -> None:
    first = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = await told(served, first, b"GET /hea")
    assert answer.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/llm/generate", "/v1/audio/transcriptions"])
async def test_a_body_that_does_not_come_is_not_waited_for(served: RunningServer, path: str) -> None:
    answer = await told(served, head(path, 1000), HELLO)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["error"]["code"] == "idle_timeout"


async def test_an_upload_that_drips_is_not_waited_for(served: RunningServer) -> None:
    """A byte now and then would hold one of few places for as long as it likes."""
    form = head("/v1/audio/transcriptions", 1 << 20, "multipart/form-data; boundary=x")
    answer = await told(served, form, b"--x\r\n", *[b"x"] * 200, every_s=REQUEST_S / 5)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_slow_body_that_moves_on_is_waited_for(served: RunningServer) -> None:
    size = len(HELLO)
    pieces = [HELLO[at : at + 16] for at in range(0, size, 16)]
    lines = head("/v1/chat/completions", size).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert (await told(served, lines, *pieces, every_s=REQUEST_S / 10)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("length", ["-1", "99999999999999999999999", "1, 2", "٣", "0x10"])
async def test_a_length_that_lies_is_refused(served: RunningServer, length: str) -> None:
    lines = head("/v1/chat/completions", 0).replace(b"Length: 0", f"Length: {length}".encode())
    assert (await told(served, lines, HELLO)).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))


@pytest.mark.parametrize("levels", [100, 300, 900, 940, 960, 980, 2000, 1_000_000])
async def test_fields_that_nest_are_answered_or_refused(
    http: httpx2.AsyncClient, served: RunningServer, levels: int
) -> None:
    served.log.clear()
    deep = "[" * levels + "]" * levels
    body = HELLO.decode()[:-1] + f',"tools":[{{"a":{deep}}}],"response_format":{{"b":{deep}}}}}'
    response = await http.post(
        "/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (200, 400)
    assert not served.troubles
