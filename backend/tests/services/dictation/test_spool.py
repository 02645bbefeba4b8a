"""Audio that is kept while people speak: a disk that fails, stalls or is full costs the spool, and no dictation."""

import errno
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import anyio
import pytest

from app.services.dictation import spool as spool_module
from app.services.dictation.spool import AudioSpool, SpooledAudio
from app.services.history.dictation_writer import DictationRecorder
from app.storage.audio_spool import SpooledDictation, SpoolEntry
from app.storage.common import utc_now
from app.utils.ids import new_id
from tests.support.server import fake_settings

OWNER = new_id()
SECOND = bytes(32_000)


class FakeDisk:
    """A `SpoolStore` in memory that can stall and be full."""

    def __init__(self, *left: SpoolEntry) -> None:
        self.audio: dict[UUID, bytearray] = {}
        self.left = list(left)
        self.is_full = False
        self.is_torn = False
        """Nothing can be read."""
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.settled: dict[UUID, int] = {}
        self.free: int | None = None

    def open(self) -> None:
        self._check()

    def close(self) -> None:
        pass

    def create(self, entry_id: UUID, about: SpooledDictation) -> None:
        self._check()
        self.audio[entry_id] = bytearray()

    def append(self, entry_id: UUID, position: int, audio: bytes) -> None:
        self._check()
        assert position == len(self.audio[entry_id])
        self.audio[entry_id] += audio

    def settle(self, entry_id: UUID, position: int) -> None:
        self._check()
        self.settled[entry_id] = position

    def remove(self, entry_id: UUID) -> None:
        self.audio.pop(entry_id, None)

    def list_entries(self) -> list[SpoolEntry]:
        return self.left

    def read(self, entry: SpoolEntry) -> bytes:
        if self.is_torn:
            raise OSError(errno.EIO, "Input/output error")
        return bytes(self.audio[entry.id][entry.settled :])

    def free_bytes(self) -> int | None:
        return self.free

    def _check(self) -> None:
        self.goes_on.wait(10)
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def describe(rate_hz: int, owner: UUID = OWNER) -> SpooledDictation:
    return SpooledDictation(
        dictation_id=new_id(), user_id=owner, session_label=None, started_at=utc_now(), rate_hz=rate_hz
    )


def record() -> DictationRecorder:
    return DictationRecorder(None, OWNER, None)


@asynccontextmanager
async def run_spool(disk: FakeDisk, **storage: Any) -> AsyncIterator[AudioSpool]:
    spool = AudioSpool(fake_settings(storage=storage), disk)
    async with spool.run():
        yield spool


def begin(spool: AudioSpool) -> SpooledAudio:
    audio = spool.begin(describe, record())
    assert audio is not None
    return audio


async def until(spool: AudioSpool, condition: Any) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110  # a thread writes
            await anyio.sleep(0.01)


async def test_audio_is_written_settled_and_deleted() -> None:
    disk = FakeDisk()
    async with run_spool(disk) as spool:
        audio = begin(spool)
        for _ in range(3):
            audio.append(SECOND, 16_000)
        await until(spool, lambda: audio.safe_ms == 3000)
        audio.settle(16_000)
        await until(spool, lambda: disk.settled.get(audio.id) == 32_000)
        audio.end(is_whole=True)
        await until(spool, lambda: audio.id not in disk.audio)


async def test_a_disk_that_stalls_holds_nobody_up() -> None:
    disk = FakeDisk()
    async with run_spool(disk) as spool:
        disk.goes_on.clear()
        audio = begin(spool)
        with anyio.fail_after(1):
            for _ in range(60):
                audio.append(SECOND, 16_000)
                await anyio.lowlevel.checkpoint()
        assert (audio.safe_ms, audio.problem) == (0, "")
        disk.goes_on.set()
        await until(spool, lambda: audio.safe_ms == 60_000)


async def test_what_waits_for_a_dead_disk_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MOST_WAITING_BYTES", 5 * len(SECOND))
    disk = FakeDisk()
    async with run_spool(disk) as spool:
        disk.goes_on.clear()
        audio = begin(spool)
        for _ in range(6):
            audio.append(SECOND, 16_000)
        assert "keep up" in audio.problem
        disk.goes_on.set()


async def test_a_full_disk_ends_the_spool_alone(caplog: pytest.LogCaptureFixture) -> None:
    disk = FakeDisk()
    async with run_spool(disk) as spool:
        first = begin(spool)
        first.append(SECOND, 16_000)
        await until(spool, lambda: first.safe_ms == 1000)
        disk.is_full = True
        first.append(SECOND, 16_000)
        await until(spool, lambda: bool(first.problem))
        first.append(SECOND, 16_000)
        assert first.safe_ms == 1000
        assert first.disk_left_s == 0
        disk.is_full = False
        second = begin(spool)
        second.append(SECOND, 16_000)
        await until(spool, lambda: second.safe_ms == 1000)
        first.end(is_whole=True)
        await until(spool, lambda: first.id not in disk.audio)
    assert caplog.text.count("No space left on device") == 1


async def test_a_user_has_a_share_of_the_disk() -> None:
    disk = FakeDisk()
    async with run_spool(disk, spool_mb=1) as spool:
        audio = begin(spool)
        for _ in range(40):
            audio.append(SECOND, 16_000)
        await until(spool, lambda: "spool_mb" in audio.problem)
        assert audio.share_left_s == 0


async def test_the_time_that_the_disk_leaves_is_that_of_all_who_speak() -> None:
    disk = FakeDisk()
    disk.free = 640_000
    async with run_spool(disk) as spool:
        one, other = begin(spool), begin(spool)
        one.append(SECOND, 16_000)
        await until(spool, lambda: one.disk_left_s == 20)
        other.append(SECOND, 16_000)
        await until(spool, lambda: one.disk_left_s == other.disk_left_s == 10)
        disk.free = None
        await until(spool, lambda: one.disk_left_s is None)


async def test_what_broke_off_is_left_for_its_own_user() -> None:
    disk = FakeDisk()
    left: list[SpoolEntry] = []
    async with run_spool(disk) as spool:
        spool.on_left = left.append
        audio = begin(spool)
        audio.append(SECOND, 16_000)
        await until(spool, lambda: audio.safe_ms == 1000)
        audio.end(is_whole=False)
        await until(spool, lambda: bool(left))
        about = left[0].about
        assert spool.claim(new_id(), about.dictation_id, 16_000) is None
        assert spool.claim(OWNER, new_id(), 16_000) is None
        assert spool.claim(OWNER, about.dictation_id, 48_000) is None
        entry = spool.claim(OWNER, about.dictation_id, 16_000)
        assert entry is not None
        assert await spool.read(entry) == SECOND
        assert not spool.take(entry)
        spool.give_back(entry)
        await spool.forget(about.dictation_id)
        assert not disk.audio


async def test_audio_of_a_session_that_goes_on_replaces_the_former_one() -> None:
    disk = FakeDisk()
    former = new_id()
    disk.audio[former] = bytearray(SECOND)
    async with run_spool(disk) as spool:
        audio = begin(spool)
        audio.replaces = former
        audio.append(SECOND, 16_000)
        await until(spool, lambda: former not in disk.audio)
        assert disk.audio[audio.id] == SECOND


@pytest.mark.parametrize("switched_off", [True, False])
async def test_without_a_spool_nothing_is_kept(*, switched_off: bool) -> None:
    disk = FakeDisk()
    disk.is_full = not switched_off  # then it cannot even be opened
    async with run_spool(disk, spool=not switched_off) as spool:
        assert spool.begin(describe, record()) is None
