"""A whole `chat.completion` in canonical form, whatever the upstream's habits; pure."""

import time
from typing import Any
from uuid import uuid4

from app.providers.upstream.wire.fields import reason_of, settle_content, settle_thought, usage_of
from app.providers.upstream.wire.tool_calls import whole_calls

OBJECT = "chat.completion"


class NoAnswer(ValueError):
    """There is no choice in what was answered."""


def completion_of(data: dict[str, Any], model: str) -> dict[str, Any]:
    """The answer with every field that clients need; unknown ones are kept. Changes `data`.

    Raises:
        NoAnswer: it holds no choice.
        AnswerFailed: the upstream calls its answer a failure.
    """
    choices = data.get("choices")
    found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    if not found:
        raise NoAnswer
    usage = usage_of(data.pop("usage", None))
    created = data.get("created")
    data["object"] = OBJECT
    data["id"] = _text(data.get("id")) or f"chatcmpl-{uuid4().hex}"
    data["created"] = created if type(created) is int and created > 0 else int(time.time())
    data["model"] = _text(data.get("model")) or model
    data["choices"] = [_choice(choice, place) for place, choice in enumerate(found)]
    return data | {"usage": usage} if usage else data


def _choice(choice: dict[str, Any], place: int) -> dict[str, Any]:
    message = choice.get("message")
    if not isinstance(message, dict):
        text = choice.pop("text", None)
        message = {"content": text if isinstance(text, str) else ""}
    message["role"] = "assistant"
    if not isinstance(message.setdefault("content", None), str):
        settle_content(message)
    settle_thought(message)
    calls = whole_calls(message.pop("tool_calls", None))
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None and not message.get("refusal"):
        message["content"] = ""
    reason = reason_of(choice)
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
