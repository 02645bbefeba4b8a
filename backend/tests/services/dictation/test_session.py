"""The session without I/O: messages go in, typed events come out; no socket, no server."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from app.core.errors import IdleTimeout, MessageTooBig, SlowReader
from app.core.security import LOCAL_USER_ID
from app.schemas.speech_socket import Auth, Resume, StartConfig
from app.services.dictation.outbox import Connection
from app.services.dictation.session import SpeechSession
from tests.fakes.engine import FakeEngine
from tests.services.dictation.test_sessions import application
from tests.support.speech_client import make_sentence

START = '{"type":"start","session_id":"s1","config":{"provider":"cloud_stub"}}'
RATE_HZ = 16_000


@dataclass
class Room:
    """A session with a connection that nobody serves: the test takes the events."""

    session: SpeechSession
    connection: Connection
    events: list[dict[str, Any]] = field(default_factory=list)

    async def receive(self, message: str | bytes | dict[str, Any]) -> Auth | Resume | None:
        text = json.dumps(message) if isinstance(message, dict) else message
        request = await self.session.receive(text)
        self.take()
        return request

    def take(self) -> list[dict[str, Any]]:
        new = [dict(event) for event in self.session.events()]
        self.events += new
        return new

    async def until(self, kind: str) -> dict[str, Any]:
        with anyio.fail_after(10):
            while not self.events or self.events[-1]["type"] != kind:
                await self.connection.wait_for_events()
                self.take()
        return self.events[-1]

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def room(engine: FakeEngine | None = None, **limits: Any) -> AsyncIterator[Room]:
    async with application(engine or FakeEngine(), **limits) as sessions:
        connection = Connection()
        session = sessions.open(connection, LOCAL_USER_ID)
        yield Room(session, connection)
        await sessions.leave(session, over=True)


def audio(pcm: bytes, **fields: Any) -> dict[str, Any]:
    data = base64.b64encode(pcm).decode()
    return {"type": "audio", "format": "pcm16", "sample_rate": RATE_HZ, "data": data, **fields}


async def test_text_and_binary_messages_are_one_stream_of_audio() -> None:
    chunk = b"\0" * 3200
    async with room() as it:
        await it.receive(START)
        await it.receive(audio(chunk, seq=1))
        await it.receive(chunk)
        await it.receive(audio(chunk, seq=3))
        await it.receive('{"type":"stop"}')
        stopped = await it.until("stopped")
    assert it.kinds == ["ready", "partial", "partial", "partial", "final", "stopped"]
    assert [event["seq"] for event in it.events] == [1, 2, 3, 4, 5, 6]
    assert {event["session_id"] for event in it.events} == {"s1"}
    assert stopped["stats"]["audio_ms"] == 300


async def test_a_sample_may_be_split_between_two_binary_frames() -> None:
    async with room() as it:
        await it.receive(START)
        for piece in (b"\0" * 1601, b"\0" * 1599):
            await it.receive(piece)
        await it.receive('{"type":"stop"}')
        assert (await it.until("stopped"))["stats"]["audio_ms"] == 100


async def test_an_engine_of_utterances_answers_from_its_own_task() -> None:
    async with room() as it:
        await it.receive({"type": "start", "config": {"provider": "fake", "endpointing": "command"}})
        await it.receive(make_sentence(1.5))
        await it.receive({"type": "flush", "id": "f"})
        await it.until("flushed")
    assert it.kinds == ["ready", "final", "flushed"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_message"),
        ('{"type":"nonsense"}', "unknown_type"),
        ('{"type":"flush"}', "not_started"),
        ('{"type":"stop"}', "not_started"),
        (b"\0\0", "not_started"),
        ('{"type":"audio","format":"wav"}', "not_started"),
    ],
)
async def test_a_mistake_is_answered_with_an_error_and_counted(message: str | bytes, code: str) -> None:
    async with room() as it:
        assert await it.receive(message) is None
        assert [(event["type"], event["code"], event["fatal"]) for event in it.events] == [
            ("error", code, False)
        ]
        assert it.session.totals.failures == 1


async def test_a_message_with_a_wrong_chunk_counts_as_an_audio_message() -> None:
    async with room() as it:
        await it.receive(START)
        await it.receive(audio(b"\0" * 3, seq=1))
        await it.receive(audio(b"\0" * 4, seq=3))
        await it.receive(audio(b"\0" * 4, seq=2))
    codes = [event["code"] for event in it.events if event["type"] == "error"]
    assert codes == ["odd_length", "audio_seq_mismatch"]


async def test_a_message_that_is_too_big_ends_the_socket() -> None:
    async with room(message_bytes=1024) as it:
        for message in (b"\0" * 1025, " " * 1025, "é" * 513):
            with pytest.raises(MessageTooBig):
                await it.session.receive(message)


async def test_what_concerns_the_socket_is_returned_to_the_door() -> None:
    async with room() as it:
        request = await it.receive({"type": "auth", "token": "t"})
        assert isinstance(request, Auth)
        assert request.token == "t"  # no password
        request = await it.receive({"type": "resume", "resume_token": "r", "last_event_seq": 3})
        assert isinstance(request, Resume)
        assert not it.events


async def test_a_ping_is_answered_without_a_dictation() -> None:
    async with room() as it:
        await it.receive({"type": "ping", "id": 7})
        assert it.events == [{"type": "pong", "id": 7, "session_id": None, "seq": 1}]


async def test_a_client_that_comes_back_gets_what_it_missed() -> None:
    async with room() as it:
        await it.receive(START)
        await it.receive(b"\0" * 3200)
        assert it.session.is_resumable
        it.session.detach()
        it.session.attach(again := Connection())
        it.session.replay(1)
        assert it.session.is_attached_to(again)
        missed = it.take()
    assert [(event["type"], event["seq"]) for event in missed] == [("resumed", 1), ("partial", 2)]
    assert missed[0]["next_audio_seq"] == 2


async def test_silence_counts_only_while_the_door_listens() -> None:
    async with room(idle_socket_s=0.02) as it:
        await anyio.sleep(0.03)
        it.session.tick(is_listening=False)
        it.session.tick(is_listening=True)
        await anyio.sleep(0.03)
        with pytest.raises(IdleTimeout):
            it.session.tick(is_listening=True)


async def test_a_client_that_does_not_read_is_given_up() -> None:
    async with room(slow_reader_s=0.01) as it:
        it.connection.sending_since = time.monotonic() - 1
        with pytest.raises(SlowReader):
            it.session.tick(is_listening=True)


async def test_an_ack_leaves_once_a_second_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.services.dictation import session

    monkeypatch.setattr(session, "ACK_EVERY_S", 0.0)
    for events in ([], ["ack"]):
        async with room() as it:
            await it.session.start(None, StartConfig.model_validate({"provider": "fake", "events": events}))
            await it.receive(b"\0" * 3200)
            it.session.tick(is_listening=True)
            it.take()
            assert it.kinds == ["ready", *events]


async def test_cancelling_frees_the_engine() -> None:
    engine = FakeEngine()
    async with room(engine) as it:
        await it.session.start(None, StartConfig(provider="fake"))
        await it.session.feed(make_sentence(0.5), RATE_HZ)
        await it.session.cancel()
        assert engine.all_closed
        assert not it.session.running
