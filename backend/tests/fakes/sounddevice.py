"""A sound library for a command in a process of its own: its microphone speaks the recording that a test names.

A test copies this file to a folder of the command's path. FAKE_MICROPHONE is a WAV of one channel; FAKE_SPEED how much
faster than life it is spoken. After it the microphone goes on with the noise of a quiet room, or gives nothing more
from FAKE_UNTIL_S of the recording on.
"""

import os
import threading
import wave
from collections.abc import Callable


class PortAudioError(Exception):
    """No device."""


def query_devices(*, kind: str) -> dict[str, object]:
    return {"name": kind, "max_input_channels": 1}


class RawInputStream:
    """Gives block after block, from a thread of its own, until it is closed."""

    def __init__(
        self, samplerate: int, channels: int, dtype: str, blocksize: int, callback: Callable[..., None]
    ) -> None:
        with wave.open(os.environ["FAKE_MICROPHONE"]) as file:
            assert (file.getframerate(), file.getnchannels(), dtype) == (samplerate, channels, "int16")
            self._speech = file.readframes(file.getnframes())
        self._samples = blocksize
        self._pause_s = blocksize / samplerate / float(os.environ.get("FAKE_SPEED", "1"))
        self._callback = callback
        self._until = 2 * int(samplerate * float(os.environ.get("FAKE_UNTIL_S", "1e6")))
        self._is_closed = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._speak, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()

    def _speak(self) -> None:
        at, size = 0, 2 * self._samples
        while at < self._until and not self._is_closed.wait(self._pause_s):
            block = self._speech[at : at + size]
            at += size
            self._callback(block + b"\1\0" * ((size - len(block)) // 2), self._samples, None, None)
