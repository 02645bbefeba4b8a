"""The checks of the data folder, the disk, the database, its backups and the clock: each finding."""

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.cli.doctor import data
from app.core.config import AccountSettings, Settings, StorageSettings
from app.storage import migrate
from app.storage.backup import NOTE_FILE, note_backup
from app.storage.connections import database_url
from app.storage.database import Database
from tests.support.accounts import PASSWORD
from tests.support.command import run_prompter
from tests.support.database import PostgresServer, store_dictation

NOW = datetime.now(UTC)


def make_settings(folder: Path, **fields: Any) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **fields)


# -- the folder and the disk


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    (found,) = data.check_folder(make_settings(tmp_path / "deep" / "data"))
    assert found.state == "ok"
    assert not (tmp_path / "deep").exists(), "nothing is created"


def test_a_folder_open_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (found,) = data.check_folder(make_settings(tmp_path))
    assert (found.state, "755" in found.message) == ("warning", True)
    assert f"chmod o-rwx {tmp_path}" in found.advice
    tmp_path.chmod(0o750)
    assert [each.state for each in data.check_folder(make_settings(tmp_path))] == ["ok"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """/proc takes no file, of no user."""
    (found,) = data.check_folder(make_settings(Path("/proc/self")))
    assert found.state == "problem"
    assert "PROMPTER_DATA_DIR" in found.advice


def test_a_folder_whose_parent_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so the system's answer is given here."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = data.check_folder(make_settings(tmp_path / "data"))
    assert found.state == "problem"


def test_a_folder_on_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/data {tmp_path.resolve()} nfs4 rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr("app.storage.data_folder._MOUNTS", mounts)
    found = list(data.check_folder(make_settings(tmp_path)))[-1]
    assert (found.state, "nfs4" in found.message) == ("problem", True)


@pytest.mark.parametrize(("free", "state"), [(10**11, "ok"), (10**9, "warning"), (10**8, "problem")])
def test_the_space_of_the_disk(free: int, state: str, tmp_path: Path) -> None:
    found = data.judge_space("disk", tmp_path, free)
    assert found.state == state
    assert bool(found.advice) == (state != "ok")


def test_one_disk_is_looked_at_once(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "data", models_dir=tmp_path / "models")
    assert len(list(data.check_disk(settings))) == 1


# -- the database, on both kinds


def states(findings: list[Any]) -> dict[str, str]:
    return {each.check: each.state for each in findings}


def test_a_database_that_is_not_there_yet(tmp_path: Path) -> None:
    found = asyncio.run(data.check_database(make_settings(tmp_path), datetime.now(UTC)))
    assert states(found) == {"database": "ok"}
    assert list(tmp_path.iterdir()) == [], "nothing is created"


async def test_a_database_in_order(storage_settings: Settings, database: Database, ana: UUID) -> None:
    await store_dictation(database, ana, "hello")
    found = await data.check_database(storage_settings, datetime.now(UTC))
    assert states(found) == {"database": "ok", "clock": "ok"}


async def test_a_clock_behind_the_newest_entry(
    storage_settings: Settings, database: Database, ana: UUID
) -> None:
    await store_dictation(database, ana, "hello")
    found = await data.check_database(storage_settings, datetime.now(UTC) - timedelta(hours=2))
    assert states(found)["clock"] == "problem"


async def test_a_clock_that_may_be_ahead_where_old_data_are_deleted(
    storage_settings: Settings, database: Database, ana: UUID
) -> None:
    await store_dictation(database, ana, "hello")
    stored = await data.read_stored(storage_settings)
    with_retention = storage_settings.model_copy(
        update={"storage": storage_settings.storage.model_copy(update={"retention_days": 30})}
    )
    later = datetime.now(UTC) + timedelta(days=40)
    on_time = data.Stored(stored.schema, stored.newest, 0, None)
    (found,) = data.check_clock(with_retention, on_time, later)
    assert found.state == "warning"
    (found,) = data.check_clock(storage_settings, on_time, later)
    assert found.state == "ok", "nothing is deleted by age"


def test_a_clock_that_differs_from_that_of_the_database(tmp_path: Path) -> None:
    schema = migrate.Schema(current="1", head="1", is_known=True, dialect="postgresql")
    stored = data.Stored(schema, None, 0, NOW + timedelta(minutes=20))
    (found,) = data.check_clock(make_settings(tmp_path), stored, NOW)
    assert (found.state, "0 h 20 min" in found.message) == ("problem", True)


async def test_nobody_can_log_in(storage_settings: Settings, database: Database) -> None:
    settings = storage_settings.model_copy(update={"accounts": AccountSettings(mode="accounts")})
    found = await data.check_database(settings, datetime.now(UTC))
    assert states(found)["accounts"] == "problem"
    assert "prompter users add" in next(each.advice for each in found if each.check == "accounts")


@pytest.mark.parametrize(
    ("fields", "state", "advice"),
    [
        ({}, "ok", ""),
        ({"missing": ("messages",)}, "problem", "restore"),
        ({"is_known": False, "current": "9999"}, "problem", "newer version"),
        ({"current": "0001"}, "warning", "prompter db backup"),
        ({"current": "0001", "dialect": "postgresql"}, "problem", "prompter db upgrade"),
        ({"current": None, "dialect": "postgresql"}, "problem", "prompter db upgrade"),
    ],
)
def test_a_schema(fields: dict[str, Any], state: str, advice: str) -> None:
    whole = {"current": "0011", "head": "0011", "is_known": True, "dialect": "sqlite"}
    found = data.judge_schema(migrate.Schema(**{**whole, **fields}))
    assert found.state == state
    assert advice in found.advice


async def test_a_database_that_does_not_answer_or_is_no_database(tmp_path: Path) -> None:
    url = "postgresql://ana:canary@127.0.0.1:9/prompter"
    away = await data.check_database(make_settings(tmp_path, storage={"url": url}), datetime.now(UTC))
    assert states(away) == {"database": "problem"}
    (tmp_path / "prompter.db").write_bytes(b"no database at all, whatever its name says" * 100)
    broken = await data.check_database(make_settings(tmp_path), datetime.now(UTC))
    assert states(broken) == {"database": "problem"}
    assert "canary" not in str([away, broken])


async def test_an_empty_postgresql_is_to_be_upgraded(postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = postgres_server.create()
    settings = make_settings(tmp_path, storage=StorageSettings(url=url))
    assert states(await data.check_database(settings, datetime.now(UTC))) == {"database": "problem"}
    await migrate.upgrade(database_url(settings))
    assert states(await data.check_database(settings, datetime.now(UTC))) == {"database": "ok", "clock": "ok"}


# -- backups


async def test_a_backup_is_missing_fresh_or_old(
    storage_settings: Settings, database: Database, ana: UUID
) -> None:
    settings = storage_settings
    if settings.storage.url.get_secret_value():
        (found,) = data.check_backup(settings, NOW)
        assert (found.state, "pg_dump" in found.message) == ("ok", True)
        return
    await store_dictation(database, ana, "hello")
    (missing,) = data.check_backup(settings, NOW)
    assert (missing.state, "prompter db backup" in missing.advice) == ("warning", True)
    note_backup(settings.data_dir, NOW)
    (fresh,) = data.check_backup(settings, NOW + timedelta(hours=3))
    assert (fresh.state, "3 h 0 min" in fresh.message) == ("ok", True)
    (old,) = data.check_backup(settings, NOW + timedelta(days=9))
    assert (old.state, "9 days" in old.message) == ("warning", True)


def test_a_database_without_content_needs_no_backup(tmp_path: Path) -> None:
    assert list(data.check_backup(make_settings(tmp_path), NOW)) == []
    (tmp_path / NOTE_FILE).write_text("yesterday\n", encoding="ascii")
    assert list(data.check_backup(make_settings(tmp_path), NOW)) == []


def test_a_backup_of_the_command_is_noted(tmp_path: Path) -> None:
    env = {"PROMPTER_DATA_DIR": str(tmp_path / "data"), "PROMPTER_STORAGE__URL": ""}
    assert run_prompter(
        "users", "add", "ada", "--admin", "--password-stdin", stdin=PASSWORD.encode(), env=env
    )
    assert run_prompter("db", "backup", tmp_path / "copy.db", env=env).returncode == 0
    (found,) = data.check_backup(make_settings(tmp_path / "data"), datetime.now(UTC))
    assert found.state == "ok"
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM users").fetchone()[0] >= 1
