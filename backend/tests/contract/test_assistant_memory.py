"""An assistant with the toolset `conversations`, where there are accounts: whose words it finds, at every door."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from app.storage import conversations, messages
from app.storage.database import Database
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.fakes.engine import FakeEngine
from tests.fakes.shop_model import MODEL, ShopModel
from tests.support.accounts import ACCOUNTS, Person, Team, make_bearer
from tests.support.server import RunningServer, serve_engine

pytest.importorskip("pydantic_ai", reason="the extra [tools] is not installed")
QUESTION = "¿Qué dije de volcanes?"
SECRETS = {"ada": "los volcanes de Ada", "bob": "los volcanes de Bob"}
NOTHING_FOUND = "No existe."


@pytest.fixture(scope="module")
def model() -> Iterator[BackgroundUpstream]:
    with run_in_background(ShopModel()) as fake:
        yield fake


@pytest.fixture(scope="module")
def served(model: BackgroundUpstream) -> Iterator[RunningServer]:
    upstream = {"base_url": model.base_url, "api_key": "k", "model": MODEL}
    fields: dict[str, Any] = {
        "accounts": ACCOUNTS,
        "llm": {"openai_compat": upstream, "discover": False},
        "assistants": {"named": {"memory": {"language": "es", "toolsets": ["conversations"]}}},
    }
    with serve_engine(FakeEngine(), **fields) as served:
        yield served


@pytest.fixture(scope="module")
def team(served: RunningServer) -> Team:
    return Team(served.resources.settings)


@pytest.fixture(scope="module")
def people(team: Team) -> dict[str, Person]:
    """Ada, an admin, and Bob, who have each said something; Eva, who has not."""
    found = {"ada": team.add("ada", "admin"), "bob": team.add("bob"), "eva": team.add("eva")}

    async def say(database: Database) -> None:
        for name, text in SECRETS.items():
            async with database.write() as session:
                conversation = await conversations.create(session, found[name].id, title="Charla")
                await messages.append(session, found[name].id, conversation.id, text)

    team.do(say)
    return found


@pytest.fixture
def http(served: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=30) as http:
        yield http


def asked_by(http: httpx2.Client, token: str, **fields: Any) -> str:
    """What it answers under `/v1`."""
    sent = {"model": "memory", "messages": [{"role": "user", "content": QUESTION}], **fields}
    response = http.post("/v1/chat/completions", json=sent, headers=make_bearer(token))
    assert response.status_code == 200, response.text
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("name", ["ada", "bob", "eva"])
def test_each_finds_their_own(http: httpx2.Client, team: Team, people: dict[str, Person], name: str) -> None:
    """An admin no more than others."""
    wanted = f"Dijo: {SECRETS[name]}." if name in SECRETS else NOTHING_FOUND
    assert asked_by(http, team.token(people[name])) == wanted
    assert asked_by(http, team.key(people[name], "llm", "chat")[0]) == wanted


def test_a_key_for_prompts_finds_nothing(
    http: httpx2.Client, team: Team, people: dict[str, Person], model: BackgroundUpstream
) -> None:
    """It may not read conversations itself; the model is told so, and nothing of them."""
    key, _ = team.key(people["ada"], "llm")
    assert http.get("/api/search", params={"q": "volcanes"}, headers=make_bearer(key)).status_code == 403
    before = len(model.fake.bodies)
    answer = asked_by(http, key)
    assert answer.startswith("Ahora no puedo consultarlo: this API key may not read conversations")
    assert SECRETS["ada"] not in json.dumps(model.fake.bodies[before:], ensure_ascii=False)


def test_nobody_is_whom_the_request_says(http: httpx2.Client, team: Team, people: dict[str, Person]) -> None:
    """Neither a field nor the text makes a caller somebody else."""
    fields = {"user": str(people["ada"].id), "metadata": {"user_id": str(people["ada"].id)}}
    assert asked_by(http, team.token(people["bob"]), **fields) == f"Dijo: {SECRETS['bob']}."


def test_in_a_conversation(http: httpx2.Client, team: Team, people: dict[str, Person]) -> None:
    """Its own question is no find, though it has the same word."""
    headers = make_bearer(team.token(people["bob"]))
    made = http.post("/api/conversations", json={"model": "memory"}, headers=headers).json()
    sent = {"conversation_id": made["id"], "message": QUESTION}
    text = http.post("/api/chat/stream", json=sent, headers=headers).text
    events = [
        (block.partition("event: ")[2].partition("\n")[0], json.loads(block.partition("data: ")[2]))
        for block in text.split("\n\n")
        if "event: " in block
    ]
    said = "".join(data["content"] for kind, data in events if kind == "message")
    assert said == f"Dijo: {SECRETS['bob']}."
    kinds = [kind for kind, _ in events if kind != "message"]
    assert kinds == ["start", "tool_call", "tool_result", "done"]
