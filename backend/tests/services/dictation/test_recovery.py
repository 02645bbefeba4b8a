"""Audio of dictations that broke off: whoever cannot have it now leaves it for the next who asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core.errors import StorageUnavailable
from app.core.metrics import Observer
from app.services.dictation.journal import JournalWriter
from app.services.dictation.recovery import Recovery
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_writer import DictationStore, DictationWriter
from app.services.history.transcripts import RecentTranscripts
from app.storage.audio_spool import SpoolEntry
from app.storage.database import Database
from app.utils.ids import new_id
from tests.services.dictation.test_spool import OWNER, SECOND, FakeDisk, FakeKeeper, describe, until
from tests.support.server import fake_settings

RATE_HZ = 16_000


class FakeDatabase(Database):
    """A database that can be away."""

    def __init__(self, database: Database) -> None:
        self.__dict__.update(database.__dict__)
        self.is_away = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        if self.is_away:
            raise StorageUnavailable("the database cannot be read")
        async with super().read() as session:
            yield session


@asynccontextmanager
async def run_recovery(
    database: Database, disk: FakeDisk, *, resume_s: float = 600
) -> AsyncIterator[tuple[Recovery, AudioSpool]]:
    """Without an engine: nothing can be transcribed."""
    settings = fake_settings(limits={"resume_s": resume_s})
    spool = AudioSpool(settings, disk, FakeKeeper(disk))
    writer = DictationWriter(database, 10, Observer())
    store = DictationStore(writer, RecentTranscripts(10), database)
    transcriptions: Any = None
    journals = JournalWriter(settings, database, Observer())
    recovery = Recovery(settings, spool, transcriptions, database, writer, store, journals)
    async with recovery.tasks.run(), spool.run():
        yield recovery, spool


@pytest.mark.parametrize("fault", ["database", "disk"])
async def test_what_cannot_be_claimed_now_is_there_for_the_next(database: Database, fault: str) -> None:
    about = describe(RATE_HZ)
    entry = SpoolEntry(new_id(), about, 0, len(SECOND))
    disk = FakeDisk(entry)
    stored = FakeDatabase(database)
    async with run_recovery(stored, disk) as (recovery, _):
        disk.is_torn = fault == "disk"
        stored.is_away = fault == "database"
        with pytest.raises((StorageUnavailable, OSError)):
            await recovery.claim(OWNER, None, about.dictation_id, RATE_HZ, None)
        disk.is_torn = stored.is_away = False
        disk.audio[entry.id] = bytearray(SECOND)
        claim = await recovery.claim(OWNER, None, about.dictation_id, RATE_HZ, None)
        assert claim is not None
        assert (claim.audio, claim.safe_ms, claim.recorder.id) == (SECOND, 1000, about.dictation_id)
        assert await recovery.claim(OWNER, None, about.dictation_id, RATE_HZ, None) is None


async def test_audio_whose_text_is_all_stored_is_deleted(database: Database) -> None:
    """The server died between the two; an engine is not asked."""
    entry = SpoolEntry(new_id(), describe(RATE_HZ), len(SECOND), len(SECOND))
    disk = FakeDisk(entry)
    disk.audio[entry.id] = bytearray(SECOND)
    async with run_recovery(database, disk, resume_s=0) as (_, spool):
        await until(spool, lambda: not disk.audio)


async def test_a_dictation_that_is_waited_for_is_known(database: Database) -> None:
    """It goes on, however many others dictate meanwhile."""
    entry = SpoolEntry(new_id(), describe(RATE_HZ), 0, len(SECOND))
    async with run_recovery(database, FakeDisk(entry)) as (recovery, _):
        assert await recovery.knows(OWNER, entry.about.dictation_id)
        assert not await recovery.knows(new_id(), entry.about.dictation_id)
        assert not await recovery.knows(OWNER, new_id())
