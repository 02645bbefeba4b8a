"""The microphone as a stream of chunks, by sounddevice, until Enter is pressed."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

from app.cli.common import CommandError, notes

BLOCK_MS = 50
WAITING_BLOCKS = 600
"""30 s: longer than any hiccup of a server that is worth waiting for."""


async def microphone(sample_rate: int) -> AsyncIterator[bytes]:
    """PCM16 mono from the default input device; ends when Enter is pressed, or by cancellation.

    Raises:
        CommandError: no sounddevice, no PortAudio, no microphone; or the server fell 30 s behind.
    """
    sounddevice = _load()
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
    behind = False

    def put(block: bytes | None) -> None:
        nonlocal behind
        if behind:
            return
        behind = block is not None and blocks.qsize() >= WAITING_BLOCKS
        blocks.put_nowait(None if behind else block)

    def on_block(data: Any, *_: object) -> None:  # in PortAudio's thread
        loop.call_soon_threadsafe(put, bytes(data))

    try:
        stream = sounddevice.RawInputStream(
            samplerate=sample_rate,
            channels=1,
            dtype="int16",
            blocksize=sample_rate * BLOCK_MS // 1000,
            callback=on_block,
        )
    except sounddevice.PortAudioError as error:
        raise CommandError("no microphone can be opened; plug one in, or name a file to dictate") from error
    with stream:
        if sys.stdin.isatty():
            notes().print("Speak. Enter ends the dictation, Ctrl-C drops it.", style="dim")
            threading.Thread(target=_wait_for_enter, args=(loop, put), daemon=True).start()
        while (block := await blocks.get()) is not None:
            yield block
    if behind:
        raise CommandError("the server fell 30 s behind the microphone; what was said after that is lost")


def _wait_for_enter(loop: asyncio.AbstractEventLoop, put: Any) -> None:
    sys.stdin.readline()
    if not loop.is_closed():
        loop.call_soon_threadsafe(put, None)


def _load() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        install = f"{sys.executable} -m pip install sounddevice"
        raise CommandError(f"the microphone needs sounddevice: {install}; or name a file") from error
    except OSError as error:
        install = "apt install libportaudio2"
        raise CommandError(f"the microphone needs PortAudio: {install}; or name a file") from error
    return sounddevice
