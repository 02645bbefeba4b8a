"""Load, as clients of the speech socket meet it: told of by `status`, refused by `server_full`."""

import time
from collections import Counter
from typing import Any

import anyio
import pytest

from app.providers.base import SttCapabilities
from app.services.decoding.policy import SchedulingPolicy
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client, list_types, make_sentence, wait_until


def policy_of(served: RunningServer) -> SchedulingPolicy:
    return served.resources.scheduler._policy


def make_finals_wait(served: RunningServer) -> None:
    for _ in range(50):
        policy_of(served).monitor.final_started(0.3, time.monotonic())


def make_full(served: RunningServer) -> None:
    """As if somebody dictated to an engine that takes every core."""
    policy_of(served).admission.cost("slow").warm_up_rate = 100.0
    policy_of(served).open(-1, time.monotonic(), "slow")


async def test_status_is_told_to_who_asked_and_again_when_it_is_over() -> None:
    with serve_engine(FakeEngine()) as served:
        make_finals_wait(served)
        async with connect_speech_client(served.url) as asks, connect_speech_client(served.url) as asks_not:
            await asks.start(events=["status"])
            status = (await asks.until("status"))[-1]
            assert (status["degraded"], status["partials"]) == (True, "first_only")
            policy_of(served).monitor = type(policy_of(served).monitor)()
            status = (await asks.until("status"))[-1]
            assert (status["degraded"], status["partials"]) == (False, "on")

            make_finals_wait(served)
            await asks_not.start()
            await asks_not.audio(make_sentence())
            assert "status" not in list_types(await asks_not.stop())


async def test_a_full_server_refuses_a_dictation_and_says_when_to_try_again() -> None:
    with serve_engine(FakeEngine()) as served:
        make_full(served)
        async with connect_speech_client(served.url) as client:
            await client.send("start", session_id="s1")
            assert await client.until_closed() == 1013
            error = client.events[-1]
            assert (error["code"], error["fatal"]) == ("server_full", True)
            assert "try again in" in error["message"]
            assert "." not in error["message"].replace(f"{error['retry_after_s']:.0f} s", "")
            assert 5 <= error["retry_after_s"] <= 30


async def start_together(url: str, number: int) -> list[dict[str, Any]]:
    """As many dictations that start at one moment; the first event of each. They end together."""
    answers: list[dict[str, Any]] = []
    everybody, answered = anyio.Event(), anyio.Event()
    connected = 0

    async def one() -> None:
        nonlocal connected
        async with connect_speech_client(url) as client:
            connected += 1
            if connected == number:
                everybody.set()
            await everybody.wait()
            await client.send("start", session_id="s1")
            answers.append(await client.event())
            if len(answers) == number:
                answered.set()
            await answered.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(number):
                group.start_soon(one)
    return answers


@pytest.mark.parametrize(("cost", "admitted"), [(0.098, 20), (0.5, 4), (40.0, 1)])
async def test_of_a_crowd_that_starts_at_one_moment_as_many_are_admitted_as_fit(
    cost: float, admitted: int
) -> None:
    """0.85 of two cores, for speakers who speak 80 % of the time; and never fewer than one."""
    engine = FakeEngine(Script(cost=cost))
    with serve_engine(engine, scheduler={"cores": 2}) as served:
        for _ in range(2):
            answers = await start_together(served.url, 64)
            found = Counter(answer.get("code", answer["type"]) for answer in answers)
            assert found == {"ready": admitted, "server_full": 64 - admitted}
            assert all(answer["retry_after_s"] >= 5 for answer in answers if answer["type"] == "error")
            await wait_until(
                lambda: engine.all_closed and not policy_of(served).admission.lingering(time.monotonic())
            )
    assert engine.measured == 1


async def test_a_crowd_that_comes_before_the_engine_is_measured_waits_for_that() -> None:
    gate = Gate()
    engine = FakeEngine(Script(cost=0.098, gates={"measure_cost": gate}))
    with serve_engine(engine, scheduler={"cores": 2}) as served:
        async with anyio.create_task_group() as group:
            answers: list[dict[str, Any]] = []

            async def start() -> None:
                answers.extend(await start_together(served.url, 30))

            group.start_soon(start)
            await wait_until(lambda: len(engine.sessions) == 30)
            assert answers == []
            gate.open()
    assert Counter(answer["type"] for answer in answers) == {"ready": 20, "error": 10}


async def test_who_speaks_alone_is_not_refused_while_a_closed_tab_is_still_decoded() -> None:
    """One speaker fills this machine, and the engine is busy with the audio of a client that has left."""
    gate = Gate()
    engine = FakeEngine(Script(cost=40.0, gates={"finish": gate}))
    with serve_engine(engine, scheduler={"cores": 1}) as served:
        async with connect_speech_client(served.url) as client:
            await client.start()
            await client.audio(make_sentence())
            await client.send("flush", id=1)
            await wait_until(lambda: gate.reached.is_set())
            async with connect_speech_client(served.url) as another:
                await another.send("start", session_id="s2")
                assert await another.until_closed() == 1013, "a second speaker does not fit"
            client.connection.transport.abort()
        async with connect_speech_client(served.url) as client:
            await wait_until(lambda: served.resources.sessions.waiting == 1)
            await client.start()
            gate.open()
            await client.audio(make_sentence())
            assert "final" in list_types(await client.stop())


async def test_one_dictation_directly_after_the_other_is_not_refused() -> None:
    engine = FakeEngine(Script(cost=40.0))
    with serve_engine(engine, scheduler={"cores": 1}) as served:
        for _ in range(3):
            async with connect_speech_client(served.url) as client:
                for _ in range(2):
                    await client.start()
                    await client.audio(make_sentence())
                    await client.stop()
                await client.start()
                await client.audio(make_sentence())


async def test_engines_that_take_no_core_here_are_not_refused_nor_told_of_load() -> None:
    elsewhere = FakeEngine()
    elsewhere.capabilities = SttCapabilities(("en",), True, True, True, network=True)
    with serve_engine(elsewhere) as served:
        make_full(served)
        make_finals_wait(served)
        async with connect_speech_client(served.url) as client:
            await client.start(events=["status"])
            await client.audio(make_sentence())
            assert "status" not in list_types(await client.stop())
            await client.start(provider="cloud_stub")


async def test_a_dictation_that_goes_on_is_not_refused_on_a_new_socket() -> None:
    with serve_engine(FakeEngine()) as served:
        async with connect_speech_client(served.url) as client:
            ready = await client.start()
            client.connection.transport.abort()
        make_full(served)
        async with connect_speech_client(served.url) as client:
            await client.send("resume", session_id="s1", resume_token=ready["resume_token"], last_event_seq=1)
            resumed = await client.connection.recv()
            assert '"type":"resumed"' in str(resumed)


async def test_a_dictation_that_has_ended_is_forgotten() -> None:
    with serve_engine(FakeEngine()) as served:
        async with connect_speech_client(served.url) as client:
            for _ in range(3):
                await client.start(events=["status"])
                await client.audio(make_sentence())
                await client.stop()
        assert served.resources.scheduler._watchers == {}
        assert policy_of(served).admission._sessions == {}
