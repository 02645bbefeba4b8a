"""Streamed chunks and whole completions of an upstream in canonical form, whatever its quirks; pure."""

import time
from typing import Any
from uuid import uuid4

from app.providers.upstream.fields import (
    ToolCallNormalizer,
    normalize_content,
    normalize_finish_reason,
    normalize_reasoning,
    normalize_tool_calls,
    normalize_usage,
)

CHUNK_OBJECT = "chat.completion.chunk"
_MAX_CHOICES = 128
_STANDARD_FIELDS = frozenset(
    {"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier", "obfuscation"}
)


class ChunkNormalizer:
    """One answer: takes its chunks, gives them back canonical, and knows whether it has ended."""

    def __init__(self, model: str) -> None:
        self._head: dict[str, Any] | None = None
        self._asked = model
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: dict[str, Any] | None = None
        self._tail: dict[str, Any] | None = None

    @property
    def is_finished(self) -> bool:
        """Every choice has told why it ended."""
        return bool(self._choices) and all(choice.reason for choice in self._choices.values())

    def normalize(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """The chunk to pass on, None where it says nothing or is held until the end.

        Raises:
            AnswerFailed: the upstream calls its answer a failure.
            TooManyCalls: a choice makes more calls than any answer has.
        """
        data.update(self._head or self._begin(data))
        usage = data.pop("usage", None)
        if usage and isinstance(usage, dict):
            self._usage = usage
        choices = data.get("choices")
        if not choices or type(choices) is not list:
            return self._without_choice(data, usage)
        if len(choices) == 1:
            return data if self._choice(data, choices[0], 0) else None
        data["choices"] = [
            choice for place, choice in enumerate(choices) if self._choice(data, choice, place)
        ]
        return data if data["choices"] else None

    def finish(self) -> list[dict[str, Any]]:
        """What closes the answer: a chunk with the reason for each choice, and one with usage where it is known."""
        head = self._head or self._begin({})
        if not self._choices:  # it was empty
            self._choices[0] = _ChoiceState()
        ends = [self._choices[index].end(head, index) for index in sorted(self._choices)]
        usage = normalize_usage(self._usage)
        tail = self._tail or head
        if usage:
            ends.append(tail | {"choices": [], "usage": usage})
        elif tail.keys() - _STANDARD_FIELDS:
            ends.append(tail | {"choices": []})
        return ends

    def _begin(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is the same in all chunks; the first one decides."""
        identity, created, model = data.get("id"), data.get("created"), data.get("model")
        self._head = {
            "id": identity if identity and isinstance(identity, str) else f"chatcmpl-{uuid4().hex}",
            "object": CHUNK_OBJECT,
            "created": created if type(created) is int and created > 0 else int(time.time()),
            "model": model if model and isinstance(model, str) else self._asked,
        }
        return self._head

    def _without_choice(self, data: dict[str, Any], usage: Any) -> dict[str, Any] | None:
        data["choices"] = []
        if usage:
            self._tail = data
            return None
        return data if data.keys() - _STANDARD_FIELDS else None

    def _choice(self, data: dict[str, Any], choice: Any, place: int) -> bool:
        """Make one choice canonical; whether it is to be passed on."""
        if type(choice) is not dict:
            return False
        index = choice.get("index")
        if type(index) is not int:
            index = choice["index"] = place
        state = self._choices.get(index)
        if state is None:
            if len(self._choices) >= _MAX_CHOICES:
                return False
            state = self._choices[index] = _ChoiceState()
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = choice["delta"] = _delta_from_message(choice)
        if not state.begun or len(delta) != 1 or type(delta.get("content")) is not str:
            state.settle(delta)
        reason = choice.get("finish_reason")
        if reason:
            return state.close(data, choice, delta)
        choice["finish_reason"] = None
        return True


class _ChoiceState:
    """What is known of one choice."""

    __slots__ = ("_calls", "_last", "begun", "reason")

    def __init__(self) -> None:
        self.begun = False
        self.reason: str | None = None
        self._calls = ToolCallNormalizer()
        self._last: dict[str, Any] | None = None

    def settle(self, delta: dict[str, Any]) -> None:
        """Make a delta canonical."""
        delta.pop("role", None)
        if not self.begun:  # said once: some clients join what is repeated
            self.begun = True
            delta["role"] = "assistant"
        if "content" not in delta:
            delta["content"] = ""
        elif type(delta["content"]) is not str:
            normalize_content(delta)
        if "reasoning_content" in delta or "reasoning" in delta:
            normalize_reasoning(delta)
        if "tool_calls" in delta:
            if calls := self._calls.normalize(delta["tool_calls"]):
                delta["tool_calls"] = calls
            else:
                del delta["tool_calls"]

    def close(self, data: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any]) -> bool:
        """Keep why the choice ended; whether there is something to pass on before."""
        reason = normalize_finish_reason(choice)
        if reason and (reason != "stop" or self.reason is None):
            self.reason = reason
        choice["finish_reason"] = None
        if reason is None:
            return True
        says = any(delta.values())
        last = {key: value for key, value in choice.items() if key not in ("delta", "logprobs", "message")}
        rest = {} if says else {key: value for key, value in data.items() if key != "choices"}
        self._last = rest | {"choices": [last]}
        return says

    def end(self, head: dict[str, Any], index: int) -> dict[str, Any]:
        """The chunk that closes the choice."""
        reason = self.reason or "tool_calls"
        if reason == "tool_calls" and not self._calls.count:
            reason = "stop"  # no call with a name ever came
        delta = {"content": ""} if self.begun else {"role": "assistant", "content": ""}
        closing = {"index": index, "delta": delta, "finish_reason": reason}
        last = self._last or {"choices": [{}]}
        return head | last | {"choices": [last["choices"][0] | closing]}


def _delta_from_message(choice: dict[str, Any]) -> dict[str, Any]:
    """The delta of a choice that has none: an upstream that ignores `stream` gives one whole `message`."""
    message = choice.pop("message", None)
    if isinstance(message, dict):
        return message
    text = choice.get("text")
    return {"content": text} if isinstance(text, str) else {}


COMPLETION_OBJECT = "chat.completion"


class NoAnswer(ValueError):
    """There is no choice in what was answered."""


def normalize_completion(data: dict[str, Any], model: str) -> dict[str, Any]:
    """The answer with every field that clients need; unknown ones are kept. Changes `data`.

    Raises:
        NoAnswer: it holds no choice.
        AnswerFailed: the upstream calls its answer a failure.
    """
    choices = data.get("choices")
    found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    if not found:
        raise NoAnswer
    usage = normalize_usage(data.pop("usage", None))
    created = data.get("created")
    data["object"] = COMPLETION_OBJECT
    data["id"] = _text(data.get("id")) or f"chatcmpl-{uuid4().hex}"
    data["created"] = created if type(created) is int and created > 0 else int(time.time())
    data["model"] = _text(data.get("model")) or model
    data["choices"] = [_normalize_choice(choice, place) for place, choice in enumerate(found)]
    return data | {"usage": usage} if usage else data


def _normalize_choice(choice: dict[str, Any], place: int) -> dict[str, Any]:
    message = choice.get("message")
    if not isinstance(message, dict):
        text = choice.pop("text", None)
        message = {"content": text if isinstance(text, str) else ""}
    message["role"] = "assistant"
    if not isinstance(message.setdefault("content", None), str):
        normalize_content(message)
    normalize_reasoning(message)
    calls = normalize_tool_calls(message.pop("tool_calls", None))
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None and not message.get("refusal"):
        message["content"] = ""
    reason = normalize_finish_reason(choice)
    if reason is None or (reason == "tool_calls" and not calls):
        reason = "tool_calls" if calls else "stop"
    index = choice.get("index")
    return choice | {
        "index": index if type(index) is int else place,
        "message": message,
        "finish_reason": reason,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
