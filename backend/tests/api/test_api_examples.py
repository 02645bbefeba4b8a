"""The examples of docs/api.md do what the page says: each is run by a shell against a real server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.chatting import content, read_events
from tests.support.talking import Talk, talking

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def examples(heading: str) -> list[str]:
    """The commands under a heading, one a line."""
    under = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [
        line for block in re.findall(r"^```sh\n(.*?)^```$", under, re.S | re.M) for line in block.splitlines()
    ]


def shell(command: str, talk: Talk, folder: Path, **names: str) -> str:
    """What a command prints, run where `curl` may leave its file."""
    server = str(talk.http.base_url).removeprefix("http://").rstrip("/")
    assert "localhost:8000" in command
    done = subprocess.run(
        ["sh", "-ec", command.replace("localhost:8000", server).replace("curl ", "curl --fail-with-body ")],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **names},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_branches_export_search_and_models(tmp_path: Path) -> None:
    with talking() as (talk, _):
        id_ = talk.conversation(title="Plans")
        asked, answer = talk.say(id_, "Say hello")
        names = {"ID": id_, "MESSAGE_ID": answer, "USER_MESSAGE_ID": asked}

        def run(command: str) -> str:
            return shell(command, talk, tmp_path, **names)

        again, edit, show, messages, fork = examples("Branches")
        assert content(read_events(run(again))) == "Say hello"
        assert content(read_events(run(edit))) == "Say goodbye"
        assert talk.texts(id_) == ["Say goodbye", "Say goodbye"]
        assert json.loads(run(show))["active_leaf_id"] == answer
        assert len(json.loads(run(messages))) == 5
        assert json.loads(run(fork))["message_count"] == 2

        markdown, everything = examples("Export")
        run(markdown)
        assert (tmp_path / "Plans.md").read_text().startswith("# Plans\n")
        assert len(json.loads(run(everything))["messages"]) == 5

        (search,) = examples("Search")
        assert len(json.loads(run(search))) == 5
        (models,) = examples("Models")
        assert json.loads(run(models)) == ["echo"]
