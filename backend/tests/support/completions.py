"""A chat completion of one provider, and the events that it sends."""

import json
from typing import Any

from app.core.config import LlmSettings, Settings
from app.core.metrics import Observer
from app.services.llm.completion import ChatCompletion, CompletionRequest, CompletionService
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from tests.fakes.chat_provider import table

SAID = [{"role": "user", "content": "Say hello to me"}]


async def begin(
    provider: Any, body: dict[str, Any] | None = None, *, observer: Observer | None = None, **asked: Any
) -> ChatCompletion:
    settings = Settings(_env_file=None, llm=LlmSettings(discover=False))
    catalog = ModelCatalog(settings, LlmProviders(settings, table(fake=provider)))
    service = CompletionService(catalog, observer or Observer())
    return await service.start(CompletionRequest("fake", {"messages": SAID, **(body or {})}, **asked))


async def streamed(provider: Any, body: dict[str, Any] | None = None, **asked: Any) -> list[Any]:
    """The data of every event; the last is the text [DONE]."""
    completion = await begin(provider, body, **asked)
    await completion.open()
    sent = b"".join([event async for event in completion.events()])
    await completion.aclose()
    events = sent.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    data = [event.removeprefix("data: ") for event in events]
    assert data[-1] == "[DONE]"
    return [*(json.loads(event) for event in data[:-1]), "[DONE]"]


def deltas(events: list[Any]) -> list[Any]:
    return [event["choices"][0]["delta"] for event in events[:-1] if event.get("choices")]
