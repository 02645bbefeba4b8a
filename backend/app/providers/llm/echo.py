"""The provider `echo`: it answers with what it was sent, so that everything works with nothing installed."""

import re
from collections.abc import AsyncGenerator, Sequence

from app.core.config import Settings
from app.core.notes import Note, NoteCode
from app.providers.base import ChatMessage, LlmChunk, LlmConfig, ProviderStatus, Usage
from app.schemas.providers import ProviderState

MODEL = "echo"
_WORDS_A_CHUNK = 4


class EchoProvider:
    """No model, and it says so: the answer is the last user message, word for word."""

    name = "echo"
    type = "mock"

    def __init__(self, settings: Settings) -> None:
        del settings  # echo has no settings

    async def status(self) -> ProviderStatus:
        return ProviderStatus(
            state=ProviderState.READY,
            description="answers with what it was sent: no model; set PROMPTER_LLM__OPENAI_COMPAT__BASE_URL, __API_KEY "
            "and __MODEL for real answers",
            note=Note(NoteCode.REPEATS),
        )

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        """The last user message, or the last of all, in pieces of a few words. A word counts as a token."""
        del config
        asked = [message.content for message in messages if message.role == "user"] or [messages[-1].content]
        pieces = re.findall(r"\s*\S+\s*", asked[-1]) or [asked[-1]]
        for start in range(0, len(pieces), _WORDS_A_CHUNK):
            yield LlmChunk(text="".join(pieces[start : start + _WORDS_A_CHUNK]), model=MODEL)
        read, written = sum(len(message.content.split()) for message in messages), len(asked[-1].split())
        yield LlmChunk(finish_reason="stop", usage=Usage(read, written, read + written), model=MODEL)

    async def aclose(self) -> None:
        """Nothing to close."""
