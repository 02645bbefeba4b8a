"""A language model that repeats the last message twice."""

from collections.abc import AsyncGenerator, Sequence

from prompter import ChatMessage, LlmChunk, LlmConfig, ProviderState, ProviderStatus, Settings


class ParrotProvider:
    name = "parrot"
    type = "example"

    def __init__(self, settings: Settings) -> None:
        del settings  # it has none

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "example: says everything twice")

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        del config
        for _ in range(2):
            yield LlmChunk(text=f"{messages[-1].content}! ", model="parrot")
        yield LlmChunk(finish_reason="stop", model="parrot")

    async def aclose(self) -> None:
        pass
