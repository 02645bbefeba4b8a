"""The examples of docs/http-api.md do what the page says: each is run by a shell against a real server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import CALL, QUESTION, FakeAssistant, delta
from tests.support.accounts import ACCOUNTS, Team
from tests.support.conversations import ChatClient, join_content, parse_events, run_chat_server
from tests.support.server import serve_engine

PAGE = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")


def examples(heading: str) -> list[str]:
    """The commands under a heading, one a line."""
    under = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [
        line for block in re.findall(r"^```sh\n(.*?)^```$", under, re.S | re.M) for line in block.splitlines()
    ]


def shell(command: str, talk: ChatClient, folder: Path, **names: str) -> str:
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


NO_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")


@NO_CURL
def test_conversations_and_answers(tmp_path: Path) -> None:
    with run_chat_server() as (talk, _):
        (make,) = examples("Conversations")
        made = json.loads(shell(make, talk, tmp_path))
        assert (made["title"], made["model"]) == ("New Conversation", "echo")
        send, follow = examples("Answers")
        events = parse_events(shell(send, talk, tmp_path, ID=made["id"]))
        assert join_content(events) == "Say hello"
        rest = parse_events(shell(follow, talk, tmp_path, MESSAGE_ID=events[0].data["message_id"]))
        assert join_content(rest) == "hello"
        assert rest[-1] == events[-1]


@NO_CURL
def test_a_question_of_a_tool(tmp_path: Path) -> None:
    model = FakeAssistant([CALL, QUESTION, delta("so be it", finish="stop")])
    with run_chat_server(model) as (talk, _):
        id_, asked = talk.conversation(), ""
        body = {"conversation_id": id_, "message": "hello"}
        with talk.http.stream("POST", "/api/chat/stream", json=body) as answer:
            parts = answer.iter_text()
            while "event: approval_required" not in asked or not asked.endswith("\n\n"):
                asked += next(parts)
            data = parse_events(asked)[-1].data
            names = {"MESSAGE_ID": data["message_id"], "CALL_ID": data["call_id"]}
            (approve,) = examples("Tools")
            said = json.loads(shell(approve, talk, tmp_path, **names))
            assert said == {"call_id": "call_1", "decision": "approved"}
            assert join_content(parse_events("".join(parts))) == "so be it"


@NO_CURL
def test_branches_export_search_and_models(tmp_path: Path) -> None:
    with run_chat_server() as (talk, _):
        id_ = talk.conversation(title="Plans")
        asked, answer = talk.say(id_, "Say hello")
        names = {"ID": id_, "MESSAGE_ID": answer, "USER_MESSAGE_ID": asked}

        def run(command: str) -> str:
            return shell(command, talk, tmp_path, **names)

        again, edit, show, messages, fork = examples("Branches")
        assert join_content(parse_events(run(again))) == "Say hello"
        assert join_content(parse_events(run(edit))) == "Say goodbye"
        assert talk.texts(id_) == ["Say goodbye", "Say goodbye"]
        assert json.loads(run(show))["active_leaf_id"] == answer
        assert len(json.loads(run(messages))) == 5
        assert json.loads(run(fork))["message_count"] == 2

        markdown, html, _, everything, archive = examples("Export")
        for command in (markdown, html, archive):
            run(command)
        assert list(tmp_path.glob("*.html"))
        assert list(tmp_path.glob("*.zip"))
        assert (tmp_path / "Plans.md").read_text().startswith("# Plans\n")
        assert len(json.loads(run(everything))["messages"]) == 5

        (search,) = examples("Search")
        assert len(json.loads(run(search))) == 5
        (models,) = examples("Models")
        assert json.loads(run(models)) == ["echo", "loft-chat"]


@NO_CURL
def test_a_key_is_made(tmp_path: Path) -> None:
    """The example of docs/http-api.md."""
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    (command,) = (line for line in page.splitlines() if line.startswith("curl ") and "/api/keys" in line)
    with serve_engine(FakeEngine(), accounts=ACCOUNTS) as served:
        team = Team(served.resources.settings)
        token = team.token(team.add("ada"))
        with httpx2.Client(base_url=served.url, trust_env=False) as http:
            made = json.loads(shell(command, ChatClient(http), tmp_path, TOKEN=token))
    assert (made["name"], made["scopes"], made["key"][:3]) == ("editor", ["llm"], "pk_")
