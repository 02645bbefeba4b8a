"""The microphone gives its blocks in order, ends at Enter, and says what is wrong in one line."""

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.cli import microphone as module
from app.cli.common import CommandError
from app.cli.microphone import MAX_WAITING_BLOCKS, record_microphone


class FakeSounddevice:
    """A sound library whose microphone hears `blocks`, at once and from a thread of its own."""

    class PortAudioError(Exception):
        """No device."""

    def __init__(self, blocks: list[bytes], *, channels: int = 1, plugged_in: bool = True) -> None:
        self.blocks = blocks
        self.channels = channels
        self.plugged_in = plugged_in
        self.asked: dict[str, Any] = {}
        self.closed = threading.Event()

    def query_devices(self, *, kind: str) -> dict[str, Any]:
        assert kind == "input"
        if not self.plugged_in:
            raise self.PortAudioError("no default input device")
        return {"name": "fake", "max_input_channels": self.channels}

    def RawInputStream(self, callback: Callable[..., None], **asked: Any) -> "FakeSounddevice":  # noqa: N802
        if not self.plugged_in:
            raise self.PortAudioError("no default input device")
        self.asked = asked
        self._callback = callback
        return self

    def __enter__(self) -> None:
        thread = threading.Thread(target=self._speak)
        thread.start()
        thread.join()

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def say(self, block: bytes) -> None:
        """Give one more block, from a thread of its own."""
        self.blocks = [block]
        threading.Thread(target=self._speak).start()

    def _speak(self) -> None:
        for block in self.blocks:
            self._callback(memoryview(block), len(block) // 2, None, None)


class FakeKeyboard:
    """A terminal where Enter is pressed when the test says so."""

    def __init__(self) -> None:
        self.enter = threading.Event()

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self.enter.wait(timeout=60)
        return "\n"


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> FakeKeyboard:
    fake = FakeKeyboard()
    monkeypatch.setattr(sys, "stdin", fake)
    return fake


async def test_blocks_come_in_order_until_enter(
    monkeypatch: pytest.MonkeyPatch, keyboard: FakeKeyboard
) -> None:
    blocks = [bytes([number]) * 1600 for number in range(5)]
    device = FakeSounddevice(blocks)
    monkeypatch.setattr(module, "_import_sounddevice", lambda: device)
    heard = []
    async for block in record_microphone(16_000):
        heard.append(block)
        if len(heard) == len(blocks):
            keyboard.enter.set()
    assert heard == blocks
    assert device.asked == {"samplerate": 16_000, "channels": 1, "dtype": "int16", "blocksize": 800}
    assert device.closed.is_set()


@pytest.mark.parametrize("offered", [2, 32])
@pytest.mark.parametrize("other", [1, -1, 0], ids=["equal", "inverted", "silent"])
async def test_no_channel_cancels_another(
    monkeypatch: pytest.MonkeyPatch, keyboard: FakeKeyboard, offered: int, other: int
) -> None:
    voice = (8000 * np.sin(np.arange(8000) / 9)).astype(np.int16)
    frames = np.stack([voice, other * voice], axis=1)
    device = FakeSounddevice([block.tobytes() for block in np.split(frames, 10)], channels=offered)
    monkeypatch.setattr(module, "_import_sounddevice", lambda: device)
    heard = b""
    async for block in record_microphone(16_000):
        heard += block
        if len(heard) == voice.nbytes:
            keyboard.enter.set()
    assert np.allclose(np.frombuffer(heard, np.int16), voice, atol=1)
    assert device.asked["channels"] == 2


async def test_the_end_of_the_last_word_is_recorded_too(
    monkeypatch: pytest.MonkeyPatch, keyboard: FakeKeyboard
) -> None:
    """Who presses Enter, or Ctrl-C, still speaks."""
    device = FakeSounddevice([b"\1\0" * 800])
    monkeypatch.setattr(module, "_import_sounddevice", lambda: device)
    ended = asyncio.Event()
    heard = []
    async for block in record_microphone(16_000, ended):
        heard.append(block)
        ended.set()
        if len(heard) == 1:
            device.say(b"\2\0" * 800)
    assert heard == [b"\1\0" * 800, b"\2\0" * 800]


@pytest.mark.parametrize(("zeros", "told"), [(2, ["Speak."]), (8, ["waiting for the microphone", "Speak."])])
async def test_a_microphone_that_wakes_up_is_waited_for_and_nothing_of_it_is_left_out(
    monkeypatch: pytest.MonkeyPatch, keyboard: FakeKeyboard, zeros: int, told: list[str]
) -> None:
    blocks = [bytes(1600)] * zeros + [b"\1\0" * 800]
    monkeypatch.setattr(module, "_import_sounddevice", lambda: FakeSounddevice(blocks))
    ended = asyncio.Event()
    ended.set()
    lines: list[str] = []
    heard = [block async for block in record_microphone(16_000, ended, lines.append)]
    assert heard == blocks
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told)


async def test_no_microphone_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_import_sounddevice", lambda: FakeSounddevice([], plugged_in=False))
    with pytest.raises(CommandError, match="name a file to dictate"):
        [block async for block in record_microphone(16_000)]


async def test_a_server_that_falls_behind_is_told_and_not_buffered_for_ever(
    monkeypatch: pytest.MonkeyPatch, keyboard: FakeKeyboard
) -> None:
    """It ends by itself: the person who speaks must not go on for nothing."""
    device = FakeSounddevice([bytes(1600)] * (MAX_WAITING_BLOCKS + 50))
    monkeypatch.setattr(module, "_import_sounddevice", lambda: device)
    heard = 0

    async def listen() -> None:
        nonlocal heard
        async for _ in record_microphone(16_000):
            heard += 1

    with pytest.raises(CommandError, match="could not be taken for 30 s"):
        await listen()
    assert heard == MAX_WAITING_BLOCKS
