"""An answer as `/v1/messages` gives it: chunks to Anthropic's events, or to the whole message; pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.api.dialects.messages_input import SIGNATURE, estimate_input_tokens
from app.api.dialects.parts import AnswerPart, PartSequencer, Step
from app.api.dialects.request_fields import (
    ChatRequestBody,
    Json,
    get_dict,
    get_str,
    read_count,
    seal_thoughts,
)
from app.api.sse import encode_event
from app.core.errors import PrompterError
from app.schemas.anthropic_errors import to_anthropic_error
from app.services.llm.completion import TOKEN_CHARS, count_chars, valid_usage

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """What of a request its message depends on."""

    request: ChatRequestBody = field(repr=False)
    shows_thoughts: bool
    """Thoughts are blocks of the message; clients that have not asked take the first block for the text."""
    hides_text: bool
    """The blocks of thoughts have no text; it is in their signature."""
    stops: tuple[str, ...] = ()
    """The texts that end the answer."""
    input_tokens: int = 0
    """An estimate, told at the beginning and where the upstream tells no number."""


def read_message_format(body: Mapping[str, Any], request: ChatRequestBody) -> MessageFormat:
    """Read how the message must look from a request that has been translated."""
    thinking = get_dict(body, "thinking")
    return MessageFormat(
        request=request,
        shows_thoughts=get_str(thinking, "type") in ("enabled", "adaptive"),
        hides_text=get_str(thinking, "display") == "omitted",
        stops=tuple(body.get("stop_sequences") or ()),
        input_tokens=estimate_input_tokens(request.body),
    )


class MessageWriter:
    """An `AnswerWriter` of Messages events."""

    def __init__(self, head: Mapping[str, Any], form: MessageFormat) -> None:
        self._form = form
        self._sequencer = PartSequencer(form.request.call_ids)
        self._blocks: list[Json] = []
        """The blocks that are done, and the one that is open."""
        self._usage: dict[str, Any] | None = None
        self._written_chars = 0
        self._reason = "stop"
        self._stop: str | None = None
        self._has_begun = False
        self._message: Json = {
            "id": f"msg_{str(head['id']).rpartition('-')[2]}",
            "type": "message",
            "role": "assistant",
            "model": head["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _make_usage(form.input_tokens, 0),
        }

    def write(self, chunk: dict[str, Any]) -> bytes:
        """The events for a chunk; before the first, the one that begins a message."""
        opening = self._begin()
        self._usage = valid_usage(chunk.get("usage")) or self._usage
        written = []
        for choice in chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._read_end(choice)
                delta = choice.get("delta") or {}
                self._written_chars += count_chars(delta)
                written += [self._write_step(step) for step in self._sequencer.feed(delta)]
        return b"".join([opening, *written])

    def finish(self) -> bytes:
        opening = self._begin()
        steps = b"".join([self._write_step(step) for step in self._sequencer.finish()])
        message = self._close()
        delta = {name: message[name] for name in ("stop_reason", "stop_sequence")}
        ending = _event("message_delta", delta=delta, usage=message["usage"]) + _event("message_stop")
        return opening + steps + ending

    def fail(self, error: PrompterError) -> bytes:
        return self._begin() + encode_event("error", to_anthropic_error(error))

    def make_whole(self, answer: Mapping[str, Any]) -> Json:
        """The message of a whole `chat.completion`, for a request that is not streamed."""
        choice = answer["choices"][0]
        usage = answer.get("usage") or {}
        whole = {**choice, "index": 0, "delta": choice["message"]}
        self.write({"choices": [whole], "usage": None if usage.get("estimated") else usage})
        for step in self._sequencer.finish():
            self._write_step(step)
        return self._close() | {"content": self._blocks}

    def _read_end(self, choice: Mapping[str, Any]) -> None:
        self._reason = choice.get("finish_reason") or self._reason
        stop = choice.get("stop_reason")  # vLLM's name for the text that ended the answer
        self._stop = stop if isinstance(stop, str) and stop in self._form.stops else self._stop

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        return _event("message_start", message=self._message) + _event("ping")

    def _close(self) -> Json:
        reason = _STOP_REASONS.get(self._reason, "end_turn")
        if reason == "end_turn" and self._stop is not None:
            self._message["stop_sequence"], reason = self._stop, "stop_sequence"
        self._message |= {"stop_reason": reason, "usage": self._count_usage()}
        return self._message

    def _count_usage(self) -> Json:
        if self._usage is None:
            written = math.ceil(self._written_chars / TOKEN_CHARS)
            return _make_usage(self._form.input_tokens, written) | {"estimated": True}
        read, cached = (
            self._usage["prompt_tokens"],
            read_count(get_dict(self._usage, "prompt_tokens_details"), "cached_tokens"),
        )
        return _make_usage(max(0, read - cached), self._usage["completion_tokens"], cached)

    # -- blocks

    def _write_step(self, step: Step) -> bytes:
        part = step.part
        if part.kind == "reasoning":
            return self._write_thinking(step) if self._form.shows_thoughts else b""
        if part.kind == "call":
            return self._write_call(step)
        if step.does == "open":
            return self._open(type="text", text="")
        if step.does == "add":
            return self._grow(type="text_delta", text=step.text)
        self._blocks[-1]["text"] = part.text
        return self._stop_block()

    def _write_thinking(self, step: Step) -> bytes:
        hides = self._form.hides_text
        if step.does == "open":
            return self._open(type="thinking", thinking="", signature="")
        if step.does == "add":
            return b"" if hides else self._grow(type="thinking_delta", thinking=step.text)
        signature = seal_thoughts(step.part.text) if hides else SIGNATURE
        self._blocks[-1] |= {"thinking": "" if hides else step.part.text, "signature": signature}
        return self._grow(type="signature_delta", signature=signature) + self._stop_block()

    def _write_call(self, step: Step) -> bytes:
        part = step.part
        if step.does == "open":
            return self._open(type="tool_use", id=part.call_id, name=part.name, input={})
        if step.does == "add":
            return self._grow(type="input_json_delta", partial_json=step.text)
        self._blocks[-1]["input"] = _read_arguments(part)
        return self._stop_block()

    def _open(self, **block: Any) -> bytes:
        self._blocks.append(block)
        return _event("content_block_start", index=len(self._blocks) - 1, content_block=block)

    def _grow(self, **delta: Any) -> bytes:
        return _event("content_block_delta", index=len(self._blocks) - 1, delta=delta)

    def _stop_block(self) -> bytes:
        return _event("content_block_stop", index=len(self._blocks) - 1)


def _event(kind: str, **fields: Any) -> bytes:
    return encode_event(kind, {"type": kind, **fields})


def _make_usage(read: int, written: int, cached: int = 0) -> Json:
    return {
        "input_tokens": read,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": written,
    }


def _read_arguments(part: AnswerPart) -> Json:
    """The arguments of a call; as text under one name where a model has written no JSON object."""
    try:
        found = orjson.loads(part.text)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"arguments": part.text}
