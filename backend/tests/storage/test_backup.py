"""`prompter db`: status, upgrade, and backups of a database in use that can be put back."""

import errno
import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import text

from app.core.config import Settings
from app.core.errors import StorageUnavailable
from app.core.security import LOCAL_USER_ID
from app.storage import backup, conversations, data_folder, lifecycle, messages, model_connections
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.key_file import CONNECTIONS_KEY_FILE, KeyFile
from app.storage.model_connections import StoredConnection, make_key_context
from app.utils.ids import new_id
from tests.support.command import get_only_line, run_prompter
from tests.support.database import PostgresServer, make_settings

pytestmark = pytest.mark.once

CONNECTED_KEY = "sk-canary-of-a-connection-0123456789"
WRITTEN_BEFORE = Path(__file__).with_name("written_before.db.gz")
"""A database of the schema 0002."""


def env_of(settings: Settings) -> dict[str, str]:
    return {
        "PROMPTER_DATA_DIR": str(settings.data_dir),
        "PROMPTER_STORAGE__URL": settings.storage.url.get_secret_value(),
    }


async def command(*arguments: object, env: dict[str, str]) -> "tuple[int, str, str]":
    """Run `prompter …` beside this loop, as its own process would."""
    done = await anyio.to_thread.run_sync(lambda: run_prompter(*arguments, env=env))
    return done.returncode, done.stdout, done.stderr


async def test_a_backup_of_a_running_server_can_be_put_back(tmp_path: Path) -> None:
    """While it writes; what was committed before is in the copy, and a server starts from it."""
    settings = make_settings(tmp_path / "data")
    database = Database(settings)
    copy = tmp_path / "copy.db"
    async with lifecycle.open_database(database, settings), anyio.create_task_group() as group:
        async with database.write() as session:
            conversation = (await conversations.create(session, LOCAL_USER_ID, title="Viaje")).id
            for n in range(300):
                await messages.append(session, LOCAL_USER_ID, conversation, f"mensaje {n} " + "x" * 5000)

        async def write_on() -> None:
            while True:
                async with database.write() as session:
                    await messages.append(session, LOCAL_USER_ID, conversation, "mientras tanto")

        group.start_soon(write_on)
        code, said, _ = await command("db", "backup", copy, env=env_of(settings))
        assert (code, "has all of it" in said) == (0, True)
        group.cancel_scope.cancel()
    assert copy.stat().st_mode & 0o077 == 0
    left = sorted(path.name for path in await anyio.to_thread.run_sync(lambda: list(tmp_path.iterdir())))
    assert left == ["copy.db", "data"]
    assert (await command("db", "restore", copy, env=env_of(settings)))[0] == 0
    restored = Database(settings)
    async with lifecycle.open_database(restored, settings), restored.read() as session:
        kept = await messages.read_branch(session, LOCAL_USER_ID, conversation)
        assert [message.content.split(" x")[0] for message in kept[:300]] == [
            f"mensaje {n}" for n in range(300)
        ]
        assert {message.content for message in kept[300:]} <= {"mientras tanto"}


async def store_titles(settings: Settings, *titles: str) -> None:
    """Store a conversation of each title with a server that ends as it should."""
    database = Database(settings)
    async with lifecycle.open_database(database, settings), database.write() as session:
        for title in titles:
            await conversations.create(session, LOCAL_USER_ID, title=title)


async def read_titles(settings: Settings) -> list[str]:
    """The titles that a server shows that starts now."""
    database = Database(settings)
    async with lifecycle.open_database(database, settings), database.read() as session:
        assert await session.scalar(text("PRAGMA integrity_check")) == "ok"
        page = await conversations.list_page(session, LOCAL_USER_ID)
    return sorted(conversation.title for conversation in page.items)


def leave_unclosed(folder: Path) -> None:
    """As a crash does: what was written last is in the log alone, and the log stays."""
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA wal_autocheckpoint=0');"
        "c.execute(\"UPDATE conversations SET title = title || ' ' || hex(randomblob(3000))\"); c.commit();"
        "c.execute(\"UPDATE conversations SET title = 'after'\"); c.commit(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(folder / "prompter.db")], check=True, timeout=60)
    assert (folder / "prompter.db-wal").stat().st_size


async def test_a_backup_is_restored_over_a_database_that_was_not_closed(tmp_path: Path) -> None:
    """Its log would be written into the restored file: both are kept together, and nothing of them is in it."""
    settings = make_settings(tmp_path / "data")
    await store_titles(settings, "before")
    assert (await command("db", "backup", tmp_path / "copy.db", env=env_of(settings)))[0] == 0
    await anyio.to_thread.run_sync(leave_unclosed, settings.data_dir)
    code, said, told = await command("db", "restore", tmp_path / "copy.db", env=env_of(settings))
    assert (code, "is now" in said, "jwt.key" in told) == (0, True, True)
    files = await anyio.to_thread.run_sync(lambda: {path.name: path for path in settings.data_dir.iterdir()})
    assert files["prompter.db"].stat().st_mode & 0o077 == 0
    assert not {"prompter.db-wal", "prompter.db-shm", "prompter.db.partial"} & files.keys()
    (kept,) = (path for name, path in files.items() if ".before-" in name and name[-1].isdecimal())
    assert str(kept) in told
    assert await read_titles(settings) == ["before"]
    with closing(sqlite3.connect(kept)) as former:
        assert former.execute("SELECT title FROM conversations").fetchall() == [("after",)]


async def test_a_copy_beside_an_old_log_is_noticed_at_start(tmp_path: Path) -> None:
    """As a restore by hand leaves it; without a check the server would serve, and damage more."""
    settings = make_settings(tmp_path / "data")
    await store_titles(settings, *(f"{n} " + "x" * 3000 for n in range(20)))
    await anyio.to_thread.run_sync(leave_unclosed, settings.data_dir)
    old = tmp_path / "old"
    await anyio.to_thread.run_sync(shutil.copytree, settings.data_dir, old)
    await anyio.to_thread.run_sync(empty_folder, settings.data_dir)
    await store_titles(settings, "another")
    await anyio.to_thread.run_sync(shutil.copy, old / "prompter.db-wal", settings.data_dir)
    with pytest.raises(StorageUnavailable, match="is damaged: stop the server and restore a backup"):
        await read_titles(settings)
    await anyio.to_thread.run_sync(empty_folder, settings.data_dir)
    await anyio.to_thread.run_sync(lambda: shutil.copytree(old, settings.data_dir, dirs_exist_ok=True))
    assert await read_titles(settings) == ["after"] * 20, "a crash damages nothing"


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """As another program does that opens the file, with a log that a crash has left."""
    with closing(sqlite3.connect(folder / "prompter.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield


async def test_a_database_that_cannot_be_checked_now_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy of a damaged one would put an old backup over good data."""
    monkeypatch.setattr(backup, "LOCK_S", 0.1)
    settings = make_settings(tmp_path / "data")
    await store_titles(settings, "kept")
    await anyio.to_thread.run_sync(leave_unclosed, settings.data_dir)
    with hold_lock(settings.data_dir):
        with pytest.raises(StorageUnavailable) as refused:
            await read_titles(settings)
        with pytest.raises(StorageUnavailable) as not_copied:
            backup.back_up(settings.data_dir / "prompter.db", tmp_path / "copy.db")
    reason = "another process holds its lock; try again later"
    assert refused.value.message == f"the database cannot be read: {reason}"
    assert not_copied.value.message.endswith(f"could not be written: {reason}")
    assert await read_titles(settings) == ["after"]


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def empty_folder(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def spoil(path: Path, kind: str) -> None:
    """Damage a database file in one of the ways in which files are damaged."""
    whole = path.read_bytes()
    half = len(whole) // 8192 * 4096
    path.write_bytes(
        {
            "pages": whole[:half] + b"\xff" * (len(whole) - half),
            "cut": whole[:half],
            "other": b"not a database, whatever its name says" * 300,
            "empty": b"",
        }[kind]
    )


@pytest.mark.parametrize("kind", ["pages", "cut", "other", "empty"])
async def test_a_damaged_backup_is_not_restored(tmp_path: Path, kind: str) -> None:
    settings, copy = make_settings(tmp_path / "data"), tmp_path / "copy.db"
    await store_titles(settings, "kept")
    assert (await command("db", "backup", copy, env=env_of(settings)))[0] == 0
    await anyio.to_thread.run_sync(spoil, copy, kind)
    before = await anyio.to_thread.run_sync(read_files, settings.data_dir)
    code, _, told = await command("db", "restore", copy, env=env_of(settings))
    assert (code, str(copy) in get_only_line(told)) == (1, True)
    assert told.strip().endswith(": take another one")
    assert await anyio.to_thread.run_sync(read_files, settings.data_dir) == before
    assert await read_titles(settings) == ["kept"]


@pytest.mark.parametrize("kind", ["pages", "cut", "other", "empty", "table", "revision"])
async def test_a_damaged_database_is_told_with_its_remedy_and_restored(tmp_path: Path, kind: str) -> None:
    """At start, by `prompter db status` and by whoever reads: never "try again later"."""
    settings, copy = make_settings(tmp_path / "data"), tmp_path / "copy.db"
    await store_titles(settings, "kept")
    await anyio.to_thread.run_sync((settings.data_dir / "jwt.key").write_text, "a key")
    assert (await command("db", "backup", copy, env=env_of(settings)))[0] == 0
    file = settings.data_dir / "prompter.db"
    if kind in ("table", "revision"):
        name = "tool_approvals" if kind == "table" else "alembic_version"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(f"DROP TABLE {name}")
    else:
        await anyio.to_thread.run_sync(spoil, file, kind)
    with pytest.raises(StorageUnavailable) as refused:
        await read_titles(settings)
    assert "prompter db restore FILE" in refused.value.message
    assert "later" not in refused.value.message
    assert kind not in ("table", "revision") or repr(name) in refused.value.message
    _, said, told = await command("db", "status", env=env_of(settings))
    assert kind == "pages" or "up to date" not in said + told
    another = tmp_path / "another.db"
    code, _, told = await command("db", "backup", another, env=env_of(settings))
    assert (code, "prompter db restore" in get_only_line(told)) == (1, True), told
    if kind != "pages":
        code, _, told = await command("users", "list", env=env_of(settings))
        assert (code > 0, "prompter db restore" in told) == (True, True), told
    assert not await anyio.to_thread.run_sync(another.exists)
    assert (await command("db", "restore", copy, env=env_of(settings)))[0] == 0
    assert await read_titles(settings) == ["kept"]


async def test_a_backup_of_an_older_version_is_restored_where_it_is_whole(tmp_path: Path) -> None:
    """Its own tables count, not those that an upgrade adds."""
    settings, copy = make_settings(tmp_path / "data"), tmp_path / "copy.db"
    written = await anyio.to_thread.run_sync(WRITTEN_BEFORE.read_bytes)
    await anyio.to_thread.run_sync(copy.write_bytes, gzip.decompress(written))
    assert (await command("db", "restore", copy, env=env_of(settings)))[0] == 0
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("DROP TABLE shares")
    code, _, told = await command("db", "restore", copy, env=env_of(settings))
    assert (code, "is no whole database of PROMPTer" in get_only_line(told)) == (1, True)
    await read_titles(settings)


async def test_a_restore_waits_for_no_server_and_touches_none(tmp_path: Path) -> None:
    settings, copy = make_settings(tmp_path / "data"), tmp_path / "copy.db"
    database = Database(settings)
    async with lifecycle.open_database(database, settings):
        assert (await command("db", "backup", copy, env=env_of(settings)))[0] == 0
        code, _, told = await command("db", "restore", copy, env=env_of(settings))
        assert (code, "another server uses the data folder" in get_only_line(told)) == (1, True)
    for wrong, reason in (
        (tmp_path / "none.db", "no file"),
        (settings.data_dir / "prompter.db", "the database itself"),
    ):
        code, _, told = await command("db", "restore", wrong, env=env_of(settings))
        assert (code, reason in get_only_line(told)) == (1, True)
    with closing(sqlite3.connect(copy)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    code, _, told = await command("db", "restore", copy, env=env_of(settings))
    assert (code, "a newer version" in get_only_line(told)) == (1, True)
    assert await read_titles(settings) == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("closed", [True, False])
async def test_a_restore_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, closed: bool
) -> None:
    """Also when it fails after the former database had its new name."""
    settings, copy = make_settings(tmp_path / "data"), tmp_path / "copy.db"
    await store_titles(settings, "kept")
    assert (await command("db", "backup", copy, env=env_of(settings)))[0] == 0
    if not closed:
        await anyio.to_thread.run_sync(leave_unclosed, settings.data_dir)
    before = await anyio.to_thread.run_sync(read_files, settings.data_dir)

    def fail(_partial: Path, target: Path) -> None:
        assert not target.exists()
        raise error

    monkeypatch.setattr(backup, "_publish", fail)
    told = "Input/output error; the database is as it was" if isinstance(error, OSError) else None
    with pytest.raises((StorageUnavailable, KeyboardInterrupt), match=told):
        backup.restore(copy, settings.data_dir)
    assert await anyio.to_thread.run_sync(read_files, settings.data_dir) == before
    assert await read_titles(settings) == ["kept" if closed else "after"]


async def test_a_restore_that_ended_before_the_backup_had_its_name_begins_no_new_database(
    tmp_path: Path,
) -> None:
    """All files have their new names already."""
    settings = make_settings(tmp_path / "data")
    await store_titles(settings, "kept")
    kept = settings.data_dir / "prompter.db.before-20260101-000000"
    await anyio.to_thread.run_sync((settings.data_dir / "prompter.db").rename, kept)
    with pytest.raises(StorageUnavailable, match=r"is missing, though 'prompter.db.before-2026"):
        await read_titles(settings)
    assert (await command("db", "restore", kept, env=env_of(settings)))[0] == 0
    assert await read_titles(settings) == ["kept"]


async def test_a_restore_that_ended_in_between_begins_no_new_database(tmp_path: Path) -> None:
    """The file has its new name already, its log not yet."""
    settings = make_settings(tmp_path / "data")
    await store_titles(settings, "kept")
    await anyio.to_thread.run_sync(leave_unclosed, settings.data_dir)
    await anyio.to_thread.run_sync((settings.data_dir / "prompter.db").rename, tmp_path / "gone")
    with pytest.raises(StorageUnavailable, match=r"is missing, though 'prompter.db-wal' beside it"):
        await read_titles(settings)


async def test_a_backup_of_a_stopped_server(tmp_path: Path) -> None:
    """The database is private too, also in a folder that others may read."""
    settings = make_settings(tmp_path)
    await anyio.to_thread.run_sync(tmp_path.chmod, 0o755)
    async with lifecycle.open_database(Database(settings), settings):
        files = await anyio.to_thread.run_sync(lambda: list(tmp_path.glob("prompter.db*")))
        assert {(path.name, path.stat().st_mode & 0o777) for path in files} >= {
            ("prompter.db", 0o600),
            ("prompter.db-wal", 0o600),
        }
    assert (await command("db", "backup", tmp_path / "copy.db", env=env_of(settings)))[0] == 0
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT name FROM users").fetchall() == [("local",)]


def test_a_backup_overwrites_nothing(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "prompter.db")
    (tmp_path / "copy.db").write_text("mine")
    done = run_prompter("db", "backup", tmp_path / "copy.db", env=env_of(make_settings(tmp_path)))
    assert (done.returncode, "exists already" in get_only_line(done.stderr)) == (1, True)
    assert (tmp_path / "copy.db").read_text() == "mine"


@pytest.mark.parametrize("missing", ["database", "folder"])
def test_a_backup_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, sqlite_template: Path, missing: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if missing == "folder":
        shutil.copy(sqlite_template, data / "prompter.db")
    target = tmp_path / "none" / "copy.db" if missing == "folder" else tmp_path / "copy.db"
    done = run_prompter("db", "backup", target, env=env_of(make_settings(data)))
    assert done.returncode == 1
    assert ("no database at" if missing == "database" else "could not be written") in get_only_line(
        done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_postgres_has_its_own_backup(tmp_path: Path, postgres_server: PostgresServer) -> None:
    settings = make_settings(tmp_path, "postgresql://ana:secreto@127.0.0.1:1/prompter")
    done = run_prompter("db", "backup", tmp_path / "copy.db", env=env_of(settings))
    assert done.returncode == 1
    assert "pg_dump" in get_only_line(done.stderr)
    assert "secreto" not in done.stderr
    done = run_prompter("db", "restore", tmp_path / "copy.dump", env=env_of(settings))
    assert done.returncode == 1
    assert "pg_restore" in get_only_line(done.stderr)
    assert "secreto" not in done.stderr


async def test_postgres_is_restored_with_its_own_tools(
    tmp_path: Path, postgres_server: PostgresServer, postgres_template: str
) -> None:
    """As docs/deployment.md says; a database that has lost a table is refused with that remedy."""
    settings = make_settings(tmp_path, postgres_server.create(postgres_template))
    name = settings.storage.url.get_secret_value().rpartition("/")[2]
    where = ("-h", "127.0.0.1", "-p", str(postgres_server.port), "-U", "prompter")
    dump = str(postgres_server.data / "copy.dump")
    await store_titles(settings, "before")
    await anyio.to_thread.run_sync(postgres_server.run, "pg_dump", *where, "-Fc", "-f", dump, name)
    database = Database(settings)
    async with database.write() as session:
        await session.execute(text("UPDATE conversations SET title = 'after'"))
        await session.execute(text("DROP TABLE tool_approvals"))
    await database.aclose()
    with pytest.raises(StorageUnavailable, match=r"lacks 'tool_approvals': .* with pg_restore"):
        await store_titles(settings, "never")
    assert "tables are missing" in (await command("db", "status", env=env_of(settings)))[1]
    restore = ("pg_restore", *where, "--clean", "--if-exists", "-d", name, dump)
    await anyio.to_thread.run_sync(postgres_server.run, *restore)
    async with lifecycle.open_database(database, settings), database.read() as session:
        page = await conversations.list_page(session, LOCAL_USER_ID, q="before")
    assert [conversation.title for conversation in page.items] == ["before"]


async def test_status_and_upgrade(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """PostgreSQL behind is refused at start with the way out; after `prompter db upgrade` it serves."""
    settings = make_settings(tmp_path, postgres_server.create())

    async def state() -> object:
        _, said, _ = await command("db", "status", "--json", env=env_of(settings))
        return json.loads(said)["state"]

    assert await state() == "no database yet"
    with pytest.raises(Exception, match="prompter db upgrade"):
        async with lifecycle.open_database(Database(settings), settings):
            pass
    code, said, _ = await command("db", "upgrade", env=env_of(settings))
    assert (code, "up to date" in said) == (0, True)
    assert await state() == "up to date"
    async with lifecycle.open_database(Database(settings), settings):
        pass


def test_status_of_sqlite_makes_no_file(tmp_path: Path) -> None:
    env = env_of(make_settings(tmp_path))
    assert "no database yet" in run_prompter("db", "status", env=env).stdout
    assert list(tmp_path.iterdir()) == []
    assert "up to date" in run_prompter("db", "upgrade", env=env).stdout
    assert "up to date" in run_prompter("db", "status", env=env).stdout


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with data_folder.lock_folder(tmp_path):
        done = run_prompter("db", "upgrade", env=env_of(make_settings(tmp_path)))
        assert "another server uses the data folder" in get_only_line(done.stderr)
    assert run_prompter("db", "upgrade", env=env_of(make_settings(tmp_path))).returncode == 0


@pytest.mark.parametrize("command_", [("status",), ("upgrade",)])
def test_a_database_that_does_not_answer_is_one_clear_line(
    tmp_path: Path, command_: tuple[str, ...], postgres_server: PostgresServer
) -> None:
    settings = make_settings(tmp_path, "postgresql://ana:secreto@127.0.0.1:1/prompter")
    done = run_prompter("db", *command_, env=env_of(settings))
    assert (done.returncode, "cannot be reached" in get_only_line(done.stderr)) == (1, True)
    missing = run_prompter(
        "db", *command_, env=env_of(make_settings(tmp_path, postgres_server.url("nowhere")))
    )
    assert "no database of that name" in get_only_line(missing.stderr)


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "prompter.db").write_text("not a database, whatever its name says" * 100)
    for command_ in ("status", "upgrade"):
        done = run_prompter("db", command_, env=env_of(make_settings(tmp_path)))
        assert (done.returncode, "its file is not a database" in get_only_line(done.stderr)) == (1, True)


@pytest.mark.parametrize("url", ["mysql://x", "postgresql://a:b:c@d:e:f"])
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    done = run_prompter("db", "status", env={"PROMPTER_STORAGE__URL": url})
    assert done.returncode != 0
    assert url not in get_only_line(done.stderr)


# -- the keys of connected models


async def connected_server(folder: Path) -> Settings:
    """A data folder in which Ana's model is connected, with a key."""
    settings = make_settings(folder)
    database = Database(settings)
    async with lifecycle.open_database(database, settings):
        now, context = utc_now(), StoredConnection(
            id=new_id(), user_id=LOCAL_USER_ID, name="openai", title="OpenAI", vendor="openai",
            base_url="https://api.openai.com/v1", sealed_key=None, key_hint="cdef", model="", models=(),
            shared=False, created_at=utc_now(), updated_at=utc_now(),
        )  # fmt: skip
        sealed = KeyFile(folder).seal(CONNECTED_KEY, make_key_context(context))
        async with database.write() as session:
            await model_connections.add(session, replace(context, sealed_key=sealed, created_at=now))
    await database.aclose()
    return settings


async def read_key(settings: Settings) -> str | None:
    database = Database(settings)
    try:
        async with database.read() as session:
            [(_, stored)] = await model_connections.list_all(session)
    finally:
        await database.aclose()
    assert stored.sealed_key is not None
    return KeyFile(settings.data_dir).open(stored.sealed_key, make_key_context(stored))


async def test_keys_are_in_no_backup_unless_they_are_asked_for(tmp_path: Path) -> None:
    env = env_of(await connected_server(tmp_path / "data"))
    code, _, _ = await command("db", "backup", tmp_path / "plain.db", env=env)
    assert code == 0
    material = (tmp_path / "data" / CONNECTIONS_KEY_FILE).read_bytes()
    assert not (tmp_path / "plain.db.keys").exists()
    data = (tmp_path / "plain.db").read_bytes()
    assert CONNECTED_KEY.encode() not in data
    assert material not in data
    code, _, told = await command("db", "backup", tmp_path / "full.db", "--with-keys", env=env)
    assert code == 0
    assert "full.db.keys opens the API keys" in told.replace("\n", " ")
    copy = tmp_path / "full.db.keys"
    assert copy.read_bytes() == material
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_restore_without_the_key_file_names_what_needs_its_key_again(tmp_path: Path) -> None:
    env = env_of(await connected_server(tmp_path / "data"))
    await command("db", "backup", tmp_path / "plain.db", env=env)
    await command("db", "backup", tmp_path / "full.db", "--with-keys", env=env)
    new = make_settings(tmp_path / "new")
    code, _, told = await command("db", "restore", tmp_path / "plain.db", env=env_of(new))
    assert code == 0
    assert "need their API keys again: OpenAI of local" in " ".join(told.split())
    assert await read_key(new) is None
    code, _, told = await command("db", "restore", tmp_path / "full.db", env=env_of(new))
    assert code == 0
    assert "keys again" not in told
    assert await read_key(new) == CONNECTED_KEY
    assert (new.data_dir / CONNECTIONS_KEY_FILE).stat().st_mode & 0o077 == 0


async def test_a_restore_keeps_the_former_key_file(tmp_path: Path) -> None:
    env = env_of(await connected_server(tmp_path / "data"))
    await command("db", "backup", tmp_path / "full.db", "--with-keys", env=env)
    other = await connected_server(tmp_path / "other")
    former = (other.data_dir / CONNECTIONS_KEY_FILE).read_bytes()
    assert (await command("db", "restore", tmp_path / "full.db", env=env_of(other)))[0] == 0
    assert await read_key(other) == CONNECTED_KEY
    [kept] = other.data_dir.glob(f"{CONNECTIONS_KEY_FILE}.before-*")
    assert kept.read_bytes() == former


async def test_keys_that_others_can_read_do_not_hide_that_the_database_is_restored(tmp_path: Path) -> None:
    settings = await connected_server(tmp_path / "data")
    env = env_of(settings)
    await command("db", "backup", tmp_path / "plain.db", env=env)
    (settings.data_dir / CONNECTIONS_KEY_FILE).chmod(0o644)
    code, shown, told = await command("db", "restore", tmp_path / "plain.db", env=env)
    assert code == 0, told
    assert "is now" in shown
    assert "the database is restored, but" in " ".join(told.split())
    assert "mode 600" in " ".join(told.split())


async def test_a_key_file_in_the_way_does_not_hide_that_the_backup_is_written(tmp_path: Path) -> None:
    env = env_of(await connected_server(tmp_path / "data"))
    (tmp_path / "full.db.keys").write_text("another's")
    code, shown, told = await command("db", "backup", tmp_path / "full.db", "--with-keys", env=env)
    assert code != 0
    assert "has all of it" in shown
    assert "is written, but not the key file" in " ".join(told.split())
    assert (tmp_path / "full.db").is_file()


async def test_a_key_in_the_settings_is_written_to_no_file(tmp_path: Path) -> None:
    """Nor one of the data folder that opens nothing any more."""
    settings = await connected_server(tmp_path / "data")
    env = {**env_of(settings), "PROMPTER_LLM__CONNECTIONS_KEY": "a secret of the operator's own, long"}
    code, _, told = await command("db", "backup", tmp_path / "full.db", "--with-keys", env=env)
    assert code == 0
    assert "the setting llm.connections_key opens the API keys" in " ".join(told.split())
    assert "opens the API keys in it: keep the two apart" not in " ".join(told.split())
    assert not (tmp_path / "full.db.keys").exists()


async def test_a_key_file_that_cannot_be_restored_leaves_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that found none would make another one, which opens nothing."""
    settings = await connected_server(tmp_path / "data")
    file = settings.data_dir / CONNECTIONS_KEY_FILE
    former = file.read_bytes()
    (tmp_path / "full.db.keys").write_bytes(b"another key of a server, long enough")

    def fail_to_write(path: Path, data: bytes) -> None:
        del path, data
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backup, "write_private", fail_to_write)
    with pytest.raises(StorageUnavailable, match=r"[Nn]o space left"):
        backup.restore_keys(tmp_path / "full.db", settings.data_dir)
    assert file.read_bytes() == former
