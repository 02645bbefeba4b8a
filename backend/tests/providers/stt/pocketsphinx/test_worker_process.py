"""A worker process on the server's side: replies in order, and what its death does to requests."""

import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.providers.stt.pocketsphinx.worker_process import WorkerDied, WorkerProcess

pytest.importorskip("importlib.metadata").distribution("pocketsphinx")


@pytest_asyncio.fixture
async def process() -> AsyncIterator[WorkerProcess]:
    process = await WorkerProcess.start(2)
    yield process
    await process.aclose()


async def test_replies_come_in_the_order_of_the_requests(process: WorkerProcess) -> None:
    begin = process.call({"op": "begin", "decoder": 0, "cmn": None})
    feed = process.call({"op": "feed", "decoder": 0}, bytes(3072))
    finish = process.call({"op": "finish", "decoder": 0})
    begin.cancel()
    assert await feed == {"text": ""}
    assert (await finish)["text"] == ""


async def test_decoders_that_are_built_are_taken_first(process: WorkerProcess) -> None:
    assert [process.take_decoder(), process.take_decoder()] == [0, 1]
    process.give_decoder(1)
    process.give_decoder(0)
    assert process.take_decoder() == 0


async def test_a_death_fails_each_request_and_names_the_running_one(process: WorkerProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    running = process.call({"op": "begin", "decoder": 0, "cmn": None})
    waiting = process.call({"op": "finish", "decoder": 0})
    os.kill(process.pid, signal.SIGKILL)
    await process.ended.wait()
    deaths = [request.exception() for request in (running, waiting)]
    assert [isinstance(death, WorkerDied) and death.running for death in deaths] == [True, False]
    with pytest.raises(WorkerDied) as caught:
        process.call({"op": "warm", "decoder": 0})
    assert not caught.value.running


async def test_an_engine_error_ends_the_process(process: WorkerProcess) -> None:
    with pytest.raises(WorkerDied) as caught:
        await process.call({"op": "no such request", "decoder": 0})
    assert caught.value.running
