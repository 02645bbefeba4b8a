"""`prompter db`: status, upgrade, and backups of a database in use that can be put back."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from app.core.config import Settings
from app.core.security import LOCAL_USER_ID
from app.storage import conversations, data_folder, lifecycle, messages
from app.storage.database import Database
from tests.support.command import get_only_line, run_prompter
from tests.support.database import PostgresServer, make_settings


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
    for name in ("prompter.db", "prompter.db-wal", "prompter.db-shm"):
        (settings.data_dir / name).unlink(missing_ok=True)
    shutil.copy(copy, settings.data_dir / "prompter.db")
    restored = Database(settings)
    async with lifecycle.open_database(restored, settings), restored.read() as session:
        kept = await messages.read_branch(session, LOCAL_USER_ID, conversation)
        assert [message.content.split(" x")[0] for message in kept[:300]] == [
            f"mensaje {n}" for n in range(300)
        ]
        assert {message.content for message in kept[300:]} <= {"mientras tanto"}


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
