"""Audio on a server's disk, of a dictation that the log of sessions has too: it is neither lost nor told twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import anyio
import orjson
import pytest

from app.core.errors import EngineFailed
from app.core.metrics import Observer
from app.services.dictation import recovery as recovery_module
from app.services.dictation.journal import JournalWriter
from app.services.dictation.recovery import Recovery
from app.services.dictation.session_state import SessionAbout, SessionState, dump_state
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_writer import DictationStore, DictationWriter
from app.services.history.transcripts import RecentTranscripts
from app.storage import session_log
from app.storage.audio_spool import SpooledDictation, SpoolEntry
from app.storage.database import Database
from app.storage.session_log import SessionAppend, SessionBeginning
from app.utils.ids import new_id
from tests.services.dictation.test_spool import SECOND, FakeDisk, FakeKeeper, describe
from tests.support.database import PostgresServer, add_user, make_settings
from tests.support.server import fake_settings

PATIENCE_S = 60


@dataclass
class Engine:
    """Says that it was asked for text; it makes none."""

    asked: anyio.Event = field(default_factory=anyio.Event)

    def reserve(self) -> NoReturn:
        self.asked.set()
        raise EngineFailed("it cannot")


@dataclass
class Bench:
    database: Database
    journals: JournalWriter
    about: SpooledDictation
    disk: FakeDisk
    engine: Engine = field(default_factory=Engine)

    def begin(self, session_id: UUID, run_id: UUID) -> SessionBeginning:
        about = SessionAbout(
            config={}, provider="fake", model=None, started_at=self.about.started_at, base_ms=0
        )
        return SessionBeginning(
            id=session_id,
            epoch=1,
            user_id=self.about.user_id,
            dictation_id=self.about.dictation_id,
            run_id=run_id,
            token_hash="t1",
            label=None,
            earlier_token_hash=None,
            earlier_label=None,
            about=about.dump(),
        )

    async def log(self, seconds: int) -> UUID:
        """Another server has written so much of the dictation, and goes on with it."""
        beginning = self.begin(new_id(), new_id())
        pcm = SECOND * seconds
        append = SessionAppend(id=beginning.id, epoch=1, state=dump(written=len(pcm)), pcm=pcm)
        async with self.database.write() as session:
            assert await session_log.begin(session, beginning)
            await session_log.append(session, [append])
        return beginning.id

    @asynccontextmanager
    async def recover(self, seconds: int) -> AsyncIterator[None]:
        """A server begins that has so much of it on its disk, from a process that was killed."""
        entry = SpoolEntry(new_id(), self.about, 0, len(SECOND) * seconds)
        self.disk.left, self.disk.audio[entry.id] = [entry], bytearray(SECOND * seconds)
        settings = fake_settings(limits={"resume_s": 0.01})
        spool = AudioSpool(settings, self.disk, FakeKeeper(self.disk))
        writer = DictationWriter(self.database, 10, Observer())
        store = DictationStore(writer, RecentTranscripts(10), self.database)
        engine: Any = self.engine
        recovery = Recovery(settings, spool, engine, self.database, writer, store, self.journals)
        async with recovery.tasks.run(), spool.run():
            yield

    async def wait_for_text(self) -> None:
        with anyio.fail_after(PATIENCE_S):
            await self.engine.asked.wait()


def dump(written: int) -> str:
    state = SessionState(
        seq=1,
        audio_seq=1,
        rate_hz=16_000,
        odd="",
        is_over=False,
        is_stopping=False,
        needed=0,
        written=written,
    )
    return orjson.dumps(dump_state(state)).decode()


@pytest.fixture
async def bench(
    postgres_server: PostgresServer,
    postgres_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(recovery_module, "RETRY_S", 0.05)
    settings = make_settings(tmp_path, postgres_server.create(postgres_template))
    database = Database(settings)
    about = replace(describe(16_000, await add_user(database, "ana")), provider="fake")
    journals = JournalWriter(settings, database, Observer())
    yield Bench(database, journals, about, FakeDisk())
    await database.aclose()


async def test_audio_that_the_log_has_is_left_to_the_log(bench: Bench) -> None:
    await bench.log(2)
    async with bench.recover(2):
        with anyio.fail_after(PATIENCE_S):
            while bench.disk.audio:  # noqa: ASYNC110  # a thread writes
                await anyio.sleep(0.01)
    assert not bench.engine.asked.is_set()


async def test_audio_of_an_outage_is_kept_until_nobody_else_has_the_dictation(bench: Bench) -> None:
    """The process before was killed, or stopped, while the database was away: the log lacks what was said then."""
    session_id = await bench.log(1)
    async with bench.recover(4):
        await wait_for_looks(bench, 3)
        assert bench.disk.audio
        assert not bench.engine.asked.is_set()
        async with bench.database.write() as session:
            await session_log.remove(session, [(session_id, 1)])
        await bench.wait_for_text()
    assert bench.disk.audio


async def wait_for_looks(bench: Bench, count: int) -> None:
    """Until the log has been asked for the dictation so often."""
    find, seen = bench.journals.find_dictation, anyio.Event()
    counted = 0

    async def look(owner: UUID, dictation_id: UUID) -> Any:
        nonlocal counted
        counted += 1
        if counted >= count:
            seen.set()
        return await find(owner, dictation_id)

    bench.journals.find_dictation = look  # type: ignore[method-assign]
    with anyio.fail_after(PATIENCE_S):
        await seen.wait()


async def test_a_dictation_that_failed_here_becomes_text_here(bench: Bench) -> None:
    """Its session is still in the log, because its client may come back: nobody else goes on with it."""
    written = anyio.Event()
    journal = bench.journals.open(None, 1, lambda: orjson.loads(dump(0)), written.set, lambda: None)
    journal.begin(bench.begin(journal.id, bench.journals.run_id))
    async with bench.journals.run():
        with anyio.fail_after(PATIENCE_S):
            await written.wait()
        async with bench.recover(1):
            await bench.wait_for_text()
    assert bench.disk.audio
