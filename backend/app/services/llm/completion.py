"""Chat completions: one answer of a model, in OpenAI's format whole or as events, with usage and outcome counted."""

import math
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol
from uuid import UUID, uuid4

import orjson

from app.core.errors import PrompterError
from app.core.metrics import Observer
from app.core.security import Caller
from app.providers.base import ChatRequest
from app.providers.boundary import ProviderBoundary
from app.schemas.openai_errors import to_openai_error
from app.services.llm.context import ResolvedModel, RunContext
from app.services.llm.forwarding import filter_fields
from app.services.llm.models import ModelCatalog

TOKEN_CHARS = 4
"""Characters that are counted as a token where nobody knows better."""
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def valid_usage(usage: object) -> dict[str, Any] | None:
    """A usage that has its three integers; None for anything else."""
    whole = isinstance(usage, dict) and all(type(usage.get(name)) is int for name in _COUNTS)
    return usage if isinstance(usage, dict) and whole else None


def estimate_usage(messages: Iterable[Mapping[str, Any]], written_chars: int) -> dict[str, Any]:
    """A usage that counts four characters as a token: clients break without these integers."""
    read_chars = sum(len(text) for message in messages for text in _texts(message.get("content")))
    read, written = math.ceil(read_chars / TOKEN_CHARS), math.ceil(written_chars / TOKEN_CHARS)
    counts = dict(zip(_COUNTS, (read, written, read + written), strict=True))
    return counts | {"estimated": True}


def count_chars(piece: Mapping[str, Any]) -> int:
    """Characters of a message or a delta: text, reasoning, and arguments of tool calls."""
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


def encode_event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event without a name."""
    return b"data: %s\n\n" % orjson.dumps(data)


class AnswerWriter(Protocol):
    """Writes one answer as events of some format. Chunks are canonical, and are given in order; nothing waits."""

    def write(self, chunk: dict[str, Any]) -> bytes:
        """The events for a chunk, which may be changed; empty where it brings nothing to send."""
        ...

    def finish(self) -> bytes:
        """The last events of a complete answer."""
        ...

    def fail(self, error: PrompterError) -> bytes:
        """The last events of an answer that broke off."""
        ...


MakeWriter = Callable[[Mapping[str, Any]], AnswerWriter]
"""Makes the writer of one answer, given the answer's `id`, `created` and `model`."""


class ChunkWriter:
    """Writes the canonical chunks of one answer as events, under an id and a model name of ours.

    `head` is what every chunk gets: id, object, created and model. The role goes out first, in a chunk of its own,
    and usage last. Chunks are taken in order and changed in place, which saves copies.
    """

    def __init__(
        self, head: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], *, include_usage: bool
    ) -> None:
        self._head = dict(head)
        if include_usage:
            self._head["usage"] = None  # as OpenAI does where a last chunk will hold it
        self._include_usage = include_usage
        self._messages = messages
        self._started: set[int] = set()
        self._written_chars = 0
        self._usage: dict[str, Any] | None = None
        self._tail: dict[str, Any] = {}

    def write(self, chunk: dict[str, Any]) -> bytes:
        """The events for a chunk; none for one that only counts tokens."""
        usage = chunk.pop("usage", None)
        if usage is not None:
            self._usage = valid_usage(usage) or self._usage
        choices = chunk.get("choices")
        if not choices:
            self._tail = chunk  # its other fields go out with the usage
            return b""
        opening = b""
        for choice in choices:
            index = choice.setdefault("index", 0)
            delta = choice.get("delta") or choice.setdefault("delta", {})
            if index not in self._started:
                self._started.add(index)
                opening += self._role(index)
                delta.pop("role", None)
                delta.setdefault("content", "")
            text = delta.get("content")
            # Most deltas are text alone; counting them here saves a call for each chunk.
            self._written_chars += len(text) if text and len(delta) == 1 else count_chars(delta)
        if opening and all(_empty(choice) for choice in choices):
            return opening
        chunk.update(self._head)
        return opening + encode_event(chunk)

    def write_usage(self) -> bytes:
        """The last event, where the client asked for it."""
        if not self._include_usage:
            return b""
        usage = self._usage or estimate_usage(self._messages, self._written_chars)
        return encode_event({**self._tail, **self._head, "choices": [], "usage": usage})

    def finish(self) -> bytes:
        return self.write_usage() + DONE

    def fail(self, error: PrompterError) -> bytes:
        return encode_event(to_openai_error(error)) + DONE

    def _role(self, index: int) -> bytes:
        delta = {"role": "assistant", "content": ""}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return encode_event({**self._head, "choices": [choice]})


def _empty(choice: Mapping[str, Any]) -> bool:
    """Whether a first delta held the role alone, which has been sent."""
    return (
        not choice["delta"].get("content") and len(choice["delta"]) == 1 and not choice.get("finish_reason")
    )


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One chat completion, as the route understood it."""

    model: str | None
    body: Mapping[str, Any] = field(repr=False)
    """Every field of the request, checked; what may not be sent on is still in it."""
    include_usage: bool = False
    caller: Caller | None = None
    """The caller whose rights an assistant has."""
    connections_of: UUID | None = None
    """The user whose connected models may be asked."""
    may_drop_limit: bool = False
    """As in `ChatRequest`."""
    make_writer: MakeWriter | None = None
    """Makes the writer of a stream in another format than OpenAI's chunks."""


class FilesOfRequests(Protocol):
    """Turns the files in the messages of a request into what its model takes."""

    async def replace(self, body: dict[str, Any], model: ResolvedModel, owner: UUID | None) -> dict[str, Any]:
        """The body with other messages; the same one where no message has a file. Raises BadRequest and its kinds."""
        ...


class CompletionService:
    """Answers `/v1/chat/completions`, and what is translated to it."""

    def __init__(
        self, catalog: ModelCatalog, observer: Observer, files: "FilesOfRequests | None" = None
    ) -> None:
        """`files` turns the files of messages into what a model takes; without it they are passed on."""
        self._catalog = catalog
        self._files = files
        self.observer = observer

    async def start(self, request: CompletionRequest) -> "ChatCompletion":
        """Return a completion; the model is asked when it is opened.

        Raises:
            BadRequest, ModelNotFound, ProviderNotReady
        """
        omitted_tools: list[str] = []
        model, body = await self.prepare(request, omitted_tools.extend)
        return ChatCompletion(
            model,
            body,
            self.observer,
            include_usage=request.include_usage,
            omitted_tools=omitted_tools,
            may_drop_limit=request.may_drop_limit,
            make_writer=request.make_writer,
        )

    async def prepare(
        self, request: CompletionRequest, on_tools_omitted: Callable[[Sequence[str]], None]
    ) -> tuple[ResolvedModel, dict[str, Any]]:
        """The model, bound to its caller, and the fields that it gets. Raises as `start` does."""
        body = filter_fields(request.body)
        model = await self._catalog.resolve(request.model, request.connections_of)
        if self._files is not None:
            owner = None if request.caller is None else request.caller.user_id
            body = await self._files.replace(body, model, owner)
        if request.caller is not None:
            model = model.bind(RunContext(request.caller, on_tools_omitted=on_tools_omitted))
        return model, body


class Completion:
    """One answer of a model. Its owner must close it, which closes the upstream."""

    def __init__(self, model: ResolvedModel, body: dict[str, Any], observer: Observer) -> None:
        self._model = model
        self._request = ChatRequest(model.model, body)
        self._observer = observer
        self._stream: AsyncGenerator[dict[str, Any], None]
        self._is_open = False
        self._started_s = time.monotonic()
        self._ended = False

    async def aclose(self) -> None:
        self._end("left")
        if self._is_open:
            await self._stream.aclose()

    async def _begin(self) -> dict[str, Any]:
        """Ask the model and wait for its first chunk. Like all reading it is done inside `_watching`."""
        self._stream = self._model.chat.stream(self._request)
        self._is_open = True
        first = await anext(self._stream)
        self._observer.time_first_token(self._model.metrics_label, time.monotonic() - self._started_s)
        return first

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Count failures, and turn any error of the provider into one of ours."""
        try:
            with ProviderBoundary(self._model.provider, "provider"):
                yield
        except PrompterError:
            self._end("failed")
            raise

    def _end(self, outcome: Literal["completed", "failed", "left"]) -> None:
        """Count how the answer ended; only the first call counts."""
        if not self._ended:
            self._ended = True
            self._observer.count_answer(self._model.metrics_label, outcome)


class ChatCompletion(Completion):
    """A completion in OpenAI's format, whole or as events."""

    def __init__(
        self,
        model: ResolvedModel,
        body: dict[str, Any],
        observer: Observer,
        *,
        include_usage: bool,
        omitted_tools: Sequence[str] = (),
        may_drop_limit: bool = False,
        make_writer: MakeWriter | None = None,
    ) -> None:
        super().__init__(model, body, observer)
        self._request = replace(self._request, reads_think_tags=True, may_drop_limit=may_drop_limit)
        self.omitted_tools = omitted_tools
        """Tools of the request that the model was not offered; complete with the answer, or when it is open."""
        self._head = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model.id,
        }
        self._writer: AnswerWriter = (
            make_writer(self._head)
            if make_writer
            else ChunkWriter(self._head, body["messages"], include_usage=include_usage)
        )
        self._first = b""

    async def whole(self) -> dict[str, Any]:
        """The `chat.completion`, with the usage that clients need."""
        with self._watching():
            answer = await self._model.chat.complete(self._request)
            written = sum(count_chars(choice["message"]) for choice in answer["choices"])
            usage = valid_usage(answer.get("usage")) or estimate_usage(
                self._request.body["messages"], written
            )
        self._end("completed")
        return {**self._head, **answer, **self._head, "object": "chat.completion", "usage": usage}

    async def open(self) -> None:
        """Wait for the first chunk, so that a failure is raised before the response has begun.

        Raises:
            UpstreamError and its kinds, ContextTooLong, BadRequest, ProviderNotReady, EngineFailed
        """
        with self._watching():
            self._first = self._writer.write(await self._begin())

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The events after `open`: the answer's, and its end or an error where it broke off."""
        write = self._writer.write
        if self._first:
            yield self._first
        try:
            with self._watching():
                async for chunk in self._stream:
                    if event := write(chunk):
                        yield event
                closing = self._writer.finish()
        except PrompterError as error:
            yield self._writer.fail(error)
        else:
            self._end("completed")
            yield closing
