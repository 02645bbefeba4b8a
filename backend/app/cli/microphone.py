"""The microphone as a stream of chunks, by sounddevice, until Enter or Ctrl-C is pressed."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from app.cli.common import CommandError, note_console
from app.core.extras import advise_extra
from app.utils.channels import ChannelMixer

BLOCK_MS = 50
MAX_CHANNELS = 2
"""Some systems offer dozens of channels of one device, copies of these."""
MAX_WAITING_BLOCKS = 600
"""30 s of audio; whoever takes it and is further behind is given up."""
TAIL_S = 0.3
"""What is recorded after the end: people press Enter before their last sound is over (s)."""
WAKING_BLOCKS = 6
"""A microphone that gives so many blocks of zeros at first is told to be waited for."""


async def record_microphone(
    sample_rate: int,
    ended: asyncio.Event | None = None,
    tell: Callable[[str], None] | None = None,
) -> AsyncIterator[bytes]:
    """Yield PCM16 mono from the default input device until Enter is pressed or `ended` is set, and a moment more.

    `tell` is given what to say to the person who speaks.

    Raises:
        CommandError: sounddevice, PortAudio or a microphone is missing, or what it gives is not taken for 30 s.
    """
    sounddevice = _import_sounddevice()
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
    ended = ended or asyncio.Event()
    waking = _Waking(tell or _print_note)
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

    async def end_after_tail() -> None:
        await ended.wait()
        await asyncio.sleep(TAIL_S)
        put(None)

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
    ending = asyncio.ensure_future(end_after_tail())
    try:
        with stream:
            if sys.stdin.isatty():
                threading.Thread(target=_wait_for_enter, args=(loop, ended), daemon=True).start()
            while (block := await blocks.get()) is not None:
                waking.push(block)
                yield block
    finally:
        ending.cancel()
    if is_behind:
        raise CommandError(
            "what the microphone gave could not be taken for 30 s; what was said after is lost"
        )


class _Waking:
    """Says when the microphone is heard: a wireless one gives zeros until it is awake."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._zeros = 0
        self._is_awake = False

    def push(self, block: bytes) -> None:
        if self._is_awake:
            return
        self._is_awake = any(block)
        self._zeros += 1
        if self._is_awake:
            is_terminal = sys.stdin.isatty()
            if is_terminal:
                self._tell("Speak. Enter or Ctrl-C ends the dictation.")
            elif self._zeros > WAKING_BLOCKS:
                self._tell("the microphone is heard now")
        elif self._zeros == WAKING_BLOCKS:
            self._tell("waiting for the microphone …")


def _print_note(line: str) -> None:
    note_console().print(line, style="dim", markup=False)


def _wait_for_enter(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    sys.stdin.readline()
    if not loop.is_closed():
        loop.call_soon_threadsafe(ended.set)


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
