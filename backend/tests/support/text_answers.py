"""The text of a provider's answer, as `/llm/generate` makes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.metrics import Observer
from app.providers.base import AddressableProvider, ChatMessage, ChatProvider, LlmConfig
from app.services.llm.context import ResolvedModel
from app.services.llm.generate import TextCompletion, build_body


@dataclass
class TextAnswer:
    """What came of an answer."""

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
    """An answer that is not asked for yet; whoever gets it closes it."""
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
    """The whole answer; where it breaks off, `answer` has what came before."""
    answer = TextAnswer() if answer is None else answer
    completion = complete_text(chat, messages, config)
    try:
        async for text in completion.texts():
            answer.texts.append(text)  # kept one by one: an error ends the loop
    finally:
        await completion.aclose()
    answer.finish_reason, answer.usage, answer.model = (
        completion.finish_reason,
        completion.usage,
        completion.model,
    )
    return answer
