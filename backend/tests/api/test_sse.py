"""A stream of events, driven as a server drives it: keep-alive, clients that leave or do not read."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from fastapi import HTTPException
from starlette.requests import Request

from app.api.sse import EventStream, cancel_on_disconnect, encode_event
from app.core.errors import NotFound


class FakeClient:
    """The far end of a response: what it got, and when it leaves or stops reading."""

    def __init__(self, *, reads: int = 1000) -> None:
        self.bodies: list[bytes] = []
        self.has_head = False
        self.gone = anyio.Event()
        self.heard = anyio.Event()
        self._reads = reads

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert not self.has_head
            self.has_head = True
        if message["type"] == "http.response.body":
            self.bodies.append(message["body"])
            self.heard.set()
            if len(self.bodies) > self._reads and message["body"]:
                await anyio.sleep_forever()


class FakeSource:
    """One event, then silence; tells when it is closed."""

    def __init__(self) -> None:
        self.closed = False

    async def events(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await anyio.sleep_forever()
        finally:
            self.closed = True


async def test_a_quiet_line_is_kept_open() -> None:
    client, source = FakeClient(), FakeSource()
    stream = EventStream(source.events(), slow_reader_s=5, keep_alive_s=0.05)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(stream, {"type": "http"}, client.receive, client.send)
            while len(client.bodies) < 4:
                client.heard = anyio.Event()
                await client.heard.wait()
            client.gone.set()
    assert client.bodies[:4] == [b"one", *[b": keep-alive\n\n"] * 3]
    assert source.closed


@pytest.mark.parametrize(("reads", "got"), [(0, [b"one"]), (1, [b"one", b": keep-alive\n\n"])])
async def test_a_client_that_does_not_read_is_let_go_of(reads: int, got: list[bytes]) -> None:
    client, source = FakeClient(reads=reads), FakeSource()
    stream = EventStream(source.events(), slow_reader_s=0.2, keep_alive_s=0.1)
    with anyio.fail_after(30):
        await stream({"type": "http"}, client.receive, client.send)
    assert source.closed
    assert client.bodies == [*got, b""]


async def test_a_client_that_leaves_in_a_wait_closes_the_source_at_once() -> None:
    client, source = FakeClient(), FakeSource()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(
                EventStream(source.events(), slow_reader_s=5), {"type": "http"}, client.receive, client.send
            )
            await client.heard.wait()
            client.gone.set()
    assert source.closed


async def test_a_source_that_never_waits_does_not_hide_that_its_client_has_left() -> None:
    async def hasty() -> AsyncGenerator[bytes, None]:
        for _ in range(10_000):
            yield b"word"

    client = FakeClient(reads=20_000)
    client.gone.set()
    await EventStream(hasty(), slow_reader_s=5)({"type": "http"}, client.receive, client.send)
    assert len(client.bodies) < 1000


class FailingSource:
    """Fails once its client has got something, or at once."""

    def __init__(self, waits_for: anyio.Event | None = None) -> None:
        self._waits_for = waits_for

    async def events(self) -> AsyncGenerator[bytes, None]:
        if self._waits_for is not None:
            await self._waits_for.wait()
        raise NotFound("nothing here")
        yield b"never"


def late_stream(source: FailingSource | FakeSource, said: list[bytes]) -> EventStream:
    """A stream that begins with its first event; `said` is what can be told while the source is quiet."""
    return EventStream(
        source.events(),
        slow_reader_s=5,
        while_quiet=lambda: said.pop(0) if said else None,
        check_s=0.01,
        encode_failure=lambda error: error.code.encode(),
    )


async def test_a_failure_before_the_first_event_is_raised() -> None:
    client = FakeClient()
    with pytest.raises(NotFound):
        await late_stream(FailingSource(), [])({"type": "http"}, client.receive, client.send)
    assert (client.has_head, client.bodies) == (False, [])


async def test_a_quiet_source_may_be_spoken_for_and_then_fails_as_an_event() -> None:
    client = FakeClient()
    with anyio.fail_after(30):
        stream = late_stream(FailingSource(client.heard), [b"wait"])
        await stream({"type": "http"}, client.receive, client.send)
    assert (client.has_head, client.bodies) == (True, [b"wait", b"not_found", b""])


async def test_a_client_that_leaves_before_the_first_event_is_sent_nothing() -> None:
    client = FakeClient()
    client.gone.set()
    source = FailingSource(anyio.Event())
    with anyio.fail_after(30), pytest.raises(HTTPException):
        await late_stream(source, [])({"type": "http"}, client.receive, client.send)
    assert (client.has_head, client.bodies) == (False, [])


async def test_work_gives_its_result_or_its_error_while_the_client_is_there() -> None:
    async def good() -> int:
        return 7

    async def bad() -> int:
        raise NotFound("nothing here")

    request = Request({"type": "http"}, FakeClient().receive)
    assert await cancel_on_disconnect(request, good()) == 7
    with pytest.raises(NotFound):
        await cancel_on_disconnect(request, bad())


def test_an_event_has_a_name_and_may_have_an_id() -> None:
    assert encode_event("done", {"n": 1}) == b'event: done\ndata: {"n":1}\n\n'
    assert encode_event("done", {}, event_id="3.0.end") == b"id: 3.0.end\nevent: done\ndata: {}\n\n"


def test_an_id_of_a_database_is_written_as_text() -> None:
    class OtherId:
        def __str__(self) -> str:
            return "0197"

    assert encode_event("start", {"id": OtherId()}) == b'event: start\ndata: {"id":"0197"}\n\n'
