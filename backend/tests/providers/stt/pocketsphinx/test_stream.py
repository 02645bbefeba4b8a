"""One utterance of the embedded engine: what it keeps without a decoder, and when it is given up."""

import asyncio

import numpy as np
import pytest

from app.core.errors import EngineFailed
from app.providers.base import PinnedSttStream, SttConfig
from app.providers.stt.pocketsphinx.pool import Lease, PendingLease, WorkerPool
from app.providers.stt.pocketsphinx.stream import DEATHS, SphinxSession, SphinxStream
from app.providers.stt.pocketsphinx.wire import BLOCK_SAMPLES, Header
from app.providers.stt.pocketsphinx.worker_process import WorkerDied, WorkerProcess

WORDS = SttConfig(lang="en", words=True)


class FakeDyingLease(Lease):
    """A decoder whose process ends at every request."""

    def call(self, op: str, body: bytes = b"", **arguments: str | None) -> "asyncio.Future[Header]":
        raise WorkerDied(running=True)


class FakeDyingPool(WorkerPool):
    """Always has a decoder, and it always dies."""

    handed_out = 0

    def queue(self, *, first: bool = False) -> PendingLease:
        self.handed_out += 1
        ticket: PendingLease = asyncio.get_running_loop().create_future()
        ticket.set_result(FakeDyingLease(WorkerProcess.__new__(WorkerProcess), 0))
        return ticket


async def test_an_utterance_that_kills_every_worker_is_given_up() -> None:
    pool = FakeDyingPool(1, 1)
    stream = SphinxStream(pool, SphinxSession(pool, WORDS))
    with pytest.raises(EngineFailed, match="died 3 times"):
        await stream.finish(0)
    await stream.aclose()
    assert pool.handed_out == DEATHS


class FakeLease(Lease):
    """A decoder that answers with what it was sent."""

    def call(self, op: str, body: bytes = b"", **arguments: str | None) -> "asyncio.Future[Header]":
        reply: asyncio.Future[Header] = asyncio.get_running_loop().create_future()
        text = f"{op} {len(body) // 2}"
        reply.set_result({"text": text, "words": [(text, 0, 10, 0.5)], "cmn": "40,3", "decode_ms": 2.0})
        return reply


class FakePool(WorkerPool):
    """Has no decoder until `lease` is called."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.waiting: list[PendingLease] = []
        self.given_back: list[Lease] = []

    def queue(self, *, first: bool = False) -> PendingLease:
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def lease(self) -> None:
        self.waiting[-1].set_result(FakeLease(WorkerProcess.__new__(WorkerProcess), 0))

    def give_back(self, lease: Lease) -> None:
        self.given_back.append(lease)


def blocks(count: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.ones(count * BLOCK_SAMPLES, np.int16)


async def test_audio_is_kept_until_there_is_a_decoder() -> None:
    pool = FakePool()
    stream = await SphinxSession(pool, WORDS).open_stream()
    assert isinstance(stream, PinnedSttStream)
    assert await stream.accept(blocks(2)) is None
    assert stream.worker is None
    pool.lease()
    await stream.wait_for_worker()
    assert stream.worker is not None
    hypothesis = await stream.accept(blocks(1))
    assert hypothesis is not None
    assert hypothesis.text == f"feed {3 * BLOCK_SAMPLES}", "the kept audio goes first"
    await stream.aclose()
    assert len(pool.given_back) == 1


async def test_a_decoder_hears_whole_blocks_and_the_rest_with_the_final() -> None:
    pool = FakePool()
    session = SphinxSession(pool, WORDS)
    stream = await session.open_stream()
    pool.lease()
    assert await stream.accept(blocks(1)[:-1]) is None, "less than a block is not sent"
    final = await stream.finish(0)
    assert final.text == f"finish {BLOCK_SAMPLES - 1}"
    assert [word.text for word in final.words] == [final.text]
    assert (final.lang, final.model, final.decode_ms) == ("en", "en-us", 2.0)
    assert session.state == "40,3", "the session keeps the mean of a final with words"


async def test_words_only_where_they_were_asked_for() -> None:
    pool = FakePool()
    stream = await SphinxSession(pool, SttConfig(lang="en")).open_stream()
    pool.lease()
    assert (await stream.finish(0)).words == ()


async def test_an_utterance_that_ends_before_its_turn_leaves_the_queue() -> None:
    pool = FakePool()
    stream = await SphinxSession(pool, WORDS).open_stream()
    await stream.aclose()
    assert pool.waiting[0].cancelled()
    assert pool.given_back == []
