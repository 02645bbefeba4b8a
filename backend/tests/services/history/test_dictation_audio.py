"""Kept audio of dictations: whole, for its user alone, and no longer than was said."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import numpy as np
import pytest

from app.core.errors import NotFound
from app.providers.media.flac import FlacCodec
from app.services.history import dictation_audio as keeping
from app.services.history.dictation_audio import DictationAudio, KeptAudio
from app.storage import dictations
from app.storage.audio_spool import FileSpool, SpooledDictation, SpoolEntry
from app.storage.common import utc_now
from app.storage.data_folder import AUDIO_FOLDER, SPOOL_FOLDER
from app.storage.database import Database
from app.storage.dictations import DictationBatch
from app.storage.kept_audio import FileKeptAudio
from app.storage.users import Users
from app.utils.ids import new_id
from tests.support.database import make_dictation, store_dictation
from tests.support.server import fake_settings

RATE_HZ = 16_000
SECOND = 2 * RATE_HZ


def tone(seconds: float, seed: int = 1) -> bytes:
    samples = np.random.default_rng(seed).integers(-500, 500, int(seconds * RATE_HZ))
    return samples.astype("<i2").tobytes()


class Room:
    """A data folder, and who keeps audio in it."""

    def __init__(self, database: Database, data_dir: Path, **settings: Any) -> None:
        self.folder, self.database = data_dir / AUDIO_FOLDER, database
        spool = data_dir / SPOOL_FOLDER
        self.spool = FileSpool(spool)
        self.spool.open()
        store = FileKeptAudio(self.folder, spool, FlacCodec())
        self.audio = DictationAudio(fake_settings(**settings), database, store)

    def record(
        self, user_id: UUID, dictation_id: UUID, audio: bytes, base_ms: int = 0, rate_hz: int = RATE_HZ
    ) -> SpoolEntry:
        about = SpooledDictation(
            dictation_id=dictation_id,
            user_id=user_id,
            session_label=None,
            started_at=utc_now(),
            rate_hz=rate_hz,
            base_ms=base_ms,
        )
        entry_id = new_id()
        self.spool.create(entry_id, about)
        self.spool.append(entry_id, 0, audio)
        return SpoolEntry(entry_id, about, 0, len(audio))

    async def keep(self, user_id: UUID, audio: bytes) -> UUID:
        """A dictation that has ended, with its audio."""
        dictation_id = await store_dictation(self.database, user_id, "hello")
        assert self.audio.keep(self.record(user_id, dictation_id, audio))
        return dictation_id

    def count(self) -> int:
        return len(list(self.folder.glob("*-*")))


@asynccontextmanager
async def open_room(database: Database, data_dir: Path, **settings: Any) -> AsyncIterator[Room]:
    room = Room(database, data_dir, **settings)
    async with room.audio.run():
        yield room
    room.spool.close()


async def read(room: Room, audio: KeptAudio, first: int, end: int) -> bytes:
    """Samples, as those who ask for a part of the WAV file get them."""
    return b"".join([piece async for piece in room.audio.read_wav(audio, 44 + first, 44 + end)])


async def until(condition: Any) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110  # a thread works
            await anyio.sleep(0.01)


async def set_switch(database: Database, user_id: UUID, *, keep_audio: bool | None) -> None:
    async with database.write() as session:
        await Users(session).change(user_id, keep_audio=keep_audio)


async def test_kept_audio_is_found_by_its_user_alone(
    database: Database, ana: UUID, bob: UUID, tmp_path: Path
) -> None:
    async with open_room(database, tmp_path) as room:
        id_, pcm = await room.keep(ana, tone(2.5)), tone(2.5)
        audio = room.audio.find(ana, id_)
        assert audio is not None
        assert (audio.ms, audio.rate_hz) == (2500, RATE_HZ)
        assert timedelta(hours=23) < audio.until - utc_now() <= timedelta(hours=24)
        assert await read(room, audio, 10, 20) == pcm[10:20]
        assert await room.audio.get(ana, str(id_)) == audio
        assert room.audio.find(bob, id_) is None
        for id_of in (str(id_), str(new_id()), "rubbish"):
            with pytest.raises(NotFound) as refused:
                await room.audio.get(bob, id_of)
            assert "no dictation has this id" in refused.value.message
        unkept = await store_dictation(database, ana, "hello")
        with pytest.raises(NotFound, match="audio"):
            await room.audio.get(ana, str(unkept))


async def test_sessions_lie_where_they_belong(database: Database, ana: UUID, tmp_path: Path) -> None:
    """The second one has the last second of the first again, and what comes between the others was lost."""
    first, second, third = tone(3, 1), tone(2, 2), tone(1, 3)
    id_ = await store_dictation(database, ana, "hello")
    async with open_room(database, tmp_path) as room:
        assert room.audio.keep(room.record(ana, id_, first))
        assert room.audio.keep(room.record(ana, id_, second, 2000))
        assert room.audio.keep(room.record(ana, id_, third, 4200))
        whole = first[: 2 * SECOND] + second + bytes(6400) + third
        file = io.BytesIO(b"something longer that was there before" * 10_000)
        audio = await room.audio.write_wav(ana, str(id_), file)
        assert (audio.ms, audio.size_bytes) == (5200, len(whole))
        with wave.open(file) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (RATE_HZ, 1, 2)
            assert wav.readframes(wav.getnframes()) == whole
        for low, high in ((0, 2), (2 * SECOND - 2, 2 * SECOND + 2), (4 * SECOND - 2, 4 * SECOND + 6402)):
            assert await read(room, audio, low, high) == whole[low:high]
        await room.audio.forget(id_)
        assert room.count() == 0


@pytest.mark.parametrize("fault", ["a hole", "another rate", "no beginning"])
async def test_what_is_not_whole_is_not_kept(
    database: Database, ana: UUID, tmp_path: Path, fault: str
) -> None:
    id_ = await store_dictation(database, ana, "hello")
    async with open_room(database, tmp_path) as room:
        if fault != "no beginning":
            assert room.audio.keep(room.record(ana, id_, tone(3)))
        base_ms, rate_hz = {
            "a hole": (5000, RATE_HZ),
            "another rate": (3000, 8000),
            "no beginning": (3000, RATE_HZ),
        }[fault]
        assert not room.audio.keep(room.record(ana, id_, tone(1), base_ms, rate_hz))
        assert room.audio.find(ana, id_) is None
        assert room.count() == 0


async def test_after_a_restart_all_is_there_and_small(database: Database, ana: UUID, tmp_path: Path) -> None:
    async with open_room(database, tmp_path) as room:
        id_ = await room.keep(ana, tone(2))
        before = room.audio.find(ana, id_)
    async with open_room(database, tmp_path) as room:
        await until(lambda: list(room.folder.rglob("*.flac")))
        assert room.audio.find(ana, id_) == before
        await room.audio.write_wav(ana, str(id_), file := io.BytesIO())
        assert file.read()[44:] == tone(2)


# -- how long


async def test_it_is_deleted_when_it_is_too_old_also_after_a_long_time_off(
    database: Database, ana: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_room(database, tmp_path) as room:
        id_ = await room.keep(ana, tone(1))
    monkeypatch.setattr(keeping, "utc_now", lambda: utc_now() + timedelta(hours=23, minutes=59))
    async with open_room(database, tmp_path) as room:
        assert room.audio.find(ana, id_) is not None
        monkeypatch.setattr(keeping, "utc_now", lambda: utc_now() + timedelta(hours=24))
        assert room.audio.find(ana, id_) is None  # at once, and soon from the disk
        with pytest.raises(NotFound):
            await room.audio.get(ana, str(id_))
    async with open_room(database, tmp_path) as room:
        assert room.count() == 0


async def test_it_is_deleted_in_time_while_the_server_runs(
    database: Database, ana: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK_S", 0.02)
    async with open_room(database, tmp_path, storage={"audio_hours": 0.3 / 3600}) as room:
        await room.keep(ana, tone(1))
        await until(lambda: room.count() == 0)


async def test_a_clock_that_is_set_back_prolongs_nothing(
    database: Database, ana: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a server that runs, nor in one that starts afterwards."""
    monkeypatch.setattr(keeping, "utc_now", lambda: utc_now() + timedelta(days=900))
    async with open_room(database, tmp_path) as room:
        id_ = await room.keep(ana, tone(1))
        monkeypatch.undo()
        monkeypatch.setattr(keeping, "LOOK_S", 0.02)
        room.audio.look()

        def is_redated() -> bool:
            audio = room.audio.find(ana, id_)
            return audio is not None and audio.until <= utc_now() + timedelta(hours=24)

        await until(is_redated)
        monkeypatch.setattr(
            keeping, "monotonic", lambda: 1e12
        )  # so much time has passed since, by this clock
        await until(lambda: room.count() == 0)


async def test_a_start_corrects_a_time_in_the_future(
    database: Database, ana: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "utc_now", lambda: utc_now() + timedelta(days=900))
    async with open_room(database, tmp_path) as room:
        id_ = await room.keep(ana, tone(1))
    monkeypatch.undo()
    for _ in range(2):
        async with open_room(database, tmp_path) as room:
            audio = room.audio.find(ana, id_)
            assert isinstance(audio, KeptAudio)
            assert audio.until <= utc_now() + timedelta(hours=24)


# -- for whom


@pytest.mark.parametrize(
    ("mode", "hours", "switch", "is_wanted"),
    [
        ("none", 24, None, True),
        ("none", 24, False, False),
        ("none", 0, True, False),
        ("accounts", 24, None, False),
        ("accounts", 24, True, True),
        ("accounts", 0, True, False),
    ],
)
async def test_who_wants_it(
    database: Database,
    ana: UUID,
    tmp_path: Path,
    *,
    mode: str,
    hours: int,
    switch: bool | None,
    is_wanted: bool,
) -> None:
    await set_switch(database, ana, keep_audio=switch)
    settings = {"accounts": {"mode": mode}, "storage": {"audio_hours": hours}}
    async with open_room(database, tmp_path, **settings) as room:
        assert await room.audio.is_wanted(ana) is is_wanted
        assert not await room.audio.is_wanted(new_id())


async def test_what_was_deleted_or_switched_off_elsewhere_goes_too(
    database: Database, ana: UUID, bob: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another server, by retention, by the command line: whoever it was, the next look finds it."""
    monkeypatch.setattr(keeping, "LOOK_S", 0.02)
    async with open_room(database, tmp_path) as room:
        deleted, kept, switched = [await room.keep(owner, tone(1)) for owner in (ana, ana, bob)]
        async with database.write() as session:
            await dictations.remove(session, ana, deleted)
        await set_switch(database, bob, keep_audio=False)
        await until(lambda: room.count() == 1 and room.audio.find(bob, switched) is None)
        assert room.audio.find(ana, kept) is not None
        async with database.write() as session:
            await Users(session).remove(ana)
        await until(lambda: room.count() == 0)


async def test_a_user_has_a_share_and_the_oldest_goes_first(
    database: Database, ana: UUID, bob: UUID, tmp_path: Path
) -> None:
    async with open_room(database, tmp_path, storage={"audio_mb": 1}) as room:
        theirs = await room.keep(bob, tone(20))
        first, second = await room.keep(ana, tone(10)), await room.keep(ana, tone(10))
        third = await room.keep(ana, tone(14))
        assert [room.audio.find(ana, id_) is not None for id_ in (first, second, third)] == [
            False,
            True,
            True,
        ]
        assert room.audio.find(bob, theirs) is not None
        id_ = await store_dictation(database, ana, "hello")
        assert not room.audio.keep(room.record(ana, id_, tone(40)))
        assert room.count() == 3


async def test_a_disk_that_fills_keeps_nothing_more(
    database: Database, ana: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_room(database, tmp_path) as room:
        monkeypatch.setattr(keeping, "ROOM_BYTES", 10**18)
        id_ = await store_dictation(database, ana, "hello")
        assert not room.audio.has_room()
        assert not room.audio.keep(room.record(ana, id_, tone(1)))


async def test_a_folder_that_another_server_has_is_left_alone(
    database: Database, ana: UUID, tmp_path: Path
) -> None:
    async with open_room(database, tmp_path) as room:
        id_ = await room.keep(ana, tone(1))
        second = Room.__new__(Room)
        second.__dict__.update(room.__dict__)
        store = FileKeptAudio(room.folder, tmp_path / SPOOL_FOLDER, FlacCodec())
        second.audio = DictationAudio(fake_settings(), database, store)
        async with second.audio.run():
            assert not await second.audio.is_wanted(ana)
            assert second.audio.find(ana, id_) is None
        assert room.audio.find(ana, id_) is not None


async def test_a_dictation_without_text_goes_with_its_audio(
    database: Database, ana: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a broken-off one that never had any goes after a day; what goes on, or has text, stays."""
    monkeypatch.setattr(keeping, "LOOK_S", 0.02)

    async def list_ids() -> set[UUID]:
        async with database.read() as session:
            return {each.id for each in (await dictations.list_page(session, ana)).items}

    old = replace(make_dictation(ana), started_at=utc_now() - timedelta(days=3))
    going_on, broken = old, replace(old, id=new_id(), state="interrupted")
    async with open_room(database, tmp_path) as room:
        spoken, silent = await room.keep(ana, tone(1)), await store_dictation(database, ana)
        assert room.audio.keep(room.record(ana, silent, tone(1)))
        await dictations.store_batch(database, DictationBatch(dictations=[going_on, broken]))
        with anyio.fail_after(30):
            while broken.id in await list_ids():  # noqa: ASYNC110  # another task deletes
                await anyio.sleep(0.01)
        assert await list_ids() == {spoken, silent, going_on.id}
        await room.audio.set_switch(ana, is_on=False)
        with anyio.fail_after(30):
            while silent in await list_ids():  # noqa: ASYNC110  # another task deletes
                await anyio.sleep(0.01)
        assert await list_ids() == {spoken, going_on.id}
        assert not await room.audio.read_switch(ana)
