"""Text completions: the older `/v1/completions` as a view on chat completions, one answer after the other."""

import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from app.core.errors import BadRequest, PrompterError
from app.core.metrics import Observer
from app.schemas.openai_errors import to_openai_error
from app.services.llm.completion import (
    DONE,
    Completion,
    CompletionRequest,
    CompletionService,
    encode_event,
    estimate_usage,
    valid_usage,
)
from app.services.llm.context import ResolvedModel

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_NOT_CHAT = frozenset({
    "best_of", "echo", "function_call", "functions", "logprobs", "messages", "modalities", "parallel_tool_calls",
    "prompt", "response_format", "suffix", "tool_choice", "tools", "top_logprobs",
})  # fmt: skip
"""Fields that have no meaning here, or another one than in a chat completion."""


def make_chat_bodies(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chat completion that answers each prompt, with all other fields.

    Raises:
        BadRequest: the request wants a gap filled.
    """
    if fields.get("suffix"):
        raise BadRequest("`suffix`: chat models fill no gaps; leave it out", param="suffix")
    prompt = fields["prompt"]
    others = {name: value for name, value in fields.items() if name not in _NOT_CHAT}
    prompts = [prompt] if isinstance(prompt, str) else prompt
    return [{**others, "messages": [{"role": "user", "content": each}]} for each in prompts]


class PromptAnswer(Completion):
    """The answer to one prompt, in the pieces of its text."""

    def __init__(
        self, model: ResolvedModel, body: dict[str, Any], observer: Observer, first_index: int
    ) -> None:
        super().__init__(model, body, observer)
        self._first_index = first_index
        self._first: dict[str, Any] = {}
        self._written_chars = 0
        self._given: dict[str, Any] | None = None

    async def open(self) -> None:
        """Wait for the first chunk. Raises as `ChatCompletion.open` does."""
        with self._watching():
            self._first = await self._begin()

    async def choices(self) -> AsyncGenerator[dict[str, Any], None]:
        """The pieces after `open`; at the end `usage` is known."""
        with self._watching():
            for choice in self._read(self._first):
                yield choice
            async for chunk in self._stream:
                for choice in self._read(chunk):
                    yield choice
        self._end("completed")

    async def whole(self) -> list[dict[str, Any]]:
        """The whole choices."""
        with self._watching():
            answer = await self._model.chat.complete(self._request)
            found = [self._write(choice, choice["message"]) for choice in answer["choices"]]
            self._given = valid_usage(answer.get("usage"))
        self._end("completed")
        return found

    @property
    def usage(self) -> dict[str, Any]:
        """The tokens that it took, estimated where the model does not tell."""
        return self._given or estimate_usage(self._request.body["messages"], self._written_chars)

    def _read(self, chunk: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._given = valid_usage(chunk.get("usage")) or self._given
        for choice in chunk.get("choices") or ():
            piece = self._write(choice, choice.get("delta") or {})
            if piece["text"] or piece["finish_reason"]:
                yield piece

    def _write(self, choice: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
        text = said.get("content") or ""
        self._written_chars += len(text)
        index = self._first_index + choice.get("index", 0)
        return {"text": text, "index": index, "logprobs": None, "finish_reason": choice.get("finish_reason")}


async def start_prompt_completion(
    completions: CompletionService,
    requests: Sequence[CompletionRequest],
    *,
    echoed: Sequence[str] = (),
    include_usage: bool = False,
) -> "PromptCompletion":
    """A completion of one prompt or more, all to the same model; the model is asked when it is opened.

    `echoed` has the text before each choice; empty where the prompts are not repeated.

    Raises:
        BadRequest, ModelNotFound, ProviderNotReady
    """
    answers: list[PromptAnswer] = []
    model_id = ""
    for request in requests:
        model, body = await completions.prepare(request, lambda _: None)
        answers.append(PromptAnswer(model, body, completions.observer, len(answers) * body.get("n", 1)))
        model_id = model.id
    return PromptCompletion(answers, model_id, echoed, include_usage=include_usage)


class PromptCompletion:
    """The answers to all prompts of a request, whole or as events. Its owner must close it."""

    def __init__(
        self, answers: Sequence[PromptAnswer], model_id: str, echoed: Sequence[str], *, include_usage: bool
    ) -> None:
        """See `start_prompt_completion`."""
        self._answers = answers
        self._echoed = echoed
        self._include_usage = include_usage
        self._head = {
            "id": f"cmpl-{uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model_id,
        }

    async def whole(self) -> dict[str, Any]:
        """The `text_completion`. Raises as `ChatCompletion.whole` does."""
        choices = [choice for answer in self._answers for choice in await answer.whole()]
        for choice in choices:
            choice["text"] = self._echo(choice["index"]) + choice["text"]
        return {**self._head, "choices": choices, "usage": self._add_usage()}

    async def open(self) -> None:
        """Wait for the first chunk of the first answer. Raises as `ChatCompletion.open` does."""
        await self._answers[0].open()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The events after `open`: pieces, usage if it was asked for, an error if an answer broke off, the end."""
        begun: set[int] = set()
        try:
            for at, answer in enumerate(self._answers):
                if at:
                    await answer.open()
                async with aclosing(answer.choices()) as choices:
                    async for choice in choices:
                        if choice["index"] not in begun:
                            begun.add(choice["index"])
                            choice["text"] = self._echo(choice["index"]) + choice["text"]
                        yield encode_event({**self._head, "choices": [choice]})
        except PrompterError as error:
            yield encode_event(to_openai_error(error))
        else:
            if self._include_usage:
                yield encode_event({**self._head, "choices": [], "usage": self._add_usage()})
        yield DONE

    async def aclose(self) -> None:
        for answer in self._answers:
            await answer.aclose()

    def _echo(self, index: int) -> str:
        return self._echoed[index] if self._echoed else ""

    def _add_usage(self) -> dict[str, Any]:
        each = [answer.usage for answer in self._answers]
        if len(each) == 1:
            return each[0]
        total: dict[str, Any] = {name: sum(usage[name] for usage in each) for name in _COUNTS}
        return total | ({"estimated": True} if any(usage.get("estimated") for usage in each) else {})
