"""An answer on its way, from a provider that may be anybody's."""

from collections.abc import AsyncGenerator

from app.providers.base import LlmChunk
from app.services.llm.answer import Answer


async def test_half_a_character_is_replaced() -> None:
    """A provider of others may give half of a surrogate pair, which no answer could carry."""

    async def chunks() -> AsyncGenerator[LlmChunk, None]:
        yield LlmChunk("well \ud800 said, señor")
        yield LlmChunk(finish_reason="stop")

    whole = await Answer("other", chunks()).whole()
    assert whole.text == "well ? said, señor"
