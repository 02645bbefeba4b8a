"""`prompter db`: the schema of an SQLite database, and what is refused. Backups are tested with the storage."""

import json
from pathlib import Path

import pytest

from tests.support.command import get_only_line, run_prompter


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("PROMPTER_STORAGE__URL", raising=False)
    return tmp_path / "data"


def read_status() -> dict[str, str | None]:
    status: dict[str, str | None] = json.loads(run_prompter("db", "status", "--json").stdout)
    return status


def test_a_database_is_brought_to_the_schema_of_this_version(data_dir: Path) -> None:
    before = read_status()
    assert (before["state"], before["schema"]) == ("no database yet", None)
    assert before["database"] == str(data_dir / "prompter.db")
    done = run_prompter("db", "upgrade")
    assert (done.returncode, "up to date" in done.stdout) == (0, True)
    after = read_status()
    assert (after["state"], after["schema"]) == ("up to date", after["needed"])
    assert "up to date" in run_prompter("db", "status").stdout


def test_a_password_in_the_address_is_masked() -> None:
    done = run_prompter(
        "db",
        "backup",
        "copy.db",
        env={"PROMPTER_STORAGE__URL": "postgresql://ana:canary@127.0.0.1:9/prompter"},
    )
    assert done.returncode == 1
    line = get_only_line(done.stderr)
    assert "pg_dump" in line
    assert "********@127.0.0.1" in line
    assert "canary" not in line
