"""Attached files from one start to the next: recordings that were left, backups, and users who are deleted."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import update

from app.core.config import Settings
from app.core.security import LOCAL_USER_ID
from app.storage.attached_files import TEXT, AttachedFiles
from app.storage.database import Database
from app.storage.tables import AttachmentRow
from app.utils.ids import new_id
from tests.conftest import SAMPLES
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.support.attachments import attach, list_contents, make_picture, wait_for
from tests.support.command import run_prompter
from tests.support.conversations import ChatClient, make_client, run_chat_server
from tests.support.server import serve_engine

RECORDING = (SAMPLES / "en_send_email_8k.wav").read_bytes()


def wait_for_text(talk: ChatClient, attachment_id: str) -> str:
    path = f"/api/attachments/{attachment_id}"
    wait_for(lambda: talk.http.get(path).json()["state"] != "working")
    return talk.http.get(f"{path}/text").text


def test_a_recording_that_a_server_left_is_transcribed_by_the_next_one(storage_settings: Settings) -> None:
    where: dict[str, Any] = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with run_chat_server(None, **where) as (talk, _):
        sent = attach(talk, RECORDING, "memo.wav")
        said = wait_for_text(talk, sent["id"])
        assert said

    async def forget() -> None:
        database = Database(storage_settings)
        working = {"state": "working", "run_id": new_id(), "tokens": None, "total_tokens": None}
        async with database.write() as session:
            await session.execute(update(AttachmentRow).values(working))
        await database.aclose()

    asyncio.run(forget())
    AttachedFiles(storage_settings.data_dir).find(LOCAL_USER_ID, sent["sha256"], TEXT).unlink()
    with run_chat_server(None, **where) as (talk, _):
        assert wait_for_text(talk, sent["id"]) == said


def test_a_recording_that_is_deleted_while_it_is_heard_leaves_nothing_and_stops_no_other(
    storage_settings: Settings,
) -> None:
    gate = Gate()
    engine = FakeEngine(Script(final=lambda _: "said", gates={"finish": gate}))
    where: dict[str, Any] = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with serve_engine(engine, **where) as served, make_client(served) as http:
        talk = ChatClient(http)
        sent, waiting, other = (attach(talk, RECORDING + bytes(2 * n), "memo.wav") for n in range(3))
        assert gate.reached.wait(60)
        for each in (sent, waiting):  # heard at this moment, and still in its queue
            assert http.delete(f"/api/attachments/{each['id']}").json() == {"status": "deleted"}
        wait_for(lambda: len(list_contents(served)) == 1)
        gate.open()
        assert wait_for_text(talk, other["id"]) == "said"
        wait_for(lambda: engine.all_closed)
        assert len(engine.sessions) == 2
        assert http.get(f"/api/attachments/{sent['id']}").status_code == 404
        (kept,) = list_contents(served)
        assert kept.name == other["sha256"]


def test_the_same_recording_sent_twice_is_heard_on_where_one_is_deleted(storage_settings: Settings) -> None:
    gate = Gate()
    engine = FakeEngine(Script(final=lambda _: "said", gates={"finish": gate}))
    where: dict[str, Any] = {"storage": storage_settings.storage, "data_dir": storage_settings.data_dir}
    with serve_engine(engine, **where) as served, make_client(served) as http:
        talk = ChatClient(http)
        first, second = (attach(talk, RECORDING, "memo.wav") for _ in range(2))
        assert first["sha256"] == second["sha256"]
        assert gate.reached.wait(60)
        http.delete(f"/api/attachments/{first['id']}")
        gate.open()
        assert wait_for_text(talk, second["id"]) == "said"


def test_a_backup_has_the_files_and_a_restore_brings_them_back(
    tmp_path: Path,
) -> None:
    folder, copy = tmp_path / "data", tmp_path / "copy.db"
    env = {"PROMPTER_DATA_DIR": str(folder)}
    with run_chat_server(None, data_dir=folder) as (talk, _):
        sent = attach(talk, make_picture(), "photo.jpg")
        id_ = talk.conversation()
        talk.say(id_, "See?", attachments=[sent["id"]], attachments_as_text=True)
        content = talk.http.get(f"/api/attachments/{sent['id']}/content").content
        done = run_prompter("db", "backup", str(copy), env=env)  # while the server runs
        assert (done.returncode, "copy.db.attachments has the 1 files" in done.stderr) == (0, True), (
            done.stderr
        )
    shutil.rmtree(folder)
    done = run_prompter("db", "restore", str(copy), env=env)
    assert (done.returncode, "1 files of messages are back" in done.stderr) == (0, True), done.stderr
    with run_chat_server(None, data_dir=folder) as (talk, _):
        (file,) = talk.messages(id_)[0]["attachments"]
        assert talk.http.get(f"/api/attachments/{file['id']}/content").content == content


def test_the_files_of_a_user_who_is_deleted_are_deleted(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    env = {"PROMPTER_DATA_DIR": str(folder)}
    for name in ("ada", "bob"):  # the first one takes over what the local user has
        added = run_prompter(
            "users", "add", name, "--admin", "--password-stdin", stdin=b"a long password\n", env=env
        )
        assert added.returncode == 0, added.stderr
    with run_chat_server(None, data_dir=folder) as (talk, _):
        attach(talk, make_picture(), "photo.jpg")
    assert len(AttachedFiles(folder).list_users()) == 1
    assert run_prompter("users", "delete", "ada", "--yes", env=env).returncode == 0
    assert AttachedFiles(folder).list_users() == []
