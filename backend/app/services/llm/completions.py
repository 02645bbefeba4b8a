"""Chat completions in OpenAI's words: opened, made canonical for clients, whole or chunk by chunk."""

import logging
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from app.core.caller import Caller
from app.core.errors import EngineFailed, PrompterError
from app.core.metrics import Observer
from app.providers.base import ChatRequest
from app.schemas.openai.errors import openai_error_of
from app.services.assistants.acting import Acting
from app.services.llm.catalogue import Catalogue, Choice
from app.services.llm.chunks import DONE, Canonical, sse
from app.services.llm.fields import forwarded
from app.services.llm.usage import counted, estimated, said_chars

logger = logging.getLogger(__name__)


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
            choice = choice.acting_for(Acting(asked.caller))
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
            yield sse(openai_error_of(error))
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
        """Count failures, and name those of a provider that may be anybody's."""
        try:
            yield
        except PrompterError:
            self._end("failed")
            raise
        except Exception as error:  # noqa: BLE001  # a provider of others may raise anything
            self._end("failed")
            # Its words may hold the prompt: only the kind of error is told.
            name = self._choice.provider
            logger.error("provider %s failed: %s", name, type(error).__name__)
            raise EngineFailed(
                f"provider {name!r} failed ({type(error).__name__}); see its documentation"
            ) from None
