"""Sessions whose connections break anywhere: a scripted client, a thousand cuts, no network, no waiting."""

import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from app.api.deps import Resources
from app.core.errors import ResumeRefused
from app.core.security import LOCAL_USER_ID
from app.schemas.speech_socket import StartConfig
from app.services.dictation.events import encode_event
from app.services.dictation.outbox import ClientGone, Connection
from app.services.dictation.session import SpeechSession
from app.services.dictation.sessions import SessionManager
from tests.fakes.engine import FakeEngine, Script, guess_words
from tests.support.server import fake_settings, with_engine
from tests.support.speech_client import make_sentence

CUTS = 1000
RATE_HZ = 16_000


class FakeWire:
    """A socket that delivers what it is given until it breaks; what is sent in that moment may or may not arrive."""

    def __init__(self, rng: random.Random) -> None:
        self.arrived: list[dict[str, Any]] = []
        self.broken = False
        self._rng = rng
        self.connection = Connection()

    async def serve(self, session: SpeechSession) -> None:
        """Send what the session has, as the endpoint does; nothing once the session serves another socket."""
        if not session.is_attached_to(self.connection) or self.connection.sending_since is not None:
            return
        self.connection.sending_since = 0.0
        try:
            for event in session.events():
                await self._send(encode_event(event))
        except ClientGone as error:
            self.connection.close(error)
            session.detach()
        finally:
            self.connection.sending_since = None

    async def _send(self, text: str) -> None:
        await anyio.lowlevel.checkpoint()
        if self.broken:
            if self._rng.random() < 0.5:
                raise ClientGone
            return  # the system took it, and nobody will ever read it
        self.arrived.append(json.loads(text))


@asynccontextmanager
async def application(engine: FakeEngine, **limits: Any) -> AsyncIterator[SessionManager]:
    from app.main import create_app

    app = create_app(fake_settings(limits=limits), registrations=with_engine(engine))
    resources: Resources = app.state.resources
    async with resources.sessions.run():
        yield resources.sessions


async def begin(sessions: SessionManager) -> tuple[FakeWire, SpeechSession]:
    """A dictation that has begun, and its connection."""
    wire = FakeWire(random.Random(1))
    session = sessions.open(wire.connection, LOCAL_USER_ID)
    await session.start("s", StartConfig())
    await wire.serve(session)
    return wire, session


async def wait_until_closed(engine: FakeEngine) -> None:
    """Wait until the engine has no session any more."""
    with anyio.fail_after(30):
        while not engine.all_closed:  # noqa: ASYNC110  # the engine has no event to wait for
            await anyio.sleep(0.005)


class FakePerson:
    """Dictates chunks over connections that break, by the rules of the protocol."""

    def __init__(
        self, sessions: SessionManager, chunks: list[bytes], rng: random.Random, chance: float
    ) -> None:
        self._sessions = sessions
        self._chunks = chunks
        self._rng = rng
        self._chance = chance
        self.events: list[dict[str, Any]] = []
        self.cuts = 0

    async def dictate(self, provider: str) -> list[tuple[str, int]]:
        wire = FakeWire(self._rng)
        session = self._sessions.open(wire.connection, LOCAL_USER_ID)
        await session.start("s", StartConfig(provider=provider, endpointing="command"))
        await wire.serve(session)
        self._take(wire, lose=False)
        token = self.events[0]["resume_token"]
        at, stopped = 0, False
        while not stopped or self.events[-1]["type"] != "stopped":
            if self._rng.random() < self._chance:
                self.cuts += 1
                session, wire, at, stopped = await self._cut(session, wire, token)
            elif at < len(self._chunks):
                await self._say(session, at)
                at += 1
            elif not stopped:
                await session.receive('{"type":"stop"}')
                stopped = True
            await wire.serve(session)
            await anyio.lowlevel.checkpoint()
            self._take(wire, lose=False)
        await self._sessions.leave(session, over=True)
        return [(event["text"], event["end_ms"]) for event in self.events if event["type"] == "final"]

    async def _say(self, session: SpeechSession, at: int) -> None:
        """Chunks in turn as binary frames and as JSON does it, numbered."""
        if at % 2:
            data = base64.b64encode(self._chunks[at]).decode()
            message = {
                "type": "audio",
                "format": "pcm16",
                "sample_rate": RATE_HZ,
                "data": data,
                "seq": at + 1,
            }
            await session.receive(json.dumps(message))
        else:
            await session.receive(self._chunks[at])

    async def _cut(
        self, session: SpeechSession, wire: FakeWire, token: str
    ) -> tuple[SpeechSession, FakeWire, int, bool]:
        """Lose the connection at once, a while before the server notices, or without its noticing at all."""
        self._take(wire, lose=True)
        wire.broken = True
        for _ in range(self._rng.randrange(4)):
            await wire.serve(session)
            await anyio.lowlevel.checkpoint()
        fresh = FakeWire(self._rng)
        if self._rng.random() < 0.7:
            await self._sessions.leave(session, over=False)
            session = await self._resume(fresh, token)
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(self._notice, session, wire)
                session = await self._resume(fresh, token)
        while not fresh.arrived:
            await fresh.serve(session)
            await anyio.lowlevel.checkpoint()
        resumed = fresh.arrived.pop(0)
        assert (resumed["type"], resumed["seq"]) == ("resumed", self.events[-1]["seq"])
        return session, fresh, resumed["next_audio_seq"] - 1, resumed["stopping"]

    async def _notice(self, session: SpeechSession, wire: FakeWire) -> None:
        await wire.connection.closing.wait()
        await self._sessions.leave(session, over=False)

    async def _resume(self, wire: FakeWire, token: str) -> SpeechSession:
        return await self._sessions.resume(wire.connection, LOCAL_USER_ID, "s", token, self.events[-1]["seq"])

    def _take(self, wire: FakeWire, *, lose: bool) -> None:
        """Read what has arrived; with the connection the end of it is lost."""
        keep = self._rng.randrange(len(wire.arrived) + 1) if lose and wire.arrived else len(wire.arrived)
        for event in wire.arrived[:keep]:
            assert event["seq"] == len(self.events) + 1, "an event is missing, or came twice"
            self.events.append(event)
        wire.arrived.clear()


async def test_a_dictation_that_begins_is_told_and_counted_until_its_end() -> None:
    """Models on this machine give way to it."""
    async with application(FakeEngine()) as sessions:
        told: list[int] = []
        sessions.watch_starts(lambda: told.append(sessions.dictating))
        session = sessions.open(Connection(), LOCAL_USER_ID)
        assert sessions.dictating == 0
        await session.start("s", StartConfig(provider="fake"))
        assert told == [1]
        await sessions.leave(session, over=True)
        assert sessions.dictating == 0


def random_chunks(pcm: bytes, rng: random.Random) -> list[bytes]:
    chunks, at = [], 0
    while at < len(pcm):
        size = 2 * rng.randrange(1, 4000)
        chunks.append(pcm[at : at + size])
        at += size
    return chunks


@pytest.mark.parametrize("provider", ["fake", "cloud_stub"])
async def test_a_thousand_random_cuts_lose_and_change_no_final(provider: str) -> None:
    rng = random.Random(20)
    engine = FakeEngine(Script(hypothesis=guess_words))
    cuts = 0
    async with application(engine, stall_s=60) as sessions:
        while cuts < CUTS:
            chunks = random_chunks(make_sentence(0.6) * 2, rng)
            unbroken = await FakePerson(sessions, chunks, rng, 0).dictate(provider)
            person = FakePerson(sessions, chunks, rng, 0.4)
            assert await person.dictate(provider) == unbroken
            assert len(unbroken) >= 2
            cuts += person.cuts
            engine.sessions.clear()
        assert sessions.waiting == 0
        assert not sessions._entries


async def test_only_so_many_sessions_wait_for_their_clients() -> None:
    """However many clients are lost: so many sessions wait, the others are finalised, nothing is left in the end."""
    engine = FakeEngine()
    async with application(engine, waiting_sessions=10) as sessions:
        rng = random.Random(1)
        for _ in range(100):
            session = sessions.open((wire := FakeWire(rng)).connection, LOCAL_USER_ID)
            await session.start(None, StartConfig())
            await wire.serve(session)
            await sessions.leave(session, over=False)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert sessions.waiting <= 10
        assert sum(not session.closed for session in engine.sessions) == 10
        assert len(sessions._by_key) == 10
        await sessions.drain()
        assert engine.all_closed
        assert not sessions._by_key
        assert not sessions._entries


async def test_a_token_is_refused_after_the_resume_window() -> None:
    engine = FakeEngine()
    async with application(engine, resume_s=0.05) as sessions:
        wire, session = await begin(sessions)
        await sessions.leave(session, over=False)
        await wait_until_closed(engine)
        with pytest.raises(ResumeRefused):
            await sessions.resume(wire.connection, LOCAL_USER_ID, "s", wire.arrived[0]["resume_token"], 1)


async def test_who_breaks_a_dictation_off_and_leaves_meanwhile_lets_it_wait_for_its_client() -> None:
    """The socket of the old session does not close at once, and the new client has gone before it has."""
    engine = FakeEngine()
    async with application(engine, resume_s=0.05) as sessions:
        _, session = await begin(sessions)
        assert session.dictation_id is not None
        with anyio.move_on_after(0.01) as left:
            await sessions.break_off(LOCAL_USER_ID, session.dictation_id)
        assert left.cancelled_caught
        await sessions.leave(session, over=False)
        assert sessions.waiting == 1
        await wait_until_closed(engine)
