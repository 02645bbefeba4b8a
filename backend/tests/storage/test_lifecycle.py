"""The database of a running server: its local user, its lease, its schema, and a folder of the version before."""

import gzip
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.core.config import AccountSettings, Settings
from app.core.errors import StorageUnavailable
from app.core.logging import configure_logging
from app.core.security import LOCAL_USER_ID
from app.services.accounts.identity import Authenticator
from app.services.accounts.logins import Logins
from app.services.accounts.tokens import AccessTokens
from app.storage import conversations, dictations, lifecycle, messages, search
from app.storage.common import utc_now
from app.storage.data_folder import make_private
from app.storage.database import Database
from app.storage.lifecycle import DAY_S, AgeClock, ensure_local_user, open_database, prepare_schema
from app.storage.tables import (
    AttachmentRow,
    ConversationRow,
    DictationRow,
    RunRow,
    ShareRow,
    ToolApprovalRow,
    UserRow,
)
from app.utils import ids
from app.utils.ids import new_id
from tests.support.accounts import PASSWORD, make_cheap_passwords
from tests.support.database import PostgresServer, make_settings, store_dictation
from tests.support.server import record_log

WRITTEN_BEFORE = Path(__file__).with_name("written_before.db.gz")
"""A database with rows of each table, written by the version with the schema 0002 before any of its code moved."""
ITS_KEY = "pk_DukrVQ0b7fAiIuyu7-iE2-rP93lW1d7ZAhTG0y-f-0w"


def all_rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """What stands in each table of the product's data, the search index included."""
    with closing(sqlite3.connect(folder / "prompter.db")) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: file.execute(f"SELECT * FROM {name}").fetchall()
            for name in names
            if name not in ("runs", "alembic_version")
        }


def cut_to(old: list[tuple[object, ...]], new: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The new rows with as many columns as the old ones have."""
    return [row[: len(before)] for before, row in zip(old, new, strict=True)]


@pytest.fixture
def before(tmp_path: Path) -> Settings:
    """Settings with the data folder of the version before."""
    (tmp_path / "prompter.db").write_bytes(gzip.decompress(WRITTEN_BEFORE.read_bytes()))
    settings = make_settings(tmp_path)
    return settings.model_copy(update={"accounts": AccountSettings(mode="accounts")})


async def test_a_folder_of_the_version_before_opens_unchanged(before: Settings) -> None:
    rows = all_rows(before.data_dir)
    assert all(rows[name] for name in rows), "each table has a row"
    database = Database(before)
    async with open_database(database, before):
        pass
    after = all_rows(before.data_dir)
    assert {name: cut_to(rows[name], after[name]) for name in rows} == rows, (
        "a migration may add columns at the end"
    )


async def test_a_folder_of_the_version_before_is_read_whole(before: Settings) -> None:
    database = Database(before)
    async with open_database(database, before), database.read() as session:
        ada = await session.scalar(select(UserRow.id).where(UserRow.name == "Ada"))
        assert ada is not None
        (conversation,) = (await conversations.list_page(session, ada)).items
        assert (conversation.title, conversation.model) == ("Viaje a Córdoba", "fake/tiny")
        assert (conversation.system_prompt, conversation.settings) == ("Be short.", {"temperature": 0.2})
        every = await messages.list_ids(session, ada, conversation.id, all_branches=True)
        question, answer, edited = await messages.read_page(session, conversation.id, every)
        assert (question.content, answer.content) == ("¿Qué tiempo hará mañana?", "Hará sol, con 25 °C.")
        assert (answer.status, answer.reasoning, answer.provider) == ("complete", "I ask the tool.", "fake")
        assert [each["event"] for each in answer.tool_data or ()] == ["tool_call", "tool_result"]
        assert conversation.active_leaf_id == edited.id
        (dictation,) = (await dictations.list_page(session, ada)).items
        _, finals = await dictations.get(session, ada, dictation.id)
        assert [final.text for final in finals] == ["Hola, volcán.", "Adiós."]
        assert (finals[0].raw_text, finals[0].words[0]["word"] if finals[0].words else "") == (
            "hola volcán",
            "Hola",
        )
        hits = [await search.find(session, ada, words) for words in ("volcan", "cordoba", "manana", "sol")]
        assert [[hit.kind for hit in found] for found in hits] == [
            ["dictation"],
            ["title"],
            ["message", "message"],
            ["message"],
        ]
        for table in (AttachmentRow, ShareRow, ToolApprovalRow):
            assert len((await session.scalars(select(table))).all()) == 1


async def test_users_of_the_version_before_log_in(before: Settings) -> None:
    database, tokens = Database(before), AccessTokens(b"k" * 32, 15)
    async with open_database(database, before):
        caller = await Authenticator(database, tokens).authenticate(ITS_KEY)
        assert (caller.name, sorted(caller.scopes)) == ("Ada", ["llm", "stt"])
        logins = Logins(before.accounts, database, make_cheap_passwords(), tokens)
        assert (await logins.begin("ADA", PASSWORD, "192.0.2.7")).user.name == "Ada"


async def test_a_running_server_has_a_lease_and_the_local_user(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "new")
    database = Database(settings)
    async with open_database(database, settings), database.read() as session:
        assert list(await session.scalars(select(RunRow.id))) == [database.run_id]
        assert list(await session.scalars(select(UserRow.id))) == [LOCAL_USER_ID]
    with closing(sqlite3.connect(tmp_path / "new" / "prompter.db")) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["conversation", "dictation"])
async def test_after_a_restart_ids_go_on_where_the_clock_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The first process ran an hour ahead of the second one."""
    settings = make_settings(tmp_path)
    database = Database(settings)
    monkeypatch.setattr(ids, "_last", (time.time_ns() // 1_000_000 + 3_600_000) << 12)
    async with open_database(database, settings):
        if kind == "dictation":
            stored = await store_dictation(database, LOCAL_USER_ID, "hola")
        else:
            async with database.write() as session:
                stored = (await conversations.create(session, LOCAL_USER_ID)).id
    monkeypatch.setattr(ids, "_last", 0)
    assert new_id() < stored
    async with open_database(Database(settings), settings):
        assert new_id() > stored


@pytest.mark.parametrize("kind", ["conversation", "dictation"])
async def test_a_clock_that_is_far_ahead_deletes_nothing_of_late(
    database: Database, ana: UUID, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Ages are then counted from what was stored last; what is old beside that goes."""
    for title in ("old", "new"):
        if kind == "dictation":
            await store_dictation(database, ana, title)
        else:
            async with database.write() as session:
                await conversations.create(session, ana, title=title)
        if title == "old":
            old = utc_now() - timedelta(days=40)
            async with database.write() as session:
                await session.execute(update(DictationRow).values(started_at=old))
                await session.execute(update(ConversationRow).values(updated_at=old))
    monkeypatch.setattr(lifecycle, "utc_now", lambda: utc_now() + timedelta(days=400))
    configure_logging("warning")
    with record_log() as log:
        assert [await lifecycle.apply_retention(database, 30) for _ in range(2)] == [1, 0]
    assert [f"the clock is {days} days ahead of what" in line for line in log for days in (400,)] == [
        True
    ] * 2
    assert await lifecycle.apply_retention(database, 1) == 0


def test_ages_are_counted_from_what_was_stored_last_and_the_time_that_passed() -> None:
    """A right clock is taken as it is; a server that nobody uses counts for itself; a new entry settles a doubt."""
    clock, newest, day = AgeClock(), datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    assert clock.read(newest, newest + 0.5 * day, 50.0) == newest + 0.5 * day
    assert clock.read(newest, newest + 90 * day, 50.0) == newest + day
    assert clock.read(newest, newest + 90 * day, 50.0 + 30 * DAY_S) == newest + 31 * day
    assert clock.read(newest + 90 * day, newest + 90 * day, 50.0 + 30 * DAY_S) == newest + 90 * day
    assert clock.read(newest + 400 * day, newest, 50.0) == newest, "entries of a clock that was ahead"


async def test_the_local_user_is_added_once(database: Database) -> None:
    for _ in range(2):
        async with database.write() as session:
            await ensure_local_user(session)
    async with database.read() as session:
        (user,) = (await session.scalars(select(UserRow))).all()
    assert (user.id, user.role, user.password_hash) == (LOCAL_USER_ID, "admin", "")


async def test_sqlite_is_upgraded_and_postgresql_is_not(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """Other servers may use a PostgreSQL: the message says what to do."""
    make_private(tmp_path)
    database = Database(make_settings(tmp_path))
    await prepare_schema(database)
    async with database.read() as session:
        assert (await session.scalars(select(UserRow))).all() == []
    await database.aclose()
    database = Database(make_settings(tmp_path, postgres_server.create()))
    with pytest.raises(StorageUnavailable, match=r"schema of an empty database.*run `prompter db upgrade`"):
        await prepare_schema(database)
    await database.aclose()
