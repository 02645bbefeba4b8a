"""What gateways have open at a worker: opened once, begun again where need be, and closed when nobody asks for it."""

import time
from dataclasses import dataclass, field, replace

import anyio
import numpy as np
import pytest

from app.core.errors import EngineFailed
from app.providers.base import Samples, SttConfig, SttProvider
from app.services.decoding.policy import Job, Priority
from app.services.decoding.scheduler import Scheduler
from app.services.tier.calls import AnyAnswer, HeardStream, HearStream, Place, Turn
from app.services.tier.worker_sessions import IDLE_S, WorkerSession, WorkerSessions
from tests.fakes.engine import FakeEngine, FakeStream, Gate, Script
from tests.fakes.window_engine import FakeWindowEngine
from tests.support.tier import until

PLACE = Place(gateway="one", session=1, engine="fake", config=SttConfig())
SPEECH = np.arange(1, 8001, dtype=np.int16)


@dataclass
class Desk:
    """The sessions of one worker, on scripted time."""

    engine: SttProvider
    now: float = 0.0
    asked: int = 0
    """How often the engine was looked up."""
    scheduler: Scheduler = field(default_factory=lambda: Scheduler(2, time.monotonic))

    def __post_init__(self) -> None:
        self.sessions = WorkerSessions(self.scheduler, self._find, lambda: self.now)

    async def _find(self, _: str) -> SttProvider:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        return self.engine

    async def find(self, place: Place = PLACE) -> WorkerSession:
        return await self.sessions.find(place, is_live=True)


def hear(begins_at: int, samples: Samples, *, stream: int = 1, is_over: bool = False) -> HearStream:
    return HearStream(
        place=PLACE,
        turn=Turn(),
        stream=stream,
        state=None,
        begins_at=begins_at,
        samples=samples,
        speech_samples=begins_at + len(samples) if is_over else None,
    )


async def listen(session: WorkerSession, call: HearStream) -> HeardStream:
    """What the session answers a call."""
    with session.in_use():
        heard = (await session.hear(call)).value
    assert isinstance(heard, HeardStream)
    return heard


def digest(samples: Samples) -> str:
    """What the fake engine says of an utterance."""
    stream = FakeStream(Script())
    stream.audio += samples.astype("<i2").tobytes()
    return stream.digest


async def test_idle_sessions_are_closed_and_opened_again() -> None:
    engine = FakeWindowEngine()
    desk = Desk(engine)
    first = await desk.find()
    desk.now = IDLE_S
    await desk.sessions.close_idle()
    assert not engine.sessions[0].closed, "not yet"
    desk.now += 1
    await desk.sessions.close_idle()
    assert engine.sessions[0].closed
    assert len(desk.sessions) == 0
    assert await desk.find() is not first
    assert [session.closed for session in engine.sessions] == [True, False]
    await desk.sessions.aclose()


async def test_a_session_in_use_is_not_closed_however_long_it_takes() -> None:
    engine = FakeWindowEngine()
    desk = Desk(engine)
    session = await desk.find()
    with session.in_use(), session.in_use():
        desk.now = 10 * IDLE_S
        await desk.sessions.close_idle()
        assert not engine.sessions[0].closed
    await desk.sessions.close_idle()
    assert engine.sessions[0].closed


async def test_a_session_that_is_asked_for_stays() -> None:
    engine = FakeWindowEngine()
    desk = Desk(engine)
    for _ in range(5):
        await desk.find()
        desk.now += IDLE_S
        await desk.sessions.close_idle()
    assert [session.closed for session in engine.sessions] == [False]
    await desk.sessions.aclose()


async def test_two_calls_at_once_open_one_session() -> None:
    engine = FakeWindowEngine()
    desk = Desk(engine)
    found: list[WorkerSession] = []

    async def find(place: Place) -> None:
        found.append(await desk.find(place))

    async with anyio.create_task_group() as group:
        for place in (PLACE, PLACE, replace(PLACE, session=2), replace(PLACE, gateway="two"), PLACE):
            group.start_soon(find, place)
    assert len({id(session) for session in found}) == len(engine.sessions) == len(desk.sessions) == 3
    await desk.sessions.aclose()
    assert all(session.closed for session in engine.sessions)


async def test_a_session_that_cannot_be_opened_leaves_nothing_behind() -> None:
    engine = FakeEngine(Script(failures={"open_session": RuntimeError("no memory")}))
    desk = Desk(engine)
    for _ in range(3):
        with pytest.raises(EngineFailed):
            await desk.find()
    assert (len(desk.sessions), desk.scheduler.load) == (0, 0.0)
    engine.script.failures.clear()
    await desk.find()
    assert desk.scheduler.load > 0, "a speaker counts"
    await desk.sessions.aclose()
    assert desk.scheduler.load == 0.0


async def test_an_utterance_goes_on_where_it_was() -> None:
    engine = FakeEngine(Script(hypothesis=lambda stream: stream.digest))
    desk = Desk(engine)
    session = await desk.find()
    first = await listen(session, hear(0, SPEECH[:3000]))
    assert first.hypothesis is not None
    assert first.hypothesis.text == digest(SPEECH[:3000])
    last = await listen(session, hear(3000, SPEECH[3000:], is_over=True))
    assert last.transcript is not None
    assert last.transcript.text == digest(SPEECH)
    assert engine.all_closed, "nothing of an utterance that is over is kept"


async def test_an_utterance_that_the_worker_does_not_have_is_begun_again() -> None:
    engine = FakeEngine()
    desk = Desk(engine)
    session = await desk.find()
    assert not (await listen(session, hear(3000, SPEECH[3000:]))).is_known
    await listen(session, hear(0, SPEECH[:3000]))
    assert not (await listen(session, hear(4000, SPEECH[4000:]))).is_known, "a gap would be a wrong text"
    assert engine.all_closed
    heard = await listen(session, hear(0, SPEECH, is_over=True))
    assert heard.transcript is not None
    assert heard.transcript.text == digest(SPEECH)


async def test_an_utterance_is_begun_again_after_a_failure_in_its_midst() -> None:
    """Nobody knows how much the engine has heard of it."""
    engine = FakeEngine()
    desk = Desk(engine)
    session = await desk.find()
    await listen(session, hear(0, SPEECH[:3000]))
    engine.script.failures["accept"] = RuntimeError("a bad moment")
    with pytest.raises(EngineFailed):
        await listen(session, hear(3000, SPEECH[3000:5000]))
    engine.script.failures.clear()
    assert engine.all_closed
    assert not (await listen(session, hear(5000, SPEECH[5000:]))).is_known


async def test_utterances_of_one_session_do_not_mix() -> None:
    engine = FakeEngine()
    desk = Desk(engine)
    session = await desk.find()
    await listen(session, hear(0, SPEECH[:3000], stream=1))
    await listen(session, hear(0, SPEECH[:100], stream=2))
    texts = [
        await listen(session, hear(3000, SPEECH[3000:], stream=1, is_over=True)),
        await listen(session, hear(100, SPEECH[100:200], stream=2, is_over=True)),
    ]
    assert [heard.transcript and heard.transcript.text for heard in texts] == [
        digest(SPEECH),
        digest(SPEECH[:200]),
    ]


async def test_an_utterance_is_closed_after_its_call_has_returned() -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"accept": gate}))
    desk = Desk(engine)
    session = await desk.find()
    is_closed = False

    async def close() -> None:
        nonlocal is_closed
        await desk.sessions.close_stream(PLACE, 1)
        is_closed = True

    async with anyio.create_task_group() as group:
        group.start_soon(listen, session, hear(0, SPEECH))
        await until(gate.reached.is_set)
        group.start_soon(close)
        await anyio.wait_all_tasks_blocked()
        assert not is_closed
        gate.open()
    assert engine.all_closed
    await desk.sessions.close_stream(replace(PLACE, session=9), 1)  # nobody knows it: no error


async def test_the_wait_of_an_utterance_for_a_core_is_told() -> None:
    """The server takes it off what the decode cost: else it would believe its sessions to be dearer than they are."""
    engine = FakeEngine()
    desk = Desk(engine, scheduler=Scheduler(1, time.monotonic))
    session = await desk.find()
    with session.in_use():
        assert (await session.hear(hear(0, SPEECH))).waited_s < 0.05
    release = anyio.Event()
    other = Job(desk.scheduler.new_session("fake"), Priority.FINAL, 1.0, desk.scheduler.now() + 1, "fake")
    async with anyio.create_task_group() as group:
        group.start_soon(desk.scheduler.run, other, release.wait)
        await until(lambda: desk.scheduler.running == 1)
        answers: list[AnyAnswer] = []

        async def hear_on() -> None:
            with session.in_use():
                answers.append(await session.hear(hear(8000, SPEECH)))

        group.start_soon(hear_on)
        await until(lambda: desk.scheduler.waiting == 1)
        await anyio.sleep(0.1)
        release.set()
        await until(lambda: answers)
    assert answers[0].waited_s >= 0.1
    await desk.sessions.aclose()
