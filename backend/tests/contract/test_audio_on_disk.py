"""What is on disk of somebody's voice, and when: the whole data folder is searched for it, byte by byte."""

import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio import to_thread
from sqlalchemy import update

from app.core.security import LOCAL_USER_ID
from app.providers.media.flac import FlacCodec
from app.services.history import dictation_audio
from app.storage import lifecycle
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.kept_audio import remove_user_audio
from app.storage.tables import DictationRow
from app.utils.ids import new_id
from tests.fakes.engine import FakeEngine, Script
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.command import run_prompter
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client, make_sentence

pytestmark = pytest.mark.once

SENTENCE = make_sentence()
VOICE = SENTENCE[20_000:20_064]
"""Some samples in the middle of it that occur nowhere else."""


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictation_audio, "LOOK_S", 0.05)


@contextmanager
def serve(folder: Path, **settings: Any) -> Iterator[RunningServer]:
    with serve_engine(FakeEngine(Script(final=lambda _: "hello")), data_dir=folder, **settings) as served:
        yield served


def read_samples(path: Path) -> bytes:
    """A file's bytes; of FLAC the samples that are in it."""
    try:
        data = path.read_bytes()
        return FlacCodec().decode(data) if path.suffix == ".flac" else data
    except OSError:
        return b""  # deleted, or compressed, this moment


def find_voice(folder: Path) -> set[str]:
    """Where in the data folder somebody's voice is: the names of its folders."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {path for path in files if VOICE in read_samples(path)}
    assert all(
        stat.S_IMODE(path.stat().st_mode) == 0o600 for path in found if path.exists() and os.name == "posix"
    )
    return {path.relative_to(folder).parts[0] for path in found}


def list_left(folder: Path) -> list[Path]:
    """What is in the folders of sessions."""
    return [path for name in ("spool", "audio") for path in folder.glob(f"{name}/*/*")]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110  # a disk tells nobody
            await anyio.sleep(0.02)


async def dictate(served: RunningServer, token: str | None = None, **config: Any) -> str | None:
    """Say the sentence; the dictation's id. While it goes on the voice is in the spool, or nowhere."""
    folder = served.resources.settings.data_dir
    headers = {} if token is None else make_bearer(token)
    async with connect_speech_client(served.url, additional_headers=headers) as client:
        ready = await client.start("s1", events=["ack"], **config)
        await client.audio(SENTENCE)
        if ready["spooled"]:
            await until(lambda: find_voice(folder) == {"spool"})
        else:
            await client.until("ack")
            assert find_voice(folder) == set()
        await client.stop()
        dictation_id: str | None = ready["dictation_id"]
        return dictation_id


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:
        yield client


async def test_it_is_spooled_then_kept_then_deleted_with_the_dictation(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with serve(tmp_path) as served:
        dictation_id = await dictate(served)
        await until(lambda: find_voice(tmp_path) == {"audio"})
        await until(lambda: ".flac" in {path.suffix for path in list_left(tmp_path)})
        await until(lambda: ".pcm" not in {path.suffix for path in list_left(tmp_path)})
        assert find_voice(tmp_path) == {"audio"}
        await http.delete(f"{served.url}/api/dictations/{dictation_id}")
        assert find_voice(tmp_path) == set()
        assert list_left(tmp_path) == []


async def test_what_is_not_to_be_stored_touches_no_disk(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        assert await dictate(served, store=False) is None
        assert find_voice(tmp_path) == set()


async def test_where_nothing_is_kept_it_is_gone_with_its_last_final(tmp_path: Path) -> None:
    with serve(tmp_path, storage={"audio_hours": 0}) as served:
        await dictate(served)
        await until(lambda: find_voice(tmp_path) == set())
    assert find_voice(tmp_path) == set()


async def test_with_accounts_it_is_kept_for_who_says_so_and_goes_with_the_user(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with serve(tmp_path, accounts=ACCOUNTS) as served:
        team = Team(served.resources.settings)
        team.add("admin", "admin")
        person = team.add("owner")
        token = team.token(person)
        await dictate(served, token)
        await until(lambda: find_voice(tmp_path) == set())
        on = await http.patch(
            f"{served.url}/api/settings", json={"keep_audio": True}, headers=make_bearer(token)
        )
        assert on.json()["keep_audio"]
        await dictate(served, token)
        await until(lambda: find_voice(tmp_path) == {"audio"})
        team.administer(lambda accounts: accounts.delete("owner"))
        await until(lambda: find_voice(tmp_path) == set())


async def test_it_is_deleted_by_retention_and_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path) as served:
        await dictate(served)
        await until(lambda: find_voice(tmp_path) == {"audio"})
        database = Database(served.resources.settings)
        async with database.write() as session:
            await session.execute(update(DictationRow).values(started_at=utc_now() - timedelta(days=3)))
        await lifecycle.apply_retention(database, 1, FixedClock())
        await database.aclose()
        await until(lambda: find_voice(tmp_path) == set())
        await dictate(served)
        await until(lambda: find_voice(tmp_path) == {"audio"})
    monkeypatch.setattr(dictation_audio, "utc_now", lambda: utc_now() + timedelta(days=2))
    with serve(tmp_path):
        assert find_voice(tmp_path) == set()


class FixedClock(lifecycle.AgeClock):
    """The machine's clock, believed."""

    def read(self, newest: Any, now: Any, counted_s: float) -> Any:
        return now


async def test_a_user_is_deleted_without_a_server(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        await dictate(served)
        await until(lambda: find_voice(tmp_path) == {"audio"})
        remove_user_audio(tmp_path, new_id())
        assert find_voice(tmp_path) == {"audio"}
    remove_user_audio(tmp_path, LOCAL_USER_ID)
    assert find_voice(tmp_path) == set()


async def test_a_backup_has_it_only_if_it_is_asked_for(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    """And then another machine plays it."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()

    async def run(*words: str | Path, folder: Path = here) -> str:
        env = {"PROMPTER_DATA_DIR": str(folder)}
        done = await to_thread.run_sync(lambda: run_prompter(*map(str, words), env=env))
        assert done.returncode == 0, done.stderr
        return done.stderr.replace("\n", " ")

    with serve(here) as served:
        dictation_id = await dictate(served)
        await until(lambda: find_voice(here) == {"audio"})
        path = f"/api/dictations/{dictation_id}/audio"
        before = (await http.get(served.url + path)).content
        assert VOICE in before
        await run("db", "backup", tmp_path / "plain.db")
        assert not (tmp_path / "plain.db.audio").exists()
        assert VOICE not in (tmp_path / "plain.db").read_bytes()
        assert "audio of 1 sessions" in await run("db", "backup", tmp_path / "full.db", "--with-audio")
    await run("db", "restore", tmp_path / "full.db", folder=there)
    with serve(there) as served:
        assert (await http.get(served.url + path)).content == before
