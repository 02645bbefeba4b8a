"""A dictation goes on at the server that has its session: at no other, and not where its user has deleted it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from app.core.metrics import Observer
from app.services.history.dictation_writer import DictationStore, DictationWriter
from app.services.history.transcripts import RecentTranscripts
from app.storage import session_log
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import NewDictation
from app.storage.session_log import LoggedSession, SessionBeginning, SessionTaken
from app.storage.tables import DictationRow
from app.utils.ids import new_id
from tests.support.database import PostgresServer, add_user, make_settings


@dataclass
class Server:
    database: Database
    store: DictationStore

    async def take(self, session_id: UUID) -> LoggedSession:
        async with self.database.write() as session:
            taken = await session_log.take(session, session_id, self.database.run_id)
        assert taken is not None
        return taken

    async def go_on(self, taken: LoggedSession, *, was_stored: bool = False) -> bool:
        """Whether it stores what follows."""
        new = NewDictation(
            id=taken.dictation_id,
            user_id=taken.user_id,
            session_label=None,
            lang=None,
            provider="fake",
            model=None,
            started_at=utc_now(),
        )
        recorder, _ = await self.store.take_over(new, taken, base_ms=0, was_stored=was_stored)
        return not recorder.is_deleted

    async def find_process(self, dictation_id: UUID) -> UUID | None:
        async with self.database.read() as session:
            return await session.scalar(select(DictationRow.run_id).where(DictationRow.id == dictation_id))


@pytest.fixture
async def servers(
    postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> AsyncIterator[list[Server]]:
    settings = make_settings(tmp_path, postgres_server.create(postgres_template))
    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(2):
            database = Database(settings)
            stack.push_async_callback(database.aclose)
            writer = DictationWriter(database, 10, Observer())
            servers.append(Server(database, DictationStore(writer, RecentTranscripts(10), database)))
        yield servers


async def begin(server: Server) -> UUID:
    beginning = SessionBeginning(
        id=new_id(),
        epoch=1,
        user_id=await add_user(server.database, "ana"),
        dictation_id=new_id(),
        run_id=new_id(),
        token_hash="t1",
        label=None,
        earlier_token_hash=None,
        earlier_label=None,
        about="{}",
    )
    async with server.database.write() as session:
        assert await session_log.begin(session, beginning)
    return beginning.id


async def test_of_two_that_take_a_session_at_once_the_last_one_stores_it(servers: list[Server]) -> None:
    """The first one is between its two steps meanwhile: it must not take the dictation back."""
    first, last = servers
    session_id = await begin(first)
    early, late = await first.take(session_id), await last.take(session_id)
    assert await last.go_on(late)
    with pytest.raises(SessionTaken):
        await first.go_on(early)
    assert await last.find_process(late.dictation_id) == last.database.run_id


async def test_a_dictation_that_was_deleted_is_not_there_again(servers: list[Server]) -> None:
    first, last = servers
    taken = await last.take(await begin(first))
    assert not await last.go_on(taken, was_stored=True)
    assert await last.find_process(taken.dictation_id) is None
    assert await last.go_on(taken, was_stored=False)  # nobody has stored it yet
    assert await last.go_on(taken, was_stored=True)
    assert await last.find_process(taken.dictation_id) == last.database.run_id
