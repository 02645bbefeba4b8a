"""Transactions: whole or not at all, in turn, off the event loop, and one error when the database cannot serve."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

import anyio
import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.storage import connections, conversations, messages
from app.storage.database import Database
from app.storage.tables import ConversationRow, MessageRow, UserRow
from app.utils.ids import new_id
from tests.support.command import BACKEND, make_environment
from tests.support.database import PostgresServer, make_settings, migrate_database
from tests.support.server import record_log


async def count(database: Database, table: type = ConversationRow) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_fifty_writers_at_once(database: Database, ana: UUID) -> None:
    """None is refused, none is lost, and readers go on meanwhile."""
    reads = 0

    async def write() -> None:
        for _ in range(4):
            async with database.write() as session:
                conversation = await conversations.create(session, ana)
                await messages.append(session, ana, conversation.id, "hola")

    async def read(until: anyio.Event) -> None:
        nonlocal reads
        while not until.is_set():
            async with database.read() as session:
                pages = await conversations.list_page(session, ana, limit=10)
            assert all(item.message_count == 1 for item in pages.items)
            reads += 1

    async with anyio.create_task_group() as readers:
        done = anyio.Event()
        for _ in range(3):
            readers.start_soon(read, done)
        async with anyio.create_task_group() as writers:
            for _ in range(50):
                writers.start_soon(write)
        done.set()
    assert (await count(database), await count(database, MessageRow)) == (200, 200)
    assert reads >= 3


async def test_a_block_that_raises_keeps_nothing(database: Database, ana: UUID) -> None:
    with pytest.raises(RuntimeError, match="after all"):  # noqa: PT012  # how the block ends is the point
        async with database.write() as session:
            await conversations.create(session, ana)
            raise RuntimeError("after all")
    assert await count(database) == 0


async def test_a_cancelled_writer_keeps_all_or_nothing(database: Database, ana: UUID) -> None:
    """One under way is not cut in two; one that waits for its turn never begins; the next one gets its turn."""
    order: list[str] = []
    inside = anyio.Event()

    async def write(name: str) -> None:
        async with database.write() as session:
            inside.set()
            for _ in range(3):
                await conversations.create(session, ana)
                await session.flush()
            order.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(write, "under way")
        await inside.wait()
        group.cancel_scope.cancel()
    assert order == ["under way"]
    assert await count(database) == 3
    await write("next")
    assert await count(database) == 6


async def test_a_cancelled_reader_harms_nobody(database: Database, ana: UUID) -> None:
    for _ in range(connections.READERS + connections.PG_CONNECTIONS):
        with anyio.move_on_after(0):
            async with database.read() as session:
                await session.execute(select(func.count()).select_from(UserRow))
        assert await count(database, UserRow) == 1


async def test_a_reader_cannot_write(database: Database, ana: UUID) -> None:
    with pytest.raises((DBAPIError, StorageUnavailable)):  # noqa: PT012
        async with database.read() as session:
            await conversations.create(session, ana)
            await session.commit()
    assert await count(database) == 0


async def test_what_is_read_in_one_block_is_of_one_moment(database: Database, ana: UUID) -> None:
    async with database.read() as session:
        before = await session.scalar(select(func.count()).select_from(ConversationRow))
        async with database.write() as other:
            await conversations.create(other, ana)
        assert await session.scalar(select(func.count()).select_from(ConversationRow)) == before == 0
    assert await count(database) == 1


async def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await conversations.create(session, new_id())
    assert await count(database) == 0


async def test_faults_in_the_log_do_not_hold_what_was_said(database: Database, ana: UUID) -> None:
    """Not in the log, not in the errors, whatever goes wrong with a statement."""
    with record_log() as log:
        with pytest.raises(IntegrityError) as caught:
            async with database.write() as session:
                session.add(
                    MessageRow(conversation_id=new_id(), role="user", status="complete", content="secreto")
                )
        with pytest.raises(StorageUnavailable) as other:
            async with database.write() as session:
                raise DBAPIError("INSERT", {"content": "secreto"}, Exception("secreto"))
    assert "secreto" not in f"{log} {caught.value} {other.value}"


async def test_the_event_loop_is_not_blocked(database: Database, ana: UUID) -> None:
    """While ten megabytes are written the loop turns: SQLite works in its own thread."""
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        while True:
            before = time.monotonic()
            await anyio.sleep(0.001)
            longest_s = max(longest_s, time.monotonic() - before)

    statement = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT sum(i) FROM n"
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        async with database.read() as session:
            began = time.monotonic()
            assert await session.scalar(text(statement)) == 500_000_500_000
            took_s = time.monotonic() - began
        group.cancel_scope.cancel()
    assert took_s > 0.1, "too short to tell"
    assert longest_s < took_s / 2


# -- when the database cannot serve


async def test_another_process_that_holds_the_lock(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's sqlite3 shell: a clear error, and all is well when it lets go."""
    monkeypatch.setitem(connections._PRAGMAS, "busy_timeout", 50)
    settings = make_settings(tmp_path)
    migrate_database(settings)
    database = Database(settings)
    with closing(sqlite3.connect(tmp_path / "prompter.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="another process holds its lock; nothing was kept"):
            async with database.write() as session:
                await session.execute(delete(UserRow))
        assert await count(database, UserRow) == 0  # readers go on
        other.execute("ROLLBACK")
    async with database.write() as session:
        session.add(UserRow(name="x", name_key="x", password_hash="", role="user"))
    assert await count(database, UserRow) == 1
    await database.aclose()


async def test_an_urgent_writer_comes_before_those_that_wait(tmp_path: Path, sqlite_template: Path) -> None:
    database = Database(make_settings(tmp_path))
    order: list[str] = []

    async def write(name: str, *, is_urgent: bool = False) -> None:
        async with database.write(is_urgent=is_urgent):
            order.append(name)

    async with anyio.create_task_group() as group, database.write():
        for name in ("first", "second"):
            group.start_soon(write, name)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: write("urgent", is_urgent=True))
        await anyio.wait_all_tasks_blocked()
    assert order == ["urgent", "first", "second"]
    await database.aclose()


async def test_a_turn_that_never_comes(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that does not end holds the others up for a limited time."""
    database = Database(make_settings(tmp_path))
    monkeypatch.setattr("app.storage.database.WAIT_S", 0.05)
    async with database.write():
        with pytest.raises(StorageUnavailable, match="too busy"):
            async with database.write():
                raise AssertionError("never reached")
    await database.aclose()


async def test_postgres_that_goes_and_comes_back(
    postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    """Gone in the middle of a transaction: nothing is kept; back again: the next one is served."""
    database = Database(make_settings(tmp_path, postgres_server.create(postgres_template)))

    async def add(name: str, *, stop: bool = False) -> None:
        async with database.write() as session:
            session.add(UserRow(name=name, name_key=name, password_hash="", role="user"))
            await session.flush()
            if stop:
                await anyio.to_thread.run_sync(postgres_server.stop, "fast")

    await add("before")
    with pytest.raises(StorageUnavailable, match="nothing was kept"):
        await add("meanwhile", stop=True)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        await add("down")
    await anyio.to_thread.run_sync(postgres_server.start)
    await add("after")
    async with database.read() as session:
        names = set(await session.scalars(select(UserRow.name)))
    assert names == {"before", "after"}
    await database.aclose()


@pytest.mark.parametrize("write", [False, True])
async def test_damage_that_appears_while_a_server_runs_is_told_with_its_remedy(
    tmp_path: Path, sqlite_template: Path, write: bool
) -> None:
    """Trying again later does not mend a file."""
    whole = await anyio.to_thread.run_sync(sqlite_template.read_bytes)
    await anyio.to_thread.run_sync((tmp_path / "prompter.db").write_bytes, whole[:4096] + bytes(len(whole)))
    database = Database(make_settings(tmp_path))
    with pytest.raises(StorageUnavailable) as failure:
        async with database.write() if write else database.read() as session:
            await session.scalars(select(UserRow))
    await database.aclose()
    assert "its file is damaged" in failure.value.message
    assert "prompter db restore FILE" in failure.value.message
    assert "later" not in failure.value.message


DISK_FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.storage.database import Database
from app.storage.tables import UserRow

async def main():
    database = Database(Settings(_env_file=None, data_dir=Path(sys.argv[1])))
    async def add(name, size):
        async with database.write() as session:
            session.add(UserRow(name=name, name_key=name, password_hash="x" * size, role="user"))
            await session.flush()
    await add("before", 10)
    limit = 400_000 + sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    try:
        await add("too big", 8_000_000)
    except StorageUnavailable as error:
        print("refused:", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    await add("after", 10)
    await database.aclose()

asyncio.run(main())
"""


def test_a_full_disk_is_one_clear_error_and_nothing_half_written(
    tmp_path: Path, sqlite_template: Path
) -> None:
    """A process that may not make its files any bigger; when there is room again, it goes on."""
    (tmp_path / "prompter.db").write_bytes(sqlite_template.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path)],
        env=make_environment(),
        cwd=BACKEND,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "refused: the database cannot be written" in done.stdout
    assert "nothing was kept" in done.stdout
    with closing(sqlite3.connect(tmp_path / "prompter.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sorted(file.execute("SELECT name FROM users")) == [("after",), ("before",)]


WRITER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from app.core.config import Settings, StorageSettings
from app.storage import conversations, messages
from app.storage.database import Database

async def main():
    database = Database(Settings(_env_file=None, data_dir=Path(sys.argv[1]), storage=StorageSettings(url=sys.argv[2])))
    user = UUID(sys.argv[3])
    async with database.write() as session:
        conversation = (await conversations.create(session, user)).id
    n = 0
    while True:
        async with database.write() as session:
            await messages.append(session, user, conversation, f"mensaje {n} " + "relleno " * 200)
            await messages.append(session, user, conversation, f"respuesta {n}")
        print(n, flush=True)
        n += 1

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [3, 40])
async def test_what_was_acknowledged_survives_kill_9(
    storage_settings: Settings, database: Database, ana: UUID, after: int
) -> None:
    """Killed while it writes: what it said it kept is there, pairs are whole, the file is sound."""
    arguments = [str(storage_settings.data_dir), storage_settings.storage.url.get_secret_value(), str(ana)]
    process = subprocess.Popen(  # noqa: ASYNC220  # starting it is short
        [sys.executable, "-c", WRITER, *arguments],
        env=make_environment(),
        cwd=BACKEND,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        acknowledged = [int(next(said)) for _ in range(after)][-1]
        process.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in said if line.endswith("\n"))])
    process.wait(timeout=60)
    async with database.read() as session:
        (conversation,) = (await conversations.list_page(session, ana)).items
        kept = [
            message.content.split(" relleno")[0]
            for message in await messages.read_branch(session, ana, conversation.id)
        ]
        if database.is_sqlite:
            assert await session.scalar(text("PRAGMA integrity_check")) == "ok"
    pairs = len(kept) // 2
    assert kept == [f"{what} {n}" for n in range(pairs) for what in ("mensaje", "respuesta")]
    assert pairs in (acknowledged + 1, acknowledged + 2)  # the last one may have been kept and not told
