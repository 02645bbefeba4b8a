"""An answer on its way: its first chunk awaited, its failures named, its source closed."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from app.core.errors import UpstreamError
from app.providers.base import LlmChunk, Usage
from app.providers.boundary import ProviderBoundary

_ANSWER_CHARS = 4 << 20


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer."""

    model: str | None
    text: str = field(repr=False)
    finish_reason: str
    usage: Usage | None


class Answer:
    """An answer on its way. Whoever opened it closes it, which closes the upstream."""

    def __init__(self, provider: str, chunks: AsyncGenerator[LlmChunk, None]) -> None:
        self.provider = provider
        self._chunks = chunks
        self._first: LlmChunk | None = None

    async def open(self) -> None:
        """Wait for the first chunk, so that a failure is told before the response has begun."""
        self._first = await self._next()

    async def next(self) -> LlmChunk | None:
        """The next chunk, None after the last."""
        first, self._first = self._first, None
        return first or await self._next()

    async def whole(self) -> Answered:
        """Wait for all of it."""
        texts, size, model, last = [], 0, None, LlmChunk()
        while (chunk := await self.next()) is not None:
            texts.append(chunk.text)
            size += len(chunk.text)
            if size > _ANSWER_CHARS:
                raise UpstreamError(
                    f"the answer of {self.provider!r} is over {_ANSWER_CHARS} characters; ask for less"
                )
            model, last = chunk.model or model, chunk
        return Answered(model, "".join(texts), last.finish_reason or "stop", last.usage)

    async def aclose(self) -> None:
        await self._chunks.aclose()

    async def _next(self) -> LlmChunk | None:
        with ProviderBoundary(self.provider, "provider"):
            return _sendable(await anext(self._chunks, None))


def _sendable(chunk: LlmChunk | None) -> LlmChunk | None:
    """The chunk without halves of surrogate pairs, which JSON may carry and UTF-8 cannot."""
    if chunk is None or chunk.text.isascii():
        return chunk
    return replace(chunk, text=chunk.text.encode("utf-8", "replace").decode())
