"""Answers of one provider in tests: the events of a chat completion, and its text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.config import LlmSettings, Settings
from app.core.metrics import Observer
from app.providers.base import AddressableProvider, ChatMessage, ChatProvider, LlmConfig
from app.services.llm.completion import ChatCompletion, CompletionRequest, CompletionService
from app.services.llm.context import ResolvedModel
from app.services.llm.generate import TextCompletion, build_body
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from tests.fakes.llm_providers import make_table

SAID = [{"role": "user", "content": "Say hello to me"}]


async def start_completion(
    provider: Any, body: dict[str, Any] | None = None, *, observer: Observer | None = None, **asked: Any
) -> ChatCompletion:
    settings = Settings(_env_file=None, llm=LlmSettings(discover=False))
    catalog = ModelCatalog(settings, LlmProviders(settings, make_table(fake=provider)))
    service = CompletionService(catalog, observer or Observer())
    return await service.start(CompletionRequest("fake", {"messages": SAID, **(body or {})}, **asked))


async def stream_events(provider: Any, body: dict[str, Any] | None = None, **asked: Any) -> list[Any]:
    """The data of every event; the last is the text [DONE]."""
    completion = await start_completion(provider, body, **asked)
    await completion.open()
    sent = b"".join([event async for event in completion.events()])
    await completion.aclose()
    events = sent.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    data = [event.removeprefix("data: ") for event in events]
    assert data[-1] == "[DONE]"
    return [*(json.loads(event) for event in data[:-1]), "[DONE]"]


def list_deltas(events: list[Any]) -> list[Any]:
    return [event["choices"][0]["delta"] for event in events[:-1] if event.get("choices")]


@dataclass
class TextAnswer:
    """The texts of an answer and how it ended."""

    texts: list[str] = field(default_factory=list)
    finish_reason: str = ""
    usage: dict[str, Any] | None = None
    model: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)


def complete_text(
    chat: ChatProvider, messages: Sequence[ChatMessage], config: LlmConfig | None = None
) -> TextCompletion:
    """An answer that is not requested yet; the caller closes it."""
    config = config or LlmConfig()
    if isinstance(chat, AddressableProvider):
        chat = chat.bind_upstream(config.base_url, config.api_key)
    model = ResolvedModel(id="tested", provider="tested", chat=chat, model=config.model)
    return TextCompletion(model, build_body(messages, config), Observer())


async def ask_for_text(
    chat: ChatProvider,
    messages: Sequence[ChatMessage],
    config: LlmConfig | None = None,
    answer: TextAnswer | None = None,
) -> TextAnswer:
    """The whole answer; if it breaks off, `answer` holds what arrived before."""
    answer = TextAnswer() if answer is None else answer
    completion = complete_text(chat, messages, config)
    try:
        async for text in completion.texts:
            answer.texts.append(text)  # kept one by one: an error ends the loop
    finally:
        await completion.aclose()
    answer.finish_reason, answer.usage, answer.model = (
        completion.finish_reason,
        completion.usage,
        completion.model,
    )
    return answer
