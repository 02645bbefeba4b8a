"""Thoughts that a service leaves between tags in its text: reasoning at every door, or as they came where chosen."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from app.core.config import Settings
from tests.fakes.chat_upstream import run_in_background
from tests.support.conversations import join_content, parse_events
from tests.support.server import run_server
from tests.support.upstream_chat import join_text

SAID = [{"role": "user", "content": "What time is it?"}]
RAW = "<think>\nLet me think.\n</think>\n\nNoon."


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A server with one service as several profiles, of which one splits the text."""
    with run_in_background() as upstream:
        profiles = {
            "local": {"base_url": upstream.base_url},
            "raw": {"base_url": upstream.base_url, "think_tags": "keep"},
        }
        settings = Settings(
            _env_file=None,
            data_dir=tmp_path_factory.mktemp("data"),
            llm={
                "profiles": profiles,
                "openai_compat": {**profiles["raw"], "api_key": "k", "model": "tag-thinker"},
                "discover": False,
            },
        )
        with (
            run_server(settings) as server,
            httpx2.Client(base_url=server.url, timeout=30, trust_env=False) as client,
        ):
            yield client


@pytest.mark.parametrize(
    ("profile", "content", "thoughts"),
    [("local", "Noon.", "Let me think."), ("raw", RAW, ""), ("openai_compat", RAW, "")],
)
def test_openais_api_gives_what_the_profile_chooses(
    http: httpx2.Client, profile: str, content: str, thoughts: str
) -> None:
    asked = {"model": f"{profile}/tag-thinker", "messages": SAID}
    message = http.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]
    assert (message["content"], message.get("reasoning_content", "")) == (content, thoughts)
    text = http.post("/v1/chat/completions", json={**asked, "stream": True}).text
    *events, done = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert done == "[DONE]"
    chunks = [json.loads(event) for event in events]
    assert (join_text(chunks), join_text(chunks, "reasoning_content")) == (content, thoughts)


@pytest.mark.parametrize("profile", ["local", "raw"])
def test_conversations_show_and_keep_thoughts_apart(http: httpx2.Client, profile: str) -> None:
    id_ = http.post("/api/conversations", json={"model": f"{profile}/tag-thinker"}).json()["id"]
    answer = http.post("/api/chat/stream", json={"conversation_id": id_, "message": "What time is it?"})
    events = parse_events(answer.text)
    assert (join_content(events), join_content(events, "reasoning")) == ("Noon.", "Let me think.")
    stored = http.get(f"/api/conversations/{id_}/messages").json()[-1]
    assert (stored["content"], stored["reasoning"]) == ("Noon.", "Let me think.")


@pytest.mark.parametrize("profile", ["local", "raw"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_is_answered_with_the_answer_alone(http: httpx2.Client, profile: str, stream: bool) -> None:
    """As the command line prints it."""
    asked = {"provider": profile, "config": {"model": "tag-thinker"}, "messages": SAID, "stream": stream}
    answer = http.post("/llm/generate", json=asked)
    if not stream:
        assert answer.json()["text"] == "Noon."
        return
    data = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if "data: " in line]
    assert "".join(event.get("content", "") for event in data) == "Noon."
