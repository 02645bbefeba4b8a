"""`prompter users`, and a server with accounts and https, as an administrator meets them."""

import json
import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.client.errors import Refused, Unreachable
from app.client.prompt_client import PromptClient
from app.core.security import LOCAL_USER_ID
from app.storage.data_folder import KEY_FILE
from tests.support.accounts import PASSWORD, make_bearer
from tests.support.command import get_only_line, run_prompter, run_prompter_process
from tests.support.terminal import FakeTerminal

pytestmark = pytest.mark.once

GOOD = f"{PASSWORD}\n".encode()


def users() -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(run_prompter("users", "list", "--json").stdout)
    return listed


def test_users_from_first_to_last() -> None:
    nobody = run_prompter("users", "list")
    assert nobody.stdout == ""
    assert "prompter users add NAME --admin" in nobody.stderr
    added = run_prompter("users", "add", "Ada", "--admin", "--password-stdin", stdin=GOOD)
    assert (added.returncode, added.stdout) == (0, "added admin Ada\n")
    assert "belongs to this user now" in added.stderr
    assert "PROMPTER_ACCOUNTS__MODE=accounts" in added.stderr
    assert run_prompter("users", "add", "bob", "--password-stdin", stdin=GOOD).stdout == "added user bob\n"
    assert run_prompter("users", "disable", "BOB").returncode == 0
    assert [(user["name"], user["role"], user["disabled"]) for user in users()] == [
        ("Ada", "admin", False),
        ("bob", "user", True),
    ]
    assert users()[0]["id"] == str(LOCAL_USER_ID)
    shown = run_prompter("users", "list").stdout.splitlines()
    assert [line.split() for line in shown] == [["Ada", "admin"], ["bob", "user", "disabled"]]
    assert run_prompter("users", "enable", "bob").returncode == 0
    assert (
        run_prompter("users", "passwd", "bob", "--password-stdin", stdin=b"another good one\r\n").returncode
        == 0
    )
    assert run_prompter("users", "delete", "bob", "--yes").returncode == 0
    assert [user["name"] for user in users()] == ["Ada"]


@pytest.mark.skipif(os.name != "posix", reason="modes are for POSIX")
@pytest.mark.parametrize("first", ["users", "server"])
def test_nobody_else_can_read_what_is_kept(tmp_path: Path, first: str) -> None:
    """Whichever of them makes the folder."""
    folder = tmp_path / "deep" / "data"
    env = {"PROMPTER_DATA_DIR": str(folder), "PROMPTER_ACCOUNTS__MODE": "accounts"}
    if first == "users":
        assert run_prompter("users", "list", env=env).returncode == 0
    else:
        served = FakeTerminal(PROMPTER_STT__PROVIDER="cloud_stub", **env)
        with served.process:
            served.wait_for("listening at")
            served.process.kill()
            served.process.communicate()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes["prompter.db"] == 0o600
    assert modes.get(KEY_FILE, 0o600) == 0o600


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "said"),
    [
        (("add", "ada", "--password-stdin"), b"short\n", 4, "a password has 10 to 1024 characters"),
        (("add", "ada", "--password-stdin"), b"", 4, "a password has 10 to 1024 characters"),
        (("add", "a b", "--password-stdin"), GOOD, 4, "letters, digits"),
        (("add", "ada"), GOOD, 2, "--password-stdin"),
        (("add", "ada", PASSWORD), b"", 2, "unexpected extra argument"),
        (("passwd", "nobody", "--password-stdin"), GOOD, 4, "there is no user 'nobody'"),
        (("disable", "nobody"), b"", 4, "there is no user 'nobody'"),
        (("delete", "nobody", "--yes"), b"", 4, "there is no user 'nobody'"),
        (("delete", "local", "--yes"), b"", 4, "there is no user 'local'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], stdin: bytes, code: int, said: str
) -> None:
    done = run_prompter("users", *arguments, stdin=stdin)
    assert done.returncode == code
    assert said in get_only_line(done.stderr)
    assert PASSWORD not in get_only_line(done.stderr).replace("argument", "") or arguments[-1] == PASSWORD
    assert users() == []


def test_deleting_has_to_be_meant() -> None:
    run_prompter("users", "add", "ada", "--password-stdin", stdin=GOOD)
    assert "--yes" in get_only_line(run_prompter("users", "delete", "ada").stderr)
    assert len(users()) == 1


def test_a_data_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_prompter("users", "list", env={"PROMPTER_DATA_DIR": str(tmp_path / "file")})
    assert done.returncode != 0
    get_only_line(done.stderr)


def test_nothing_is_asked_where_there_is_no_terminal() -> None:
    done = run_prompter_process("users", "add", "ada")
    assert done.returncode == 2
    assert "no terminal" in get_only_line(done.stderr)


# -- a server for a team


@pytest.fixture
def folder(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PROMPTER_ACCOUNTS__MODE", "accounts")
    monkeypatch.setenv("PROMPTER_STT__PROVIDER", "cloud_stub")
    return tmp_path


@pytest.fixture
def team_server(folder: Path) -> Iterator[tuple[FakeTerminal, Path]]:
    """On every address, over https, with one admin who was added while it runs; the certificate."""
    run_prompter("tls", "--folder", folder / "tls")
    cert, key = folder / "tls" / "cert.pem", folder / "tls" / "key.pem"
    served = FakeTerminal("--host", "0.0.0.0", "--tls-cert", str(cert), "--tls-key", str(key))
    try:
        yield served, cert
    finally:
        served.process.kill()
        served.process.communicate()


async def test_a_server_for_a_team_over_https(team_server: tuple[FakeTerminal, Path]) -> None:
    served, cert = team_server
    url = served.wait_for(r"listening at (https://127\.0\.0\.1:\d+)")[1]
    served.wait_for("prompter users add NAME")
    run_prompter_process("users", "add", "Ada", "--admin", "--password-stdin", stdin=GOOD)
    trusted = ssl.create_default_context(cafile=cert)
    async with httpx2.AsyncClient(base_url=url, verify=trusted, trust_env=False) as http:
        login = {"name": "ada", "password": PASSWORD, "cookie": True}
        made = await http.post("/api/auth/login", json=login)
        assert "; Secure" in made.headers["set-cookie"]
        token = made.json()["access_token"]
        body = {"name": "cli", "scopes": ["stt", "llm"]}
        key = (await http.post("/api/keys", json=body, headers=make_bearer(token))).json()["key"]
    async with PromptClient(url, key, cafile=cert) as client:
        events = [event.type async for event in client.dictate([bytes(6400)], provider="cloud_stub")]
        assert events[-1] == "stopped"
        assert (await client.generate("hello", provider="echo")).text == "hello"
    async with PromptClient(url, "pk_wrong", cafile=cert) as client:
        with pytest.raises(Refused, match="not valid"):
            await client.providers()
        with pytest.raises(Refused, match="not valid"):
            async for _ in client.dictate([bytes(6400)]):
                pass
    async with PromptClient(url, key) as client:
        with pytest.raises(Unreachable):
            await client.providers()
    with pytest.raises(Unreachable, match="no certificates"):
        PromptClient(url, key, cafile=cert.with_name("none"))
    asked = run_prompter_process("ask", "hello", "--url", url, "--cafile", cert, env={"PROMPTER_TOKEN": key})
    assert asked.stdout.strip() == "hello"


def test_accounts_without_https_are_told_what_that_means(folder: Path) -> None:
    served = FakeTerminal("--host", "0.0.0.0")
    with served.process:
        served.wait_for("passwords travel in the clear")
        served.process.kill()


@pytest.mark.parametrize("key", ["short", ""])
def test_a_key_that_signs_nothing_safely_is_one_line(folder: Path, key: str) -> None:
    (folder / "data").mkdir()
    (folder / "data" / KEY_FILE).write_text(key)
    (folder / "data" / KEY_FILE).chmod(0o600)
    done = run_prompter_process("serve", "--port", "0")
    assert done.returncode == 4
    assert "cannot start: " in done.stderr
    assert "at least 32" in done.stderr
    assert "Traceback" not in done.stderr
