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
        self.is_whole: dict[UUID, bool] = {}
        self.waiting = 0
        """Calls that a stalled disk holds up."""

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

    def settle(self, entry_id: UUID, position: int, *, delete: bool) -> None:
        self._check()
        self.settled[entry_id] = position
        self.is_whole[entry_id] = not delete

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
        self.waiting += 1
        self.goes_on.wait(10)
        self.waiting -= 1
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


class FakeKeeper:
    """Keeps what it is given, for users who want that."""

    def __init__(self, disk: FakeDisk, *, is_wanted: bool = False) -> None:
        self.disk = disk
        self.wants = is_wanted
        self.room = True
        self.kept: dict[UUID, SpoolEntry] = {}

    async def is_wanted(self, user_id: UUID) -> bool:
        return self.wants

    def has_room(self) -> bool:
        return self.room

    def keep(self, entry: SpoolEntry) -> bool:
        self.kept[entry.id] = entry
        return self.disk.audio.pop(entry.id, None) is not None

    def drop(self, dictation_id: UUID) -> None:
        for entry in list(self.kept.values()):
            if entry.about.dictation_id == dictation_id:
                del self.kept[entry.id]

    async def forget(self, dictation_id: UUID) -> None:
        self.drop(dictation_id)

    def look(self) -> None:
        pass


def describe(rate_hz: int, owner: UUID = OWNER) -> SpooledDictation:
    return SpooledDictation(
        dictation_id=new_id(), user_id=owner, session_label=None, started_at=utc_now(), rate_hz=rate_hz
    )


def record() -> DictationRecorder:
    return DictationRecorder(None, OWNER, None)


def stored() -> DictationRecorder:
    """Of a dictation that has its row."""
    recorder = record()
    recorder.is_stored = True
    return recorder


@asynccontextmanager
async def run_spool(
    disk: FakeDisk, keeper: FakeKeeper | None = None, **storage: Any
) -> AsyncIterator[AudioSpool]:
    spool = AudioSpool(fake_settings(storage=storage), disk, keeper or FakeKeeper(disk))
    async with spool.run():
        yield spool


def begin(spool: AudioSpool, recorder: DictationRecorder | None = None) -> SpooledAudio:
    audio = spool.begin(OWNER, describe, recorder or record())
    assert audio is not None
    return audio


async def until(spool: AudioSpool, condition: Any) -> None:
    with anyio.fail_after(30):
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
        with anyio.fail_after(30):
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


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_audio_of_a_session_that_goes_on_replaces_the_former_one(*, is_wanted: bool) -> None:
    disk = FakeDisk()
    former = SpoolEntry(new_id(), describe(16_000), 0, len(SECOND))
    disk.audio[former.id] = bytearray(SECOND)
    keeper = FakeKeeper(disk, is_wanted=is_wanted)
    async with run_spool(disk, keeper) as spool:
        audio = begin(spool)
        await until(spool, lambda: audio.is_kept is not None)
        audio.replace(former, SECOND, 16_000)
        await until(spool, lambda: former.id not in disk.audio)
        assert disk.audio[audio.id] == SECOND
        assert list(keeper.kept) == ([former.id] if is_wanted else [])


# -- audio that its user wants to be kept


async def test_audio_that_is_wanted_stays_whole_and_is_handed_on() -> None:
    disk = FakeDisk()
    keeper = FakeKeeper(disk, is_wanted=True)
    async with run_spool(disk, keeper) as spool:
        audio = begin(spool, stored())
        audio.append(SECOND + SECOND, 16_000)
        await until(spool, lambda: audio.safe_ms == 2000)
        audio.settle(16_000)
        await until(spool, lambda: disk.settled.get(audio.id) == 32_000)
        assert disk.is_whole[audio.id]
        audio.end(is_whole=True)
        await until(spool, lambda: audio.id not in disk.audio)
        assert (keeper.kept[audio.id].end, keeper.kept[audio.id].about) == (64_000, audio.about)


async def test_nothing_is_deleted_before_it_is_known_what_the_user_wants() -> None:
    """And nothing is handed on: the database may take its time to say."""
    disk = FakeDisk()

    class Slow(FakeKeeper):
        says = anyio.Event()

        async def is_wanted(self, user_id: UUID) -> bool:
            await self.says.wait()
            return False

    keeper = Slow(disk)
    async with run_spool(disk, keeper) as spool:
        audio = begin(spool, stored())
        audio.append(SECOND, 16_000)
        await until(spool, lambda: audio.safe_ms == 1000)
        audio.settle(16_000)
        await until(spool, lambda: disk.is_whole.get(audio.id))
        audio.end(is_whole=True)
        keeper.says.set()
        await until(spool, lambda: audio.id not in disk.audio)
        assert not keeper.kept


@pytest.mark.parametrize("fault", ["no row", "a full disk", "no room", "deleted"])
async def test_audio_that_is_not_whole_or_not_to_be_found_is_not_kept(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "ROOM_CHECK_BYTES", len(SECOND))
    disk = FakeDisk()
    keeper = FakeKeeper(disk, is_wanted=True)
    async with run_spool(disk, keeper) as spool:
        recorder = stored() if fault != "no row" else record()
        audio = begin(spool, recorder)
        audio.append(SECOND, 16_000)
        await until(spool, lambda: audio.safe_ms == 1000)
        await until(spool, lambda: audio.is_kept)
        disk.is_full, keeper.room = fault == "a full disk", fault != "no room"
        audio.append(SECOND, 16_000)
        await until(spool, lambda: audio.problem or audio.safe_ms == 2000)
        disk.is_full = False
        if fault == "deleted":
            await spool.forget(recorder.id)
            assert audio.id not in disk.audio
            audio.append(SECOND, 16_000)
        audio.end(is_whole=True)
        await until(spool, lambda: audio.is_released)
        assert not disk.audio
        assert not keeper.kept


async def test_audio_of_the_former_session_is_deleted_though_nothing_follows() -> None:
    """All of it had its text, and the client had no more to say."""
    disk = FakeDisk()
    former = SpoolEntry(new_id(), describe(16_000), len(SECOND), len(SECOND))
    disk.audio[former.id] = bytearray(SECOND)
    async with run_spool(disk) as spool:
        audio = begin(spool)
        audio.replace(former, b"", 16_000)
        audio.end(is_whole=True)
        await until(spool, lambda: former.id not in disk.audio)


async def test_audio_that_comes_while_the_disk_is_busy_is_left_too() -> None:
    """The dictation breaks off while a piece of it is being written."""
    disk = FakeDisk()
    left: list[SpoolEntry] = []
    async with run_spool(disk) as spool:
        spool.on_left = left.append
        audio = begin(spool)
        disk.goes_on.clear()
        audio.append(SECOND, 16_000)
        await until(spool, lambda: disk.waiting == 1)
        audio.append(SECOND, 16_000)
        audio.end(is_whole=False)
        disk.goes_on.set()
        await until(spool, lambda: bool(left))
        assert await spool.read(left[0]) == SECOND + SECOND


@pytest.mark.parametrize("full_at", range(6))
async def test_a_disk_that_is_full_at_any_write_costs_no_dictation(full_at: int) -> None:
    """Create, append, append, settle …: what was written before is what a crash would leave."""
    disk = FakeDisk()
    async with run_spool(disk) as spool:
        audio = begin(spool)
        for n in range(6):
            disk.is_full = n >= full_at
            audio.append(SECOND, 16_000)
            if not disk.is_full:
                await until(spool, lambda n=n: audio.safe_ms == 1000 * (n + 1))
            audio.settle(16_000 * n)
            await spool.write_now()
        assert bool(audio.problem) == (full_at < 6)
        assert audio.safe_ms == 1000 * full_at
        entry = audio.to_entry()
        assert (entry is None) == (full_at == 0)
        if entry is not None:
            assert len(await spool.read(entry)) == entry.end - entry.settled
        audio.end(is_whole=True)
        await until(spool, lambda: not disk.audio)


@pytest.mark.parametrize("switched_off", [True, False])
async def test_without_a_spool_nothing_is_kept(*, switched_off: bool) -> None:
    disk = FakeDisk()
    disk.is_full = not switched_off  # then it cannot even be opened
    async with run_spool(disk, spool=not switched_off) as spool:
        assert spool.begin(OWNER, describe, record()) is None
