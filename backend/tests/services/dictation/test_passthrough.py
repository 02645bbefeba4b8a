"""A dictation whose engine sees every chunk: its answers become events at once, and nothing else does."""

from typing import Any, Literal

import anyio
import pytest

from app.core.config import LimitSettings, Settings
from app.core.errors import SessionTooLong
from app.core.metrics import Observer
from app.services.dictation.events import EngineInfo, EventBuilder
from app.services.dictation.latency_meter import Meter, SessionTotals
from app.services.dictation.outbox import Outbox
from app.services.dictation.passthrough import PassthroughDictation

CHUNK = b"\0" * 3200


class Echo:
    """Answers each chunk with a partial, and every second chunk with a final too."""

    def __init__(self) -> None:
        self.chunks = 0
        self.closed = False

    def accept_chunk(self, pcm: bytes) -> list[tuple[Literal["partial", "final"], str]]:
        assert pcm == CHUNK
        self.chunks += 1
        answers: list[tuple[Literal["partial", "final"], str]] = [("partial", f"p{self.chunks}")]
        return answers if self.chunks % 2 else [*answers, ("final", f"f{self.chunks}")]

    async def aclose(self) -> None:
        self.closed = True


class Room:
    """A dictation with the engine `echo`, and what came of it."""

    def __init__(self, *requested: str, partials: bool = True, session_s: float = 60) -> None:
        self.engine = Echo()
        self.kept: list[str] = []
        self._outbox = Outbox(64, 64)
        self.totals = SessionTotals()
        meter = Meter(Observer(), "echo", self.totals)
        builder = EventBuilder(
            EngineInfo("echo", None, "en"),
            self._outbox.emit,
            meter,
            requested=frozenset(requested),
            words=False,
            keep=lambda event: self.kept.append(event["text"]),
        )
        settings = Settings(_env_file=None, limits=LimitSettings(session_s=session_s))
        self.dictation = PassthroughDictation(
            self.engine, builder, self._outbox, settings, meter, partials=partials
        )

    def events(self) -> list[dict[str, Any]]:
        return [dict(event) for event in self._outbox.events()]


async def test_answers_are_events_of_utterances_in_order() -> None:
    room, found = Room(), []
    for _ in range(3):
        await room.dictation.feed(CHUNK, 16_000)
        found += [
            (event["type"], event["text"], event["utterance_id"], event["revision"], event["start_ms"])
            for event in room.events()
        ]
    assert found == [
        ("partial", "p1", 1, 1, 0),
        ("partial", "p2", 1, 2, 0),
        ("final", "f2", 1, 3, 0),
        ("partial", "p3", 2, 1, 200),
    ]
    assert room.kept == ["f2"]
    assert room.totals.finals == 1


async def test_partials_may_be_switched_off() -> None:
    room = Room(partials=False)
    for _ in range(2):
        await room.dictation.feed(CHUNK, 16_000)
    assert [event["type"] for event in room.events()] == ["final"]


async def test_stop_closes_the_engine_and_adds_up() -> None:
    room = Room()
    async with anyio.create_task_group() as group:
        group.start_soon(room.dictation.run)
        for _ in range(5):
            await room.dictation.feed(CHUNK, 16_000)
        await room.dictation.flush("f")
        room.dictation.stop()
    flushed, stopped = room.events()[-2:]
    assert (flushed["type"], flushed["id"]) == ("flushed", "f")
    assert stopped["stats"] == {
        "audio_ms": 500,
        "speech_ms": 500,
        "utterances": 2,
        "finals": 2,
        "discarded": 0,
    }
    assert room.engine.closed
    assert room.dictation.done.is_set()


async def test_an_ack_says_that_nothing_waits() -> None:
    room = Room("ack")
    await room.dictation.feed(CHUNK, 8000)
    room.dictation.acknowledge(1)
    ack = room.events()[-1]
    assert (ack["received_ms"], ack["decoded_ms"], ack["backlog_ms"]) == (200, 200, 0)


async def test_a_session_has_an_end() -> None:
    room = Room(session_s=0.25)
    await room.dictation.feed(CHUNK, 16_000)
    await room.dictation.feed(CHUNK, 16_000)
    with pytest.raises(SessionTooLong):
        await room.dictation.feed(CHUNK, 16_000)
    with anyio.fail_after(30):
        await room.dictation.run()
    assert room.engine.closed
