"""Load, as clients of the speech socket meet it: told of by `status`, refused by `server_full`."""

import time

from app.providers.base import SttCapabilities
from app.services.decoding.policy import SchedulingPolicy
from tests.fakes.engine import FakeEngine
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client, list_types, make_sentence


def policy_of(served: RunningServer) -> SchedulingPolicy:
    return served.resources.scheduler._policy


def make_finals_wait(served: RunningServer) -> None:
    for _ in range(50):
        policy_of(served).monitor.final_started(0.3, time.monotonic())


def make_full(served: RunningServer) -> None:
    """As if two dictations had kept every core busy for a while."""
    for session in (-1, -2):
        policy_of(served).shares.charge(session, 1000.0, time.monotonic(), unsheddable=True)


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
        assert policy_of(served).shares._opened == {}
