"""Audio of dictations that broke off: whoever cannot have it now leaves it for the next who asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core.errors import StorageUnavailable
from app.core.metrics import Observer
from app.services.dictation.recovery import Recovery
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_writer import DictationStore, DictationWriter
from app.services.history.transcripts import RecentTranscripts
from app.storage.audio_spool import SpoolEntry
from app.storage.database import Database
from app.utils.ids import new_id
from tests.services.dictation.test_spool import OWNER, SECOND, FakeDisk, FakeKeeper, describe
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


@pytest.mark.parametrize("fault", ["database", "disk"])
async def test_what_cannot_be_claimed_now_is_there_for_the_next(database: Database, fault: str) -> None:
    about = describe(RATE_HZ)
    entry = SpoolEntry(new_id(), about, 0, len(SECOND))
    disk = FakeDisk(entry)
    stored = FakeDatabase(database)
    settings = fake_settings(limits={"resume_s": 600})
    spool = AudioSpool(settings, disk, FakeKeeper(disk))
    writer = DictationWriter(stored, 10, Observer())
    store = DictationStore(writer, RecentTranscripts(10), stored)
    transcriptions: Any = None  # nothing is transcribed before `resume_s` is over
    recovery = Recovery(settings, spool, transcriptions, stored, writer, store)
    async with recovery.tasks.run(), spool.run():
        disk.is_torn = fault == "disk"
        stored.is_away = fault == "database"
        with pytest.raises((StorageUnavailable, OSError)):
            await recovery.claim(OWNER, None, about.dictation_id, RATE_HZ)
        disk.is_torn = stored.is_away = False
        disk.audio[entry.id] = bytearray(SECOND)
        claim = await recovery.claim(OWNER, None, about.dictation_id, RATE_HZ)
        assert claim is not None
        assert (claim.audio, claim.safe_ms, claim.recorder.id) == (SECOND, 1000, about.dictation_id)
        assert await recovery.claim(OWNER, None, about.dictation_id, RATE_HZ) is None
