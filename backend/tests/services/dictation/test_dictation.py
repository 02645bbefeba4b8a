"""A dictation with an engine of utterances: audio in, events out, and when it waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from app.core.config import LimitSettings, Settings
from app.core.errors import SessionTooLong
from app.core.metrics import Observer
from app.providers.base import SttConfig
from app.schemas.speech_socket import OPTIONAL_EVENTS
from app.services.decoding.utterance import OpenEngine
from app.services.dictation.dictation import SegmentedDictation
from app.services.dictation.events import EngineInfo, EventBuilder
from app.services.dictation.latency_meter import Meter, SessionTotals
from app.services.dictation.outbox import Connection, Outbox
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.speech_client import make_sentence

RATE_HZ = 16_000
SENTENCE_MS = len(make_sentence(0.0)) // 32


class Room:
    """A dictation that runs, and its events."""

    def __init__(self, dictation: SegmentedDictation, outbox: Outbox) -> None:
        self.dictation = dictation
        self._outbox = outbox
        self._connection = Connection()
        outbox.attach(self._connection)
        self.events: list[dict[str, Any]] = []

    async def until(self, kind: str) -> dict[str, Any]:
        with anyio.fail_after(10):
            while kind not in self.kinds:
                await self._connection.wait_for_events()
                self.take()
        return next(event for event in reversed(self.events) if event["type"] == kind)

    def take(self) -> list[dict[str, Any]]:
        new = [dict(event) for event in self._outbox.events()]
        self.events += new
        return new

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def room(
    engine: FakeEngine,
    *,
    silence_ms: int | None = 350,
    requested: frozenset[str] = frozenset(),
    **limits: Any,
) -> AsyncIterator[Room]:
    config = SttConfig(lang="en", partials=False)
    opened = OpenEngine(provider=engine, session=await engine.open_session(config), config=config)
    outbox = Outbox(64, 64)
    meter = Meter(Observer(), "fake", SessionTotals())
    builder = EventBuilder(
        EngineInfo("fake", "small", "en"),
        outbox.emit,
        meter,
        requested=requested,
        words=False,
        keep=lambda _: None,
    )
    settings = Settings(_env_file=None, limits=LimitSettings(**limits))
    dictation = SegmentedDictation(opened, builder, outbox, settings, meter, silence_ms=silence_ms)
    async with anyio.create_task_group() as group:
        group.start_soon(dictation.run)
        yield Room(dictation, outbox)
        if not dictation.done.is_set():
            dictation.stop()
    assert engine.all_closed


async def test_silence_ends_an_utterance_and_stop_adds_up() -> None:
    async with room(FakeEngine(), requested=frozenset({"speech_started", "speech_stopped"})) as it:
        await it.dictation.feed(make_sentence(1.0), RATE_HZ)
        await it.until("final")
        it.dictation.stop()
        stopped = await it.until("stopped")
    assert it.kinds == ["speech_started", "speech_stopped", "final", "stopped"]
    assert stopped["stats"]["utterances"] == stopped["stats"]["finals"] == 1
    assert stopped["stats"]["audio_ms"] == SENTENCE_MS + 1000


async def test_flush_ends_an_utterance_that_silence_would_not() -> None:
    async with room(FakeEngine(), silence_ms=None) as it:
        await it.dictation.feed(make_sentence(2.0), RATE_HZ)
        assert it.dictation.is_speaking
        await it.dictation.flush("f")
        await it.until("flushed")
        assert it.kinds == ["final", "flushed"]
        assert not it.dictation.is_speaking


async def test_an_ack_tells_what_the_engine_has_not_heard() -> None:
    gate = Gate()
    async with room(FakeEngine(Script(gates={"accept": gate})), requested=OPTIONAL_EVENTS) as it:
        await it.dictation.feed(make_sentence(0.0), RATE_HZ)
        with anyio.fail_after(10):
            await anyio.to_thread.run_sync(gate.reached.wait)
        it.dictation.acknowledge(1)
        it.take()
        ack = it.events[-1]
        assert ack["received_ms"] == SENTENCE_MS
        assert 0 < ack["backlog_ms"] == ack["received_ms"] - ack["decoded_ms"]
        gate.open()


async def test_feeding_waits_while_too_much_is_undecoded() -> None:
    gate, fed = Gate(), anyio.Event()
    async with room(FakeEngine(Script(gates={"accept": gate})), silence_ms=None, backlog_s=0.5) as it:

        async def feed() -> None:
            await it.dictation.feed(make_sentence(0.0), RATE_HZ)
            fed.set()

        async with anyio.create_task_group() as group:
            group.start_soon(feed)
            await anyio.to_thread.run_sync(gate.reached.wait)
            await anyio.wait_all_tasks_blocked()
            assert not fed.is_set()
            gate.open()
        assert fed.is_set()


async def test_a_session_that_is_too_long_is_finalised() -> None:
    async with room(FakeEngine(), session_s=1.0) as it:
        with pytest.raises(SessionTooLong):
            await it.dictation.feed(make_sentence(0.0), RATE_HZ)
        await it.until("stopped")
    assert it.kinds == ["final", "stopped"]


async def test_a_client_that_asked_for_status_is_told_once_what_is_wrong_with_its_audio() -> None:
    muted = bytes(2 * RATE_HZ)
    async with room(FakeEngine(), requested=frozenset({"status"})) as it:
        for _ in range(8):
            await it.dictation.feed(muted, RATE_HZ)
        it.dictation.stop()
        await it.until("stopped")
    assert [event["hint"]["code"] for event in it.events if event["type"] == "status"] == ["no_signal"]
