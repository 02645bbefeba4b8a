"""Databases for tests at the newest schema: SQLite and PostgreSQL, with users and stored dictations."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.bench.target import reserve_port
from app.core.config import Settings, StorageSettings
from app.core.errors import StorageUnavailable
from app.storage.common import utc_now
from app.storage.connections import database_url
from app.storage.database import Database
from app.storage.dictations import (
    DictationBatch,
    DictationChange,
    NewDictation,
    NewFinal,
    PendingFinal,
    store_batch,
)
from app.storage.migrate import upgrade
from app.storage.tables import UserRow
from app.utils.ids import new_id

_names = count()


@dataclass(frozen=True)
class PostgresServer:
    """A running server; every database of it is thrown away with it."""

    bin: Path
    data: Path
    port: int
    user: str | None
    """Whom its programs run as: it refuses root."""

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr or done.stdout}"

    def url(self, name: str) -> str:
        return f"postgresql://prompter@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template0") -> str:
        """A new database; its address."""
        name = f"test_{next(_names)}"
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "prompter")
        self.run("createdb", *where, "-T", template, name)
        return self.url(name)

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data} "
            "-c fsync=off -c full_page_writes=off -c max_connections=60"
        )
        log = str(self.data / "log.txt")
        self.run("pg_ctl", "-D", str(self.data), "-l", log, "-o", options, "-w", "start")


def migrate_database(settings: Settings) -> None:
    """Bring the database of these settings to the newest schema, whatever loop is running here."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(upgrade(database_url(settings)))).result()


def make_settings(folder: Path, url: str = "") -> Settings:
    return Settings(_env_file=None, data_dir=folder, storage=StorageSettings(url=url))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL from the system's own package, on a free port, without waiting for the disk."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.skip("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="prompter-postgres-"))
    with reserve_port() as port:
        server = PostgresServer(found[-1].parent, folder / "data", port, "postgres" if as_root else None)
        try:
            if as_root:
                shutil.chown(folder, "postgres", "postgres")
            server.run(
                "initdb", "-D", str(server.data), "-U", "prompter", "-E", "UTF8", "--no-sync", "-A", "trust"
            )
            server.start()
            try:
                yield server
            finally:
                server.stop()
        finally:
            _begin_to_remove(folder)


def _begin_to_remove(folder: Path) -> None:
    """Remove a folder without waiting: hundreds of databases are 100,000 files, which takes minutes on a busy disk."""
    subprocess.run(["sh", "-c", 'rm -rf "$1" >/dev/null 2>&1 &', "sh", str(folder)], check=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database at the newest schema, to be copied."""
    url = postgres_server.create()
    migrate_database(make_settings(tmp_path_factory.mktemp("postgres"), url))
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file at the newest schema, to be copied."""
    settings = make_settings(tmp_path_factory.mktemp("sqlite"))
    migrate_database(settings)
    return settings.data_dir / "prompter.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def storage_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with a database of the test's own at the newest schema; once on each kind of database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "prompter.db")
        return make_settings(tmp_path)
    template = request.getfixturevalue("postgres_template")
    return make_settings(tmp_path, request.getfixturevalue("postgres_server").create(template))


@pytest.fixture
async def database(storage_settings: Settings) -> AsyncIterator[Database]:
    """An open database at the newest schema; the test runs once on SQLite and once on PostgreSQL."""
    database = Database(storage_settings)
    yield database
    await database.aclose()


class FailingDatabase(Database):
    """Cannot be written while `broken`."""

    broken = False
    refused = 0
    """How often it has refused."""

    def write(self, *, is_urgent: bool = False) -> Any:
        if self.broken:
            self.refused += 1
            raise StorageUnavailable("the database cannot be written: the disk is full")
        return super().write(is_urgent=is_urgent)


class CountingDatabase(Database):
    """Counts the transactions that write."""

    writes = 0

    def write(self, *, is_urgent: bool = False) -> Any:
        self.writes += 1
        return super().write(is_urgent=is_urgent)


async def add_user(database: Database, name: str) -> UUID:
    """A new user; the id."""
    async with database.write() as session:
        row = UserRow(name=name, name_key=name, password_hash="", role="user")
        session.add(row)
        await session.flush()
        return row.id


@pytest.fixture
async def ana(database: Database) -> UUID:  # pytest hands fixtures over by name
    return await add_user(database, "ana")


@pytest.fixture
async def bob(database: Database) -> UUID:
    return await add_user(database, "bob")


def make_dictation(user_id: UUID, label: str | None = "s1", model: str | None = None) -> NewDictation:
    """A dictation that is not stored yet."""
    return NewDictation(
        id=new_id(),
        user_id=user_id,
        session_label=label,
        lang="es",
        provider="fake",
        model=model,
        started_at=utc_now(),
    )


def make_pending(dictation_id: UUID, final: NewFinal) -> PendingFinal:
    """A final that is not stored yet."""
    return PendingFinal(id=new_id(), dictation_id=dictation_id, final=final, created_at=utc_now())


def make_final(n: int, text: str) -> NewFinal:
    """The final number `n` of a dictation."""
    return NewFinal(n=n, utterance_id=f"u{n}", text=text)


async def store_dictation(database: Database, user_id: UUID, *texts: str) -> UUID:
    """Store a dictation that has ended, with a final for each text; return its id."""
    new = make_dictation(user_id)
    finals = [make_pending(new.id, make_final(n, text)) for n, text in enumerate(texts)]
    end = DictationChange(dictation_id=new.id, state="final", ended_at=utc_now())
    batch = DictationBatch(dictations=[new], finals=finals, changes=[end])
    result = await store_batch(database, batch)
    assert (result.stored_finals, result.refused_finals) == (len(texts), 0)
    return new.id
