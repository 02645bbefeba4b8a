"""Audio on its way to the server: numbered frames, kept until they are acknowledged."""

import asyncio
from collections.abc import AsyncIterator

import anyio

from app.client.outgoing import FRAME_BYTES, MAX_KEPT_BYTES, OutgoingAudio


async def take(audio: OutgoingAudio, count: int) -> list[bytes]:
    frames = audio.frames()
    return [await anext(frames) for _ in range(count)]


async def test_chunks_are_cut_into_frames_and_none_is_lost() -> None:
    data = bytes(range(256)) * 400
    audio = OutgoingAudio([data[:1000], b"", data[1000:]], keep=False)
    frames = [frame async for frame in audio.frames()]
    assert b"".join(frames) == data
    assert all(0 < len(frame) <= FRAME_BYTES for frame in frames)
    assert audio.is_at_end


async def test_what_is_not_acknowledged_is_sent_again() -> None:
    audio = OutgoingAudio([b"1", b"2", b"3"], keep=True)
    assert await take(audio, 3) == [b"1", b"2", b"3"]
    audio.acknowledge(2)
    assert [frame async for frame in audio.frames()] == [b"3"]
    audio.acknowledge(3)
    assert [frame async for frame in audio.frames()] == []


async def test_without_keeping_nothing_is_sent_again() -> None:
    audio = OutgoingAudio([b"1", b"2"], keep=False)
    assert await take(audio, 1) == [b"1"]
    assert [frame async for frame in audio.frames()] == [b"2"]


async def test_the_source_waits_while_too_much_is_unacknowledged() -> None:
    chunk = bytes(FRAME_BYTES)
    full = MAX_KEPT_BYTES // FRAME_BYTES + 1
    audio = OutgoingAudio([chunk] * (full + 1), keep=True)
    frames = audio.frames()
    for _ in range(full):
        await anext(frames)
    last = asyncio.ensure_future(anext(frames))
    await anyio.wait_all_tasks_blocked()
    assert not last.done()
    audio.acknowledge(1)
    assert await last == chunk


async def test_an_interrupted_read_goes_on() -> None:
    release = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"1"
        await release.wait()
        yield b"2"

    audio = OutgoingAudio(source(), keep=True)
    frames = audio.frames()
    assert await anext(frames) == b"1"
    interrupted = asyncio.ensure_future(anext(frames))
    await anyio.wait_all_tasks_blocked()
    interrupted.cancel()
    await asyncio.wait([interrupted])
    audio.acknowledge(1)
    release.set()
    assert [frame async for frame in audio.frames()] == [b"2"]
    await audio.aclose()


async def test_closing_ends_a_read_that_waits() -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    audio = OutgoingAudio(silent(), keep=False)
    waiting = asyncio.ensure_future(anext(audio.frames()))
    await anyio.wait_all_tasks_blocked()
    waiting.cancel()
    await asyncio.wait([waiting])
    await audio.aclose()


async def test_what_the_server_keeps_on_disk_alone_is_dropped() -> None:
    audio = OutgoingAudio([b"11", b"22", b"33"], keep=True)
    await take(audio, 3)
    audio.acknowledge(3, safe=4)
    assert [frame async for frame in audio.frames()] == [b"33"]


async def test_a_server_that_goes_on_gets_what_follows() -> None:
    """Cut to the byte, numbered anew, and counted from where the times of the next session begin."""
    audio = OutgoingAudio([b"aabb", b"ccdd", b"eeff", b"gghh"], keep=True)
    await take(audio, 3)
    audio.acknowledge(2, safe=4)
    assert (audio.has_from(3), audio.has_from(4)) == (False, True)
    audio.go_on(until=6, start=2)
    assert await take(audio, 3) == [b"dd", b"eeff", b"gghh"]
    audio.acknowledge(1, safe=6)  # the next session has the six bytes from the second on
    audio.go_on(until=8, start=2)
    assert [frame async for frame in audio.frames()] == [b"eeff", b"gghh"]


async def test_a_server_that_has_the_beginning_gets_the_rest_of_the_source() -> None:
    audio = OutgoingAudio([b"aabb", b"ccdd", b"eeff"], keep=True)
    audio.go_on(until=6, start=2)
    assert await take(audio, 2) == [b"dd", b"eeff"]
    audio.acknowledge(2, safe=6)
    assert [frame async for frame in audio.frames()] == [b"eeff"]


async def test_a_disk_that_keeps_nothing_more_does_not_hold_the_source_up() -> None:
    """The server has all of it, and none of it is safe."""
    chunk = bytes(FRAME_BYTES)
    count = 2 * MAX_KEPT_BYTES // FRAME_BYTES
    audio = OutgoingAudio([chunk] * count, keep=True)
    with anyio.fail_after(30):
        sent = 0
        async for _ in audio.frames():
            sent += 1
            audio.acknowledge(sent, safe=0)
    assert sent == count
    assert audio.has_from((count - 2) * FRAME_BYTES)
