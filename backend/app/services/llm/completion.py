"""Chat completions in OpenAI's format: opened, made canonical, and sent whole or chunk by chunk."""

import math
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import orjson

from app.core.errors import PrompterError
from app.core.metrics import Observer
from app.core.security import Caller
from app.providers.base import ChatRequest
from app.providers.boundary import ProviderBoundary
from app.schemas.openai_errors import to_openai_error
from app.services.llm.context import RunContext
from app.services.llm.forwarding import forwarded
from app.services.llm.models import Catalogue, Choice

_TOKEN_CHARS = 4
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def counted(usage: object) -> dict[str, Any] | None:
    """A usage that has its three integers; None for anything else."""
    whole = isinstance(usage, dict) and all(type(usage.get(name)) is int for name in _COUNTS)
    return usage if isinstance(usage, dict) and whole else None


def estimated(messages: Iterable[Mapping[str, Any]], said_chars: int) -> dict[str, Any]:
    """Four characters taken for a token: clients break without these integers, and nobody else has counted."""
    read_chars = sum(len(text) for message in messages for text in _texts(message.get("content")))
    read, written = math.ceil(read_chars / _TOKEN_CHARS), math.ceil(said_chars / _TOKEN_CHARS)
    counts = dict(zip(_COUNTS, (read, written, read + written), strict=True))
    return counts | {"estimated": True}


def said_chars(piece: Mapping[str, Any]) -> int:
    """Characters of a message or a delta: text, thought, and what it asks of tools."""
    chars = len(piece.get("content") or "") + len(piece.get("reasoning_content") or "")
    for call in piece.get("tool_calls") or ():
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        chars += len(arguments) if isinstance(arguments, str) else 0
    return chars


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if isinstance(part.get("text"), str))


DONE = b"data: [DONE]\n\n"


def sse(data: Mapping[str, Any]) -> bytes:
    """One nameless event."""
    return b"data: %s\n\n" % orjson.dumps(data)


class Canonical:
    """Reads the chunks of one answer in order; the chunks are changed in place, which saves copies.

    `head` is what every chunk has: id, object, created and model.
    """

    def __init__(
        self, head: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], *, include_usage: bool
    ) -> None:
        self._head = dict(head)
        if include_usage:
            self._head["usage"] = None  # as OpenAI does where a last chunk will tell it
        self._include_usage = include_usage
        self._messages = messages
        self._begun: set[int] = set()
        self._said_chars = 0
        self._usage: dict[str, Any] | None = None
        self._tail: dict[str, Any] = {}

    def event(self, chunk: dict[str, Any]) -> bytes:
        """What to send for a chunk; nothing where it only counts tokens."""
        usage = chunk.pop("usage", None)
        if usage is not None:
            self._usage = counted(usage) or self._usage
        choices = chunk.get("choices")
        if not choices:
            self._tail = chunk  # its other fields go out with the usage
            return b""
        begun = b""
        for choice in choices:
            index = choice.setdefault("index", 0)
            delta = choice.get("delta") or choice.setdefault("delta", {})
            if index not in self._begun:
                self._begun.add(index)
                begun += self._role(index)
                delta.pop("role", None)
                delta.setdefault("content", "")
            self._said_chars += said_chars(delta)
        if begun and all(_empty(choice) for choice in choices):
            return begun
        chunk.update(self._head)
        return begun + sse(chunk)

    def usage_event(self) -> bytes:
        """The last chunk, where the client asked for it."""
        if not self._include_usage:
            return b""
        usage = self._usage or estimated(self._messages, self._said_chars)
        return sse({**self._tail, **self._head, "choices": [], "usage": usage})

    def _role(self, index: int) -> bytes:
        delta = {"role": "assistant", "content": ""}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return sse({**self._head, "choices": [choice]})


def _empty(choice: Mapping[str, Any]) -> bool:
    """Whether a first delta held the role alone, which has been told."""
    return (
        not choice["delta"].get("content") and len(choice["delta"]) == 1 and not choice.get("finish_reason")
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """One chat completion, as the door understood it."""

    model: str | None
    body: Mapping[str, Any] = field(repr=False)
    """Every field of the request, checked; what may not be sent on is still in it."""
    include_usage: bool = False
    caller: Caller | None = None
    """For whom an assistant acts."""


class Completions:
    """What `/v1/chat/completions` asks of the providers."""

    def __init__(self, catalogue: Catalogue, observer: Observer) -> None:
        self._catalogue = catalogue
        self._observer = observer

    async def begin(self, asked: Asked) -> "Completion":
        """A completion that is not asked for yet.

        Raises:
            BadRequest, ModelNotFound, ProviderNotReady
        """
        body = forwarded(asked.body)
        choice = await self._catalogue.resolve(asked.model)
        if asked.caller is not None:
            choice = choice.bind(RunContext(asked.caller))
        return Completion(choice, body, self._observer, include_usage=asked.include_usage)


class Completion:
    """One answer, whole or streamed. Whoever began it closes it, which closes the upstream."""

    def __init__(
        self, choice: Choice, body: dict[str, Any], observer: Observer, *, include_usage: bool
    ) -> None:
        self._choice = choice
        self._request = ChatRequest(choice.model, body)
        self._observer = observer
        self._head = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": choice.id,
        }
        self._canonical = Canonical(self._head, body["messages"], include_usage=include_usage)
        self._chunks: AsyncGenerator[dict[str, Any], None] | None = None
        self._begun_s = time.monotonic()
        self._ended = False
        self._first = b""

    async def whole(self) -> dict[str, Any]:
        """The `chat.completion`, with the usage that clients need."""
        with self._watched():
            answer = await self._choice.chat.complete(self._request)
            said = sum(said_chars(choice["message"]) for choice in answer["choices"])
            usage = counted(answer.get("usage")) or estimated(self._request.body["messages"], said)
        self._end("completed")
        return {**self._head, **answer, **self._head, "object": "chat.completion", "usage": usage}

    async def open(self) -> None:
        """Wait for the first chunk, so that a failure is told before the response has begun.

        Raises:
            UpstreamError and its kinds, ContextTooLong, BadRequest, ProviderNotReady, EngineFailed
        """
        with self._watched():
            self._chunks = self._choice.chat.stream(self._request)
            self._first = self._canonical.event(await anext(self._chunks))
        self._observer.first_token(self._choice.provider, time.monotonic() - self._begun_s)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """What there is to send after `open`: chunks, usage if it was asked for, an error if it broke, the end."""
        assert self._chunks is not None, "open it first"
        canonical = self._canonical
        if self._first:
            yield self._first
        try:
            with self._watched():
                async for chunk in self._chunks:
                    if event := canonical.event(chunk):
                        yield event
                usage = canonical.usage_event()
        except PrompterError as error:
            yield sse(to_openai_error(error))
        else:
            self._end("completed")
            if usage:
                yield usage
        yield DONE

    async def aclose(self) -> None:
        self._end("left")
        if self._chunks is not None:
            await self._chunks.aclose()

    def _end(self, outcome: Literal["completed", "failed", "left"]) -> None:
        if not self._ended:
            self._ended = True
            self._observer.answered(self._choice.provider, outcome)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count failures, those of a provider that may be anybody's among them."""
        try:
            with ProviderBoundary(self._choice.provider, "provider"):
                yield
        except PrompterError:
            self._end("failed")
            raise
