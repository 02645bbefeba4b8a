"""Audio chunks of any source as an async iterator, at full speed or at the speed of speech."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from functools import partial

import anyio
import anyio.to_thread

Chunks = bytes | Iterable[bytes] | AsyncIterable[bytes]
BYTES_PER_SAMPLE = 2


async def chunk_stream(chunks: Chunks) -> AsyncIterator[bytes]:
    """Yield the chunks one by one; a blocking source, such as a file or a pipe, is read in a worker thread."""
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    elif isinstance(chunks, bytes | list | tuple):
        for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
            yield chunk
    else:
        iterator = iter(chunks)

        # A read that blocks for ever (a silent pipe) must not keep a cancelled dictation alive.
        take = partial(next, iterator, None)
        while (piece := await anyio.to_thread.run_sync(take, abandon_on_cancel=True)) is not None:
            yield piece


async def paced(chunks: Chunks, sample_rate: int) -> AsyncIterator[bytes]:
    """Yield each chunk when a microphone would: once its last sample has been spoken."""
    started_s = time.monotonic()
    sent_bytes = 0
    async for chunk in chunk_stream(chunks):
        sent_bytes += len(chunk)
        due_s = started_s + sent_bytes / (BYTES_PER_SAMPLE * sample_rate)
        await anyio.sleep(max(0.0, due_s - time.monotonic()))
        yield chunk
