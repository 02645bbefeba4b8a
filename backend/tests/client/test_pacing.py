"""Chunks from any source arrive in order, and at the pace of speech where that is asked for."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from app.client.pacing import Chunks, chunk_stream, paced

PIECES = [b"ab", b"", b"cd", b"ef"]


def generated() -> Iterator[bytes]:
    yield from PIECES


async def asynchronous() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


@pytest.mark.parametrize("make", [lambda: PIECES, lambda: tuple(PIECES), generated, asynchronous])
async def test_every_kind_of_source_gives_all_its_chunks(make: "type[Chunks]") -> None:
    assert [chunk async for chunk in chunk_stream(make())] == PIECES


async def test_bytes_are_one_chunk() -> None:
    assert [chunk async for chunk in chunk_stream(b"abcd")] == [b"abcd"]


async def test_a_failing_source_fails_the_stream() -> None:
    def broken() -> Iterator[bytes]:
        yield b"ab"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        [chunk async for chunk in chunk_stream(broken())]


async def test_paced_is_never_ahead_of_speech() -> None:
    """A chunk comes when its last sample would have been spoken."""
    chunk = bytes(2 * 800)  # 50 ms at 16 kHz
    started_s = time.monotonic()
    arrived_s = [time.monotonic() - started_s async for _ in paced([chunk] * 4, 16_000)]
    assert all(at >= 0.05 * number for number, at in enumerate(arrived_s, start=1))
