"""The microphone as a stream of chunks, by sounddevice, until Enter is pressed."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from app.cli.common import CommandError, note_console
from app.core.extras import advise_extra
from app.utils.channels import ChannelMixer

BLOCK_MS = 50
MAX_CHANNELS = 2
"""Some systems offer dozens of channels of one device, copies of these."""
MAX_WAITING_BLOCKS = 600
"""30 s of audio; a server that is further behind is given up."""


async def record_microphone(sample_rate: int) -> AsyncIterator[bytes]:
    """Yield PCM16 mono from the default input device until Enter is pressed.

    Raises:
        CommandError: sounddevice, PortAudio or a microphone is missing, or the server fell 30 s behind.
    """
    sounddevice = _import_sounddevice()
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
    is_behind = False

    def put(block: bytes | None) -> None:
        nonlocal is_behind
        if is_behind:
            return
        is_behind = block is not None and blocks.qsize() >= MAX_WAITING_BLOCKS
        blocks.put_nowait(None if is_behind else block)

    def on_block(data: Any, *_: object) -> None:  # in PortAudio's thread
        samples = np.frombuffer(data, np.int16).reshape(-1, channels).T
        loop.call_soon_threadsafe(put, mixer.push(samples).tobytes())

    try:
        offered = sounddevice.query_devices(kind="input")["max_input_channels"]
        channels = max(1, min(MAX_CHANNELS, offered))
        mixer = ChannelMixer(channels, sample_rate)
        stream = sounddevice.RawInputStream(
            samplerate=sample_rate,
            channels=channels,
            dtype="int16",
            blocksize=sample_rate * BLOCK_MS // 1000,
            callback=on_block,
        )
    except sounddevice.PortAudioError as error:
        raise CommandError("no microphone can be opened; plug one in, or name a file to dictate") from error
    with stream:
        if sys.stdin.isatty():
            note_console().print("Speak. Enter ends the dictation, Ctrl-C drops it.", style="dim")
            threading.Thread(target=_wait_for_enter, args=(loop, put), daemon=True).start()
        while (block := await blocks.get()) is not None:
            yield block
    if is_behind:
        raise CommandError("the server fell 30 s behind the microphone; what was said after that is lost")


def _wait_for_enter(loop: asyncio.AbstractEventLoop, put: Any) -> None:
    sys.stdin.readline()
    if not loop.is_closed():
        loop.call_soon_threadsafe(put, None)


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise CommandError(
            f"the microphone needs sounddevice: install it with {advise_extra('mic')}, or name a file"
        ) from error
    except OSError as error:
        install = "apt install libportaudio2"
        raise CommandError(f"the microphone needs PortAudio: {install}; or name a file") from error
    return sounddevice
