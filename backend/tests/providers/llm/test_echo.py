"""The echo says what it was sent, and that it is an echo."""

import pytest

from app.core.config import Settings
from app.providers.base import ChatMessage, LlmChunk, LlmConfig, Usage
from app.providers.llm.echo import EchoProvider
from app.schemas.providers import ProviderState

TEXTS = ["Hello", "one two three four five six seven", "  keeps \n\n all   spaces\t", "ñandú ¿qué?", " ", ""]


async def answer(*messages: ChatMessage) -> list[LlmChunk]:
    echo = EchoProvider(Settings(_env_file=None))
    return [chunk async for chunk in echo.generate(messages, LlmConfig(model="gpt-5"))]


@pytest.mark.parametrize("text", TEXTS)
async def test_the_last_user_message_comes_back_unchanged(text: str) -> None:
    messages = ChatMessage("user", "earlier"), ChatMessage("user", text), ChatMessage("assistant", "later")
    chunks = await answer(*messages)
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.finish_reason for chunk in chunks][-1] == "stop"
    assert {chunk.model for chunk in chunks} == {"echo"}


async def test_it_comes_in_pieces_and_counts_words() -> None:
    chunks = await answer(ChatMessage("system", "be brief"), ChatMessage("user", "one two three four five"))
    assert [chunk.text for chunk in chunks] == ["one two three four ", "five", ""]
    assert chunks[-1].usage == Usage(7, 5, 12)


async def test_without_a_user_it_echoes_the_last_message() -> None:
    chunks = await answer(ChatMessage("system", "be brief"))
    assert chunks[0].text == "be brief"


async def test_it_never_pretends_to_be_a_model() -> None:
    status = await EchoProvider(Settings(_env_file=None)).status()
    assert status.state is ProviderState.READY
    assert "no model" in status.description
