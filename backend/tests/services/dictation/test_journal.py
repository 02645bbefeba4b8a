"""The journal of sessions: what counts leaves when it is written, at once during an outage, never where it is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from app.core.errors import StorageUnavailable
from app.core.metrics import Observer
from app.services.dictation import journal as journal_module
from app.services.dictation.events import Event
from app.services.dictation.journal import JournalWriter, SessionJournal
from app.storage import session_log
from app.storage.session_log import LoggedSession, SessionBeginning
from app.utils.ids import new_id
from tests.support.database import FailingDatabase, PostgresServer, add_user, make_settings

PATIENCE_S = 60


@dataclass
class Life:
    """A session without speech."""

    seq: int = 0
    calls: list[str] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    def read_state(self) -> dict[str, Any]:
        return {"seq": self.seq, "audio_seq": self.seq, "needed": 0}

    def note(self, call: str) -> None:
        self.calls.append(call)
        self.changed.set()
        self.changed = anyio.Event()

    def say(self, journal: SessionJournal) -> Event:
        self.seq += 1
        event: Event = {"type": "flushed", "id": None, "seq": self.seq}
        journal.add_event(event)
        return event

    async def wait_for(self, call: str) -> None:
        with anyio.fail_after(PATIENCE_S):
            while call not in self.calls:
                await self.changed.wait()
        self.calls.clear()


@dataclass
class Bench:
    writer: JournalWriter
    database: FailingDatabase
    user_id: UUID

    def open(self, life: Life) -> SessionJournal:
        opened = self.writer.open(
            None, 1, life.read_state, lambda: life.note("written"), lambda: life.note("lost")
        )
        opened.begin(
            SessionBeginning(
                id=opened.id,
                epoch=1,
                user_id=self.user_id,
                dictation_id=new_id(),
                run_id=self.writer.run_id,
                token_hash=str(new_id()),
                label=None,
                earlier_token_hash=None,
                earlier_label=None,
                about="{}",
            )
        )
        return opened


@asynccontextmanager
async def run_bench(url: str, folder: Path, resume_s: float = 30) -> AsyncIterator[Bench]:
    settings = make_settings(folder, url)
    settings.limits = settings.limits.model_copy(update={"resume_s": resume_s})
    database = FailingDatabase(settings)
    writer = JournalWriter(settings, database, Observer())
    async with writer.run():
        yield Bench(writer, database, await add_user(database, "ana"))
    await database.aclose()


@pytest.fixture
def url(postgres_server: PostgresServer, postgres_template: str) -> str:
    return postgres_server.create(postgres_template)


async def test_an_event_that_counts_leaves_when_it_is_written(url: str, tmp_path: Path) -> None:
    async with run_bench(url, tmp_path) as bench:
        life = Life()
        journal = bench.open(life)
        event = life.say(journal)
        journal.then(lambda: life.note("stored"))
        assert not journal.may_leave(event)
        assert journal.may_leave({"type": "pong", "id": None, "seq": 2})
        await life.wait_for("stored")
        assert journal.may_leave(event)
        journal.add_audio(b"abcd")
        await life.wait_for("written")
        assert (journal.position, journal.logged_audio_seq) == (4, 1)
        taken = await bench.writer.take(journal.id)
        assert taken is not None
        assert taken.audio == [(0, b"abcd")]


async def test_nothing_is_written_of_a_session_that_is_taken(url: str, tmp_path: Path) -> None:
    async with run_bench(url, tmp_path) as bench:
        life = Life()
        journal = bench.open(life)
        life.say(journal)
        await life.wait_for("written")
        taken = await bench.writer.take(journal.id)
        assert taken is not None
        late = life.say(journal)
        journal.then(lambda: life.note("stored"))
        await life.wait_for("lost")
        assert (journal.is_active, journal.may_leave(late)) == (False, False)
        found: LoggedSession | None = await bench.writer.take(journal.id)
        assert found is not None
        assert (found.epoch, found.state) == (3, taken.state)
        assert "stored" not in life.calls


async def test_an_outage_holds_nobody_back_and_loses_nothing(url: str, tmp_path: Path) -> None:
    async with run_bench(url, tmp_path) as bench:
        life = Life()
        journal = bench.open(life)
        life.say(journal)
        await life.wait_for("written")
        bench.database.broken = True
        event = life.say(journal)
        journal.add_audio(b"ab")
        journal.then(lambda: life.note("stored"))
        await life.wait_for("written")
        assert journal.may_leave(event)
        assert journal.logged_seq < event["seq"]
        bench.database.broken = False
        await life.wait_for("stored")
        taken = await bench.writer.take(journal.id)
        assert taken is not None
        assert (len(taken.events), taken.audio) == (2, [(0, b"ab")])


async def test_a_session_that_waits_too_long_is_given_up(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_WAITING_BYTES", 10)
    async with run_bench(url, tmp_path) as bench:
        bench.database.broken = True
        life = Life()
        journal = bench.open(life)
        event = life.say(journal)
        journal.then(lambda: life.note("stored"))
        journal.add_audio(bytes(12))
        assert (life.calls, journal.is_active) == (["stored", "written"], False)
        assert journal.may_leave(event)


async def test_many_sessions_do_not_fill_the_memory_in_an_outage(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait for most are given up."""
    monkeypatch.setattr(journal_module, "MOST_WAITING_IN_ALL_BYTES", 10)
    async with run_bench(url, tmp_path) as bench:
        bench.database.broken = True
        lives = [Life() for _ in range(3)]
        journals = [bench.open(life) for life in lives]
        for journal, size in zip(journals, (4, 8, 6), strict=True):
            journal.add_audio(bytes(size))
            journal.add_event(lives[0].say(journal))
        await lives[1].wait_for("written")
        assert [journal.is_active for journal in journals] == [True, False, True]


async def test_a_session_that_ends_is_forgotten(url: str, tmp_path: Path) -> None:
    async with run_bench(url, tmp_path) as bench:
        life = Life()
        journal = bench.open(life)
        life.say(journal)
        await life.wait_for("written")
        journal.then(lambda: life.note("stored"))
        bench.writer.end(journal)
        await life.wait_for("stored")
        assert await bench.writer.take(journal.id) is None


async def test_a_session_that_could_not_be_adopted_is_tried_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where this process has taken it already: nobody else does, as long as this one lives."""
    monkeypatch.setattr(journal_module, "ORPHANS_EVERY_S", 0.05)
    async with run_bench(url, tmp_path, resume_s=0.01) as bench:
        journal = bench.open(life := Life())
        await life.wait_for("written")
        troubles: list[Exception] = [StorageUnavailable("away"), OSError("full"), ValueError("unknown")]
        adopted = anyio.Event()

        async def adopt(taken: LoggedSession) -> None:
            assert taken.id == journal.id
            if troubles:
                raise troubles.pop()
            await bench.writer.forget(taken)
            adopted.set()

        def may_adopt() -> bool:
            life.note("looked")
            return True

        bench.writer.on_orphan, bench.writer.may_adopt = adopt, may_adopt
        for _ in range(3):
            await life.wait_for("looked")
        assert len(troubles) == 3  # it goes on here
        bench.writer.leave(journal)
        with anyio.fail_after(PATIENCE_S):
            await adopted.wait()
        assert bench.writer.tasks.problem == ""
        assert await bench.writer.take(journal.id) is None


async def test_a_look_waits_for_nobody_who_writes(url: str, tmp_path: Path) -> None:
    """Two statements that change the rows of many sessions could wait for each other."""
    async with run_bench(url, tmp_path) as bench:
        journal = bench.open(life := Life())
        await life.wait_for("written")
        async with bench.database.write() as session:
            await session_log.touch(session, bench.writer.run_id, [journal.id])  # holds its row
            with anyio.fail_after(5):  # a statement that waits is given up after 10 s
                await bench.writer.look_now()
        assert journal.is_active
