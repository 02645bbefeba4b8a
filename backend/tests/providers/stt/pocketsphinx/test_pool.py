"""The pool of workers: leases in the order of asking, and no process that stays behind."""

import multiprocessing
from collections.abc import AsyncIterator
from multiprocessing.process import BaseProcess

import anyio
import anyio.lowlevel
import pytest
import pytest_asyncio

from app.core.errors import ProviderNotReady
from app.providers.stt.pocketsphinx.pool import WorkerPool

pytest.importorskip("importlib.metadata").distribution("pocketsphinx")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    """One worker with two decoders."""
    pool = WorkerPool(1, 2)
    await pool.start()
    yield pool
    await pool.aclose()


async def test_decoders_are_leased_first_come_first_served(pool: WorkerPool) -> None:
    first, second, third, fourth = (pool.queue() for _ in range(4))
    assert [pending.done() for pending in (first, second, third, fourth)] == [True, True, False, False]
    assert {first.result().decoder, second.result().decoder} == {0, 1}
    urgent = pool.queue(first=True)
    pool.give_back(first.result())
    assert (urgent.done(), third.done()) == (True, False), "an utterance that lost its decoder comes first"
    third.cancel()
    pool.give_back(second.result())
    assert fourth.done(), "who has left is passed over"
    for pending in (urgent, fourth):
        pool.give_back(pending.result())


async def test_a_lease_speaks_to_its_own_decoder(pool: WorkerPool) -> None:
    lease = pool.queue().result()
    await lease.call("begin", cmn=None)
    assert (await lease.call("feed", bytes(3072)))["text"] == ""
    assert (await lease.call("finish"))["words"] == []
    pool.give_back(lease)
    assert pool.pids == [lease.worker.pid]


async def test_a_closed_pool_refuses_and_ends_its_processes() -> None:
    pool = WorkerPool(1, 1)
    await pool.start()
    held, waiting = pool.queue(), pool.queue()
    pids = set(pool.pids)
    assert len(pids) == 1
    await pool.aclose()
    assert held.done()
    for pending in (waiting, pool.queue()):
        with pytest.raises(ProviderNotReady, match="stopping"):
            await pending
    assert not pids & {child.pid for child in multiprocessing.active_children()}
    assert pool.pids == []


@pytest.mark.parametrize("ready", [False, True])
async def test_a_server_that_ends_while_they_start_leaves_none(ready: bool) -> None:
    """Its task group cancels them again and again while they clear up."""
    before = set(multiprocessing.active_children())

    def mine() -> set[BaseProcess]:
        return set(multiprocessing.active_children()) - before

    pool = WorkerPool(2, 1)
    async with anyio.create_task_group() as group:
        group.start_soon(pool.start)
        while ready and len(mine()) < 2:  # noqa: ASYNC110  # processes tell nobody
            await anyio.sleep(0.01)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    await pool.aclose()
    assert not mine()
