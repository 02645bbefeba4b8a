"""Repairs an upstream's answer: each streamed chunk, or the whole completion, takes OpenAI's documented form.

Fields that nobody here knows pass unchanged. The repair of a single field is in `field_normalizers`, that of tool calls
in `tool_call_normalizer`. Nothing here does I/O.
"""

import time
from typing import Any
from uuid import uuid4

from app.providers.upstream.field_normalizers import (
    add_reasoning,
    normalize_content,
    normalize_finish_reason,
    normalize_reasoning,
    normalize_usage,
    string_or_empty,
)
from app.providers.upstream.think_tags import ThinkSplitter, split_thoughts
from app.providers.upstream.tool_call_normalizer import ToolCallNormalizer, normalize_tool_calls

CHUNK_OBJECT = "chat.completion.chunk"
COMPLETION_OBJECT = "chat.completion"
_MAX_CHOICES = 128
_STANDARD_FIELDS = frozenset(
    {"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier", "obfuscation"}
)


class NoAnswer(ValueError):
    """The upstream's completion has no choice."""


class ChunkNormalizer:
    """Normalizes the chunks of one streamed answer, and knows whether the answer has ended.

    Chunks are changed in place: a stream has hundreds of them a second. Finish reasons and usage are held until
    `finish`, since some upstreams send them with every chunk. `keeps_think_tags` leaves thoughts between tags in the
    text.
    """

    def __init__(self, model: str, *, keeps_think_tags: bool = False) -> None:
        self._requested_model = model
        self._keeps_think_tags = keeps_think_tags
        self._head: dict[str, Any] | None = None
        """The fields that all chunks share."""
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: dict[str, Any] | None = None
        self._usage_chunk: dict[str, Any] | None = None
        """The chunk without choices that brought the usage."""

    @property
    def has_begun(self) -> bool:
        """Whether a choice has come."""
        return bool(self._choices)

    @property
    def is_finished(self) -> bool:
        """Whether every choice has a finish reason."""
        return bool(self._choices) and all(choice.finish_reason for choice in self._choices.values())

    def normalize(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """Return the chunk to pass on, None where it holds nothing for the client yet. Changes `data`.

        Raises:
            AnswerFailed: the upstream reports that its answer failed.
            TooManyToolCalls: a choice makes more tool calls than any answer has.
        """
        data.update(self._head or self._make_head(data))
        usage = data.pop("usage", None)
        if usage and isinstance(usage, dict):
            self._usage = usage
        choices = data.get("choices")
        if not choices or type(choices) is not list:
            return self._normalize_without_choice(data, usage)
        if len(choices) == 1:
            return data if self._normalize_choice(data, choices[0], 0) else None
        data["choices"] = [
            choice for place, choice in enumerate(choices) if self._normalize_choice(data, choice, place)
        ]
        return data if data["choices"] else None

    def finish(self) -> list[dict[str, Any]]:
        """Return the closing chunks: one for each choice with its finish reason, then one with the usage if known."""
        head = self._head or self._make_head({})
        if not self._choices:  # an empty answer
            self._choices[0] = _ChoiceState(None)
        closing = [self._choices[index].finish(head, index) for index in sorted(self._choices)]
        usage = normalize_usage(self._usage)
        last = self._usage_chunk or head
        if usage:
            closing.append(last | {"choices": [], "usage": usage})
        elif last.keys() - _STANDARD_FIELDS:
            closing.append(last | {"choices": []})
        return closing

    def _make_head(self, data: dict[str, Any]) -> dict[str, Any]:
        """Take id, created and model from the first chunk; clients expect them to stay the same."""
        self._head = {
            "id": _answer_id(data),
            "object": CHUNK_OBJECT,
            "created": _created(data),
            "model": string_or_empty(data.get("model")) or self._requested_model,
        }
        return self._head

    def _normalize_without_choice(self, data: dict[str, Any], usage: Any) -> dict[str, Any] | None:
        data["choices"] = []
        if usage:
            self._usage_chunk = data
            return None
        return data if data.keys() - _STANDARD_FIELDS else None

    def _normalize_choice(self, data: dict[str, Any], choice: Any, place: int) -> bool:
        """Normalize one choice in place; return whether it is passed on."""
        if type(choice) is not dict:
            return False
        index = choice.get("index")
        if type(index) is not int:
            index = choice["index"] = place
        state = self._choices.get(index)
        if state is None:
            if len(self._choices) >= _MAX_CHOICES:
                return False
            splitter = None if self._keeps_think_tags else ThinkSplitter()
            state = self._choices[index] = _ChoiceState(splitter)
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = choice["delta"] = _delta_from_message(choice)
        if not state.is_plain or len(delta) != 1 or type(delta.get("content")) is not str:
            state.normalize_delta(delta)
        if choice.get("finish_reason"):
            return state.hold_finish_reason(data, choice, delta)
        choice["finish_reason"] = None
        return True


class _ChoiceState:
    """What the chunks so far said of one choice."""

    __slots__ = ("_closing_chunk", "_splitter", "_tool_calls", "finish_reason", "has_begun", "is_plain")

    def __init__(self, splitter: ThinkSplitter | None) -> None:
        self.has_begun = False
        self.is_plain = False
        """Whether a delta of text alone needs no work: the answer has begun, and no tag of a thought can follow."""
        self._splitter = splitter
        self.finish_reason: str | None = None
        self._tool_calls = ToolCallNormalizer()
        self._closing_chunk: dict[str, Any] | None = None

    def normalize_delta(self, delta: dict[str, Any]) -> None:
        """Normalize a delta in place. The role is sent once: some clients join what is repeated."""
        delta.pop("role", None)
        if not self.has_begun:
            self.has_begun = True
            delta["role"] = "assistant"
        if "content" not in delta:
            delta["content"] = ""
        elif type(delta["content"]) is not str:
            normalize_content(delta)
        if self._splitter:
            self._split_thoughts(delta, self._splitter)
        self.is_plain = self._splitter is None
        if "reasoning_content" in delta or "reasoning" in delta:
            normalize_reasoning(delta)
        if "tool_calls" in delta:
            if calls := self._tool_calls.normalize(delta["tool_calls"]):
                delta["tool_calls"] = calls
            else:
                del delta["tool_calls"]

    def _split_thoughts(self, delta: dict[str, Any], splitter: ThinkSplitter) -> None:
        if text := delta["content"]:
            delta["content"], thoughts = splitter.feed(text)
            add_reasoning(delta, thoughts)
            if splitter.is_done:
                self._splitter = None

    def hold_finish_reason(self, data: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any]) -> bool:
        """Keep the finish reason for `finish`; return whether the rest of the choice is passed on."""
        reason = normalize_finish_reason(choice)
        if reason and (reason != "stop" or self.finish_reason is None):
            self.finish_reason = reason
        choice["finish_reason"] = None
        if reason is None:
            return True
        has_text = any(delta.values())
        kept = {key: value for key, value in choice.items() if key not in ("delta", "logprobs", "message")}
        rest = {} if has_text else {key: value for key, value in data.items() if key != "choices"}
        self._closing_chunk = rest | {"choices": [kept]}
        return has_text

    def finish(self, head: dict[str, Any], index: int) -> dict[str, Any]:
        """Return the chunk that closes the choice."""
        reason = _mend_reason(self.finish_reason, has_calls=bool(self._tool_calls.count))
        delta: dict[str, Any] = {} if self.has_begun else {"role": "assistant"}
        delta["content"], thoughts = self._splitter.finish() if self._splitter else ("", "")
        if thoughts:
            add_reasoning(delta, thoughts)
            normalize_reasoning(delta)
        closing = {"index": index, "delta": delta, "finish_reason": reason}
        last = self._closing_chunk or {"choices": [{}]}
        return head | last | {"choices": [last["choices"][0] | closing]}


def normalize_completion(
    data: dict[str, Any], model: str, *, keeps_think_tags: bool = False
) -> dict[str, Any]:
    """Return a whole answer with every field that clients need; unknown fields stay. Changes `data`.

    Raises:
        NoAnswer: it has no choice.
        AnswerFailed: the upstream reports that its answer failed.
    """
    choices = data.get("choices")
    found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    if not found:
        raise NoAnswer
    usage = normalize_usage(data.pop("usage", None))
    data["object"] = COMPLETION_OBJECT
    data["id"] = _answer_id(data)
    data["created"] = _created(data)
    data["model"] = string_or_empty(data.get("model")) or model
    data["choices"] = [
        _normalize_whole_choice(choice, place, keeps_think_tags=keeps_think_tags)
        for place, choice in enumerate(found)
    ]
    return data | {"usage": usage} if usage else data


def _normalize_whole_choice(choice: dict[str, Any], place: int, *, keeps_think_tags: bool) -> dict[str, Any]:
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": string_or_empty(choice.pop("text", None))}
    message["role"] = "assistant"
    if not isinstance(message.setdefault("content", None), str):
        normalize_content(message)
    if message["content"] and not keeps_think_tags:
        message["content"], thoughts = split_thoughts(message["content"])
        add_reasoning(message, thoughts)
    normalize_reasoning(message)
    calls = normalize_tool_calls(message.pop("tool_calls", None))
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None and not message.get("refusal"):
        message["content"] = ""
    reason = _mend_reason(normalize_finish_reason(choice), has_calls=bool(calls))
    index = choice.get("index")
    return choice | {
        "index": index if type(index) is int else place,
        "message": message,
        "finish_reason": reason,
    }


def _mend_reason(reason: str | None, *, has_calls: bool) -> str:
    """Return the finish reason: an end is one by calls if calls with names came, and only then."""
    if reason in (None, "stop", "tool_calls"):
        return "tool_calls" if has_calls else "stop"
    return reason


def _delta_from_message(choice: dict[str, Any]) -> dict[str, Any]:
    """Return the delta of a choice that has none: an upstream that ignores `stream` sends one whole `message`."""
    message = choice.pop("message", None)
    if isinstance(message, dict):
        return message
    text = choice.get("text")
    return {"content": text} if isinstance(text, str) else {}


def _answer_id(data: dict[str, Any]) -> str:
    return string_or_empty(data.get("id")) or f"chatcmpl-{uuid4().hex}"


def _created(data: dict[str, Any]) -> int:
    created = data.get("created")
    return created if type(created) is int and created > 0 else int(time.time())
