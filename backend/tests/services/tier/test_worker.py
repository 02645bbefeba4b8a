"""A decode worker by itself: what it answers, whatever it is asked."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from app.core.config import Settings
from app.core.errors import EngineFailed, UnknownProvider
from app.providers.base import SttConfig, WindowRequest, WindowResult
from app.providers.registry import Registration
from app.services.decoding.policy import Priority
from app.services.tier.calls import (
    DecodeWindow,
    Look,
    MeasureCost,
    OpenedSession,
    OpenSession,
    Place,
    StartEngine,
    Turn,
    WorkerState,
)
from app.services.tier.worker import DecodeWorker
from tests.fakes.window_engine import FakeWindowEngine, WindowScript, make_speech, make_text
from tests.support.tier import until


@asynccontextmanager
async def running(script: WindowScript | None = None, cores: int = 1) -> AsyncIterator[DecodeWorker]:
    engine = FakeWindowEngine(script)
    settings = Settings.model_validate({"stt": {"provider": "fake"}, "scheduler": {"cores": cores}})
    worker = DecodeWorker(settings, {"fake": Registration("fake", lambda: lambda _: engine, "test")})
    async with worker.run():
        yield worker


def ask(
    words: int,
    *,
    gateway: str = "one",
    session: int = 1,
    priority: Priority = Priority.FINAL,
    engine: str = "fake",
) -> DecodeWindow:
    samples = make_speech(words)
    return DecodeWindow(
        place=Place(gateway=gateway, session=session, engine=engine, config=SttConfig()),
        turn=Turn(priority=priority, audio_s=1.0),
        request=WindowRequest(
            samples=samples,
            speech_samples=len(samples),
            final=priority is not Priority.PARTIAL,
            window="short",
        ),
    )


async def test_it_tells_what_it_is() -> None:
    async with running(cores=3) as worker:
        state = (await worker.answer(Look(gateway="one", load=0.5))).value
        assert isinstance(state, WorkerState)
        assert (state.slots, list(state.engines), state.load_elsewhere) == (3, ["fake"], 0)
        state = (await worker.answer(Look(gateway="other", load=0.25))).value
        assert isinstance(state, WorkerState)
        assert state.load_elsewhere == 0.5


async def test_errors_are_answers() -> None:
    failing = WindowScript(failures=[RuntimeError("the words of an engine")])
    async with running(failing) as worker:
        unknown = await worker.answer(StartEngine(engine="nobody"))
        assert isinstance(unknown.error, UnknownProvider)
        assert (await worker.answer(MeasureCost(engine="fake", model=None))).error is not None
        failed = await worker.answer(ask(2))
        assert isinstance(failed.error, EngineFailed)
        assert "words of" not in str(failed.error)
        good = (await worker.answer(ask(2))).value
        assert isinstance(good, WindowResult)
        assert good.text == make_text(2)


async def test_finals_of_any_gateway_go_before_partials() -> None:
    """One slot is taken; what waits behind it is served by class, not by arrival."""
    script = WindowScript(hold=lambda request: len(request.samples) == len(make_speech(1)))
    engine = FakeWindowEngine(script)
    settings = Settings.model_validate({"stt": {"provider": "fake"}, "scheduler": {"cores": 1}})
    worker = DecodeWorker(
        settings, {"fake": Registration("fake", lambda: lambda _: engine, "test")}, time.monotonic
    )
    done: list[str] = []

    async def decode(call: DecodeWindow) -> None:
        answer = await worker.answer(call)
        if isinstance(answer.value, WindowResult):
            done.append(answer.value.text)

    async with worker.run(), anyio.create_task_group() as group:
        group.start_soon(decode, ask(1))
        await until(lambda: any(session.held for session in engine.sessions))
        group.start_soon(decode, ask(2, gateway="one", session=2, priority=Priority.FILE))
        group.start_soon(decode, ask(3, gateway="two", session=1))
        group.start_soon(decode, ask(4, gateway="three", session=1))
        await until(lambda: worker.busy == 4)
        for session in engine.sessions:
            for held in session.held:
                held.set()
    assert done == [make_text(words) for words in (1, 3, 4, 2)]


async def test_a_waiting_partial_gives_way_to_a_newer_one() -> None:
    script = WindowScript(hold=lambda request: request.final)
    engine = FakeWindowEngine(script)
    settings = Settings.model_validate({"stt": {"provider": "fake"}, "scheduler": {"cores": 1}})
    worker = DecodeWorker(settings, {"fake": Registration("fake", lambda: lambda _: engine, "test")})
    shed: list[bool] = []

    async def decode(words: int) -> None:
        answer = await worker.answer(ask(words, session=2, priority=Priority.PARTIAL))
        shed.append(answer.is_shed)

    async with worker.run(), anyio.create_task_group() as group:
        group.start_soon(worker.answer, ask(1))
        await until(lambda: any(session.held for session in engine.sessions))
        group.start_soon(decode, 2)
        await until(lambda: worker.busy == 2)
        group.start_soon(decode, 3)
        await until(lambda: shed)
        assert shed == [True]
        group.cancel_scope.cancel()
        for session in engine.sessions:
            for held in session.held:
                held.set()


@pytest.mark.parametrize("lang", ["en", "auto"])
async def test_a_session_is_checked_before_it_decodes(lang: str) -> None:
    async with running() as worker:
        opened = (await worker.answer(OpenSession(engine="fake", config=SttConfig(lang=lang)))).value
        assert isinstance(opened, OpenedSession)
        assert (opened.kind, opened.model) == ("window", "fake")
