"""A server moves to another machine: backed up while it answers, restored in an empty folder, with its log-ins."""

import shutil
from pathlib import Path

from app.storage.data_folder import KEY_FILE
from tests.support.accounts import ACCOUNTS, PASSWORD, Team
from tests.support.command import run_prompter
from tests.support.conversations import ChatClient, run_chat_server


def log_in(client: ChatClient) -> str:
    """Log in; the access token, which the client sends from now on."""
    tokens = client.http.post("/api/auth/login", json={"name": "ana", "password": PASSWORD})
    assert tokens.status_code == 200, tokens.text
    token = str(tokens.json()["access_token"])
    client.http.headers["Authorization"] = f"Bearer {token}"
    return token


def test_a_server_moves_to_another_machine(tmp_path: Path) -> None:
    """As docs/deployment.md describes it. What was written after the backup is not in it."""
    old, new, copy = tmp_path / "old", tmp_path / "new", tmp_path / "copy.db"
    with run_chat_server(accounts=ACCOUNTS, data_dir=old) as (ana, served):
        Team(served.resources.settings).add("ana")
        token = log_in(ana)
        id_ = ana.conversation(title="Viaje")
        ana.say(id_, "hola desde Córdoba")
        listed = ana.messages(id_)
        exported = ana.http.get(f"/api/conversations/{id_}/export?format=json").json()
        done = run_prompter("db", "backup", copy, env={"PROMPTER_DATA_DIR": str(old)})
        assert done.returncode == 0, done.stderr
        ana.conversation(title="after the backup")
    new.mkdir()
    shutil.copy(old / KEY_FILE, new)
    done = run_prompter("db", "restore", copy, env={"PROMPTER_DATA_DIR": str(new)})
    assert done.returncode == 0, done.stderr
    with run_chat_server(accounts=ACCOUNTS, data_dir=new) as (ana, _):
        ana.http.headers["Authorization"] = f"Bearer {token}"
        assert ana.messages(id_) == listed, "the log-in of the old machine is good on the new one"
        moved = ana.http.get(f"/api/conversations/{id_}/export?format=json").json()
        assert {**moved, "exported_at": ""} == {**exported, "exported_at": ""}
        assert [each["title"] for each in ana.http.get("/api/conversations").json()] == ["Viaje"]
        assert len(ana.http.get("/api/search", params={"q": "cordoba"}).json()) == 2
        log_in(ana)
        ana.say(id_, "y ahora desde otra máquina")
        assert len(ana.messages(id_)) == 4
