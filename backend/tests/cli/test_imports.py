"""`prompter import`: a file is sent, its report printed; what is wrong is one line and an exit code."""

import json
from pathlib import Path

import httpx2
import pytest

from tests.support import exports
from tests.support.command import get_only_line, run_prompter
from tests.support.conversations import run_chat_server
from tests.support.exports import dump, make_zip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "export.zip"
    path.write_bytes(
        make_zip({"a.json": dump([exports.make_chatgpt_turns()]), "b.json": dump([exports.make_claude()])})
    )
    return path


def test_a_file_is_imported_and_its_report_printed(archive: Path) -> None:
    with run_chat_server() as (_, served):
        dry = run_prompter("import", archive, "--dry-run", "--server", served.url)
        assert (dry.returncode, dry.stderr) == (0, "")
        assert dry.stdout.splitlines()[0] == "2 conversations would come, with 7 messages"
        assert httpx2.get(f"{served.url}/api/conversations", trust_env=False).json() == []
        done = run_prompter("import", archive, "--url", served.url)
        assert done.stdout == (
            "2 conversations imported, with 7 messages\nNot imported, or changed:\n  2 pictures\n"
        )
        again = run_prompter("import", archive, "--url", served.url, "--json")
        assert json.loads(again.stdout)["report"]["unchanged"] == 2


def test_what_is_wrong_is_one_line(archive: Path, tmp_path: Path) -> None:
    empty, wrong = tmp_path / "empty.json", tmp_path / "wrong.json"
    empty.write_bytes(b"")
    wrong.write_bytes(b"[1]")
    with run_chat_server() as (_, served):
        refused = run_prompter("import", wrong, "--url", served.url)
        assert refused.returncode == 1
        assert "no conversations of a known product" in refused.stderr.splitlines()[-1]
    nothing = run_prompter("import", empty, "--url", "http://127.0.0.1:9")
    assert (nothing.returncode, get_only_line(nothing.stderr).startswith("the file is empty")) == (2, True)
    missing = run_prompter("import", tmp_path / "none.json", "--url", "http://127.0.0.1:9")
    assert missing.returncode == 2
    away = run_prompter("import", archive, "--url", "http://127.0.0.1:9")
    assert (away.returncode, "no server answers" in get_only_line(away.stderr)) == (3, True)
