"""The work queue: order, joined audio, and how much may wait."""

import anyio
import numpy as np

from app.services.audio.segmenter import UtteranceAudio, UtteranceStarted
from app.services.dictation.queue import FlushMark, StopMark, WorkQueue


def audio(samples: int) -> UtteranceAudio:
    return UtteranceAudio(np.zeros(samples, np.int16))


async def test_audio_that_waits_is_joined_up_to_a_second() -> None:
    queue = WorkQueue()
    queue.put(UtteranceStarted(1, 0, 0))
    for _ in range(3):
        queue.put(audio(6000))
    queue.put(FlushMark("f"))
    assert queue.pending_samples == 18_000
    assert isinstance(await queue.get(), UtteranceStarted)
    lengths = []
    while isinstance(work := await queue.get(), UtteranceAudio):
        lengths.append(len(work.samples))
    assert lengths == [12_000, 6000]
    assert work == FlushMark("f")
    assert queue.pending_samples == queue.pending_flushes == 0


async def test_whoever_feeds_waits_until_less_is_pending() -> None:
    queue = WorkQueue()
    queue.put(audio(16_000))
    queue.put(audio(16_000))
    fed = anyio.Event()

    async def feed() -> None:
        await queue.wait_below(20_000, 8)
        fed.set()

    async with anyio.create_task_group() as group:
        group.start_soon(feed)
        await anyio.wait_all_tasks_blocked()
        assert not fed.is_set()
        await queue.get()
    assert fed.is_set()


async def test_flushes_are_bounded_too() -> None:
    queue = WorkQueue()
    queue.put(FlushMark(1))
    with anyio.move_on_after(0.01) as scope:
        await queue.wait_below(1, 1)
    assert scope.cancelled_caught
    await queue.get()
    await queue.wait_below(1, 1)


async def test_a_closed_queue_returns_what_was_left() -> None:
    queue = WorkQueue()
    queue.put(UtteranceStarted(7, 0, 0))
    queue.put(StopMark())
    assert queue.close() == [UtteranceStarted(7, 0, 0), StopMark()]
    assert queue.is_closed
