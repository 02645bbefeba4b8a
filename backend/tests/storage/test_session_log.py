"""The log of live sessions on PostgreSQL: what was appended is there, and nobody appends to a session that is taken."""

from pathlib import Path
from uuid import UUID

import pytest

from app.storage import answers, session_log
from app.storage.database import Database
from app.storage.session_log import (
    LoggedSession,
    SessionAppend,
    SessionBeginning,
    SessionTaken,
    SessionTrim,
)
from app.utils.ids import new_id
from tests.support.database import PostgresServer, add_user, make_settings

A, B = new_id(), new_id()
"""Two processes."""


@pytest.fixture
def url(postgres_server: PostgresServer, postgres_template: str) -> str:
    return postgres_server.create(postgres_template)


async def begin(database: Database, user_id: UUID, token: str = "t1", **changes: UUID | int) -> UUID:
    fields = {"id": new_id(), "epoch": 1, "dictation_id": new_id(), "run_id": A} | changes
    beginning = SessionBeginning(
        user_id=user_id,
        token_hash=token,
        label="s1",
        earlier_token_hash=None,
        earlier_label=None,
        about="{}",
        **fields,  # type: ignore[arg-type]
    )
    async with database.write() as session:
        assert await session_log.begin(session, beginning)
    return beginning.id


async def append(database: Database, *appends: SessionAppend) -> set[UUID]:
    async with database.write() as session:
        return await session_log.append(session, appends)


async def take(database: Database, session_id: UUID, run_id: UUID = B) -> LoggedSession | None:
    async with database.write() as session:
        return await session_log.take(session, session_id, run_id)


async def test_a_session_is_taken_as_it_was_left_and_its_former_server_appends_nothing(
    url: str, tmp_path: Path
) -> None:
    database = Database(make_settings(tmp_path, url))
    ana = await add_user(database, "ana")
    mine, other = await begin(database, ana), await begin(database, ana, "t2")
    first = SessionAppend(id=mine, epoch=1, state="{1}", pcm=b"abcd", events=[(1, "one"), (2, "two")])
    again = SessionAppend(id=mine, epoch=1, state="{2}", pcm=b"abcdef", events=[(2, "two"), (3, "three")])
    both = [first, SessionAppend(id=other, epoch=1, state="{}")]
    assert await append(database, *both) == {mine, other}
    assert await append(database, again) == {mine}  # a commit of which nobody knew
    async with database.read() as session:
        found = await session_log.find(session, ana, "t1")
        assert found is not None
        assert (found.label, found.audio, found.events) == ("s1", (), ())
        assert await session_log.find(session, new_id(), "t1") is None
    taken = await take(database, mine)
    assert taken is not None
    assert (taken.epoch, taken.state, taken.audio) == (2, "{2}", [(0, b"abcdef")])
    assert taken.events == ["one", "two", "three"]
    late = SessionAppend(id=mine, epoch=1, state="{3}", position=6, pcm=b"gh", events=[(4, "four")])
    assert await append(database, late, SessionAppend(id=other, epoch=1, state="{4}")) == {other}
    async with database.write() as session:
        assert await session_log.touch(session, A, [mine, other]) == {other: 1}
        assert await session_log.touch(session, B, [mine, other]) == {mine: 2}
        assert await session_log.touch(session, B, []) == {}
        assert await session_log.find_epochs(session, B, [mine, other]) == {mine: 2}
        with pytest.raises(SessionTaken):
            await session_log.hold(session, mine, 1)
        await session_log.hold(session, mine, 2)
        assert await session_log.remove(session, [(mine, 1), (other, 1)]) == {other}
    last = await take(database, mine, A)
    assert last is not None
    assert (last.epoch, last.state, last.events) == (3, "{2}", taken.events)
    assert await take(database, other) is None
    await database.aclose()


async def test_what_is_not_needed_is_trimmed_and_orphans_are_found(url: str, tmp_path: Path) -> None:
    database = Database(make_settings(tmp_path, url))
    session_id = await begin(database, await add_user(database, "ana"))
    for n, pcm in enumerate((b"abcd", b"efgh", b"ij")):
        events = [(n + 1, str(n + 1))]
        await append(
            database,
            SessionAppend(id=session_id, epoch=1, state="{}", position=4 * n, pcm=pcm, events=events),
        )
    async with database.write() as session:
        stale = SessionTrim(id=session_id, epoch=7, needed=100, lost_seq=100)
        await session_log.trim(session, [stale])
        await session_log.trim(session, [SessionTrim(id=session_id, epoch=1, needed=5, lost_seq=1)])
    async with database.read() as session:
        assert await session_log.list_orphans(session, B, [], 0, 10) == [session_id]
        assert await session_log.list_orphans(session, B, [session_id], 0, 10) == []
        assert await session_log.list_orphans(session, B, [], 60, 10) == []
    async with database.write() as session:
        await answers.send_heartbeat(session, B)
        assert await session_log.take(session, session_id, B, left_for_s=60) is None
        taken = await session_log.take(session, session_id, B, left_for_s=0)
        assert await session_log.take(session, session_id, A, left_for_s=0) is None
    assert taken is not None
    assert (taken.audio, taken.events) == ([(4, b"efgh"), (8, b"ij")], ["2", "3"])
    await database.aclose()


async def test_a_process_finds_what_it_has_taken_and_does_not_go_on_with(url: str, tmp_path: Path) -> None:
    """It took the session and then failed: nobody else looks after it as long as this process lives."""
    database = Database(make_settings(tmp_path, url))
    session_id = await begin(database, await add_user(database, "ana"))
    async with database.write() as session:
        await answers.send_heartbeat(session, A)
        await answers.send_heartbeat(session, B)
    assert await take(database, session_id) is not None
    async with database.write() as session:
        assert await session_log.list_orphans(session, A, [], 0, 10) == []
        assert await session_log.list_orphans(session, B, [], 0, 10) == [session_id]
        assert await session_log.take(session, session_id, A, left_for_s=0) is None
        assert await session_log.take(session, session_id, B, left_for_s=0) is not None
    await database.aclose()


async def test_what_no_process_makes_text_of_is_forgotten_at_last(url: str, tmp_path: Path) -> None:
    """Audio does not stay for ever where no server adopts sessions."""
    database = Database(make_settings(tmp_path, url))
    ana = await add_user(database, "ana")
    left, live = await begin(database, ana), await begin(database, ana, "t2", run_id=B)
    async with database.write() as session:
        await answers.send_heartbeat(session, B)
        assert await session_log.remove_left(session, B, 60) == 0
        assert await session_log.remove_left(session, B, 0) == 1
    assert await take(database, left) is None
    assert await take(database, live) is not None
    await database.aclose()


async def test_a_further_token_stands_beside_the_last_one(url: str, tmp_path: Path) -> None:
    database = Database(make_settings(tmp_path, url))
    ana = await add_user(database, "ana")
    session_id = await begin(database, ana)
    async with database.write() as session:
        await session_log.renew_token(session, session_id, 7, "stale")
        await session_log.renew_token(session, session_id, 1, "t2")
    async with database.read() as session:
        found = [await session_log.find(session, ana, token) for token in ("t1", "t2", "stale")]
    assert [each and (each.id, each.label) for each in found] == [(session_id, "s1")] * 2 + [None]
    await database.aclose()
