"""A provider's chunks as clients need them: one head, the role first, usage last and only if asked for; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.services.llm.usage import counted, estimated, said_chars

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
