"""Answers of a real language model, over each interface that gives them."""

from typing import Any

import httpx2
import openai
import pytest

from tests.support.conversations import join_content, parse_events

pytestmark = pytest.mark.once

PROMPT = "Name three colours."
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "orange", "purple")
ASKED: list[Any] = [{"role": "user", "content": PROMPT}]
OPTIONS = {"temperature": 0, "max_tokens": 60}
SOON_S = 60


def assert_answers(text: str) -> None:
    """A model of this size says much that is wrong; but it speaks of what it was asked."""
    assert PROMPT not in text
    assert len(text.split()) >= 3
    assert any(colour in text.lower() for colour in COLOURS), text


@pytest.mark.parametrize("stream", [False, True])
async def test_chat_completions(real_server: str, stream: bool) -> None:
    async with openai.AsyncOpenAI(base_url=f"{real_server}/v1", api_key="any", timeout=SOON_S) as sdk:
        [model] = [model.id async for model in await sdk.models.list() if "SmolLM2" in model.id]
        if not stream:
            answer = await sdk.chat.completions.create(
                model=model, messages=ASKED, temperature=0, max_tokens=60
            )
            assert_answers(answer.choices[0].message.content or "")
            assert answer.usage
            assert 3 <= answer.usage.completion_tokens <= 60
            return
        chunks = await sdk.chat.completions.create(
            model=model, messages=ASKED, temperature=0, max_tokens=60, stream=True
        )
        pieces = [choice.delta.content or "" async for chunk in chunks for choice in chunk.choices]
        assert_answers("".join(pieces))
        assert len([piece for piece in pieces if piece]) >= 3


async def test_generate_answers_by_default(real_server: str) -> None:
    """A request that names no provider gets the model, not an echo."""
    async with httpx2.AsyncClient(base_url=real_server, trust_env=False, timeout=SOON_S) as http:
        answer = (await http.post("/llm/generate", json={"messages": ASKED, "config": OPTIONS})).json()
    assert answer["provider"] == "llama_local"
    assert_answers(answer["text"])


async def test_a_conversation_remembers(real_server: str) -> None:
    """Two messages; both answers are streamed and stored."""
    async with httpx2.AsyncClient(base_url=real_server, trust_env=False, timeout=SOON_S) as http:
        made = (await http.post("/api/conversations", json={"settings": OPTIONS})).json()
        for message in (PROMPT, "Name three more."):
            body = {"conversation_id": made["id"], "message": message}
            events = parse_events((await http.post("/api/chat/stream", json=body)).text)
            assert events[-1].name == "done"
            assert events[-1].data["status"] == "completed"
            assert sum(event.name == "message" for event in events) >= 3
            assert_answers(join_content(events))
        stored = (await http.get(f"/api/conversations/{made['id']}/messages")).json()
    assert [message["status"] for message in stored] == ["complete"] * 4
    assert stored[-1]["content"] == join_content(events)
    assert stored[-1]["provider"] == "llama_local"
