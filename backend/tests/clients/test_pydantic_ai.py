"""pydantic-ai as its users set it up, `Agent("openai:…")`: it asks `/v1/responses`, with tools and thoughts."""

import pytest

from tests.clients.conftest import CLIENT_KEY
from tests.fakes.chat_upstream import BackgroundUpstream

pytest.importorskip("pydantic_ai", reason="the extra [tools] is not installed")
from pydantic_ai import Agent
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models.openai import OpenAIResponsesModel

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, prompter: str) -> None:
    """All that a user sets."""
    monkeypatch.setenv("OPENAI_BASE_URL", prompter)
    monkeypatch.setenv("OPENAI_API_KEY", CLIENT_KEY)


def get_time(tz: str) -> str:
    """The time somewhere."""
    return f"noon in {tz}. "


async def test_an_agent_asks_responses(upstream: BackgroundUpstream, words: str) -> None:
    async with Agent("openai:fake/tiny", instructions="Be brief.") as agent:
        assert isinstance(agent.model, OpenAIResponsesModel)
        result = await agent.run(words)
    assert result.output == "Hello world"
    assert result.usage.total_tokens == 13
    [asked] = upstream.about(words)
    assert asked["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_a_streamed_answer() -> None:
    async with Agent("openai:fake/tiny") as agent, agent.run_stream("Hi") as result:
        assert [piece async for piece in result.stream_text(delta=True, debounce_by=None)] == [
            "Hello",
            " world",
        ]


async def test_tools_go_round_and_the_conversation_goes_on(upstream: BackgroundUpstream, words: str) -> None:
    async with Agent("openai:fake/clock", tools=[get_time]) as agent:
        result = await agent.run(words)
        again = await agent.run("And now?", message_history=result.all_messages())
    assert again.output
    assert result.output == "noon in UTC. noon in Europe/Madrid. "
    roles = [message["role"] for message in upstream.about(words)[1]["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]


async def test_thoughts_are_parts_and_go_back(upstream: BackgroundUpstream, words: str) -> None:
    async with Agent("openai:fake/thinker", tools=[get_time]) as agent:
        result = await agent.run(words)
    assert result.output == "Noon."
    told = [
        part for message in result.all_messages() for part in message.parts if isinstance(part, ThinkingPart)
    ]
    assert told
    assert upstream.about(words)[-1]["messages"][1]["reasoning_content"] == "I need a clock."
