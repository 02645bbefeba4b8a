"""The context of an answer: which messages of its conversation the model is sent, within a budget of tokens; pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.services.attachments.parts import NO_FILES, FileParts, add_files
from app.storage.messages import Message

_ROLES = ("user", "assistant")
"""Roles that are sent. The only system prompt is the one before all messages."""
_TOKEN_BYTES = 4
_MESSAGE_TOKENS = 4
"""Tokens that mark the role and the ends of a message."""


def estimate_tokens(text: str) -> int:
    """Roughly the tokens of a message: one for every four bytes of UTF-8, and its frame.

    English takes about four letters a token, Spanish a few less, Chinese a character of three bytes or so. No
    tokeniser is used, because each model has its own.
    """
    return math.ceil(len(text.encode("utf-8", "replace")) / _TOKEN_BYTES) + _MESSAGE_TOKENS


def build_context(
    branch: Sequence[Message],
    system: str,
    *,
    last: int,
    budget_tokens: int,
    files: Mapping[UUID, FileParts] = NO_FILES,
) -> list[dict[str, Any]]:
    """The messages to send, oldest first. The last one of `branch` is the one to answer.

    `files` has what is sent of the files of messages, by their ids; it has a budget of its own.

    The system prompt and the message to answer are always sent; of the others, the newest that fit. No message is
    cut. The first one is a user's: a model should not see an answer without its question. Neighbours of one role, as
    after a failed answer, are joined: many models accept no two in a row.
    """
    candidates = [
        message
        for message in branch
        if (message.content.strip() or message.id in files) and message.role in _ROLES
    ][-last:]
    left = budget_tokens - (estimate_tokens(system) if system else 0)
    chosen: list[dict[str, Any]] = []
    for message in reversed(candidates):
        left -= estimate_tokens(message.content)
        if chosen and left < 0:
            break
        chosen.append({"role": message.role, "content": add_files(message.content, files.get(message.id))})
    while len(chosen) > 1 and chosen[-1]["role"] == "assistant":
        chosen.pop()
    head = [{"role": "system", "content": system}] if system else []
    return head + _join_neighbours(reversed(chosen))


def _join_neighbours(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    joined: list[dict[str, Any]] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["content"] = _join(joined[-1]["content"], message["content"])
        else:
            joined.append(message)
    return joined


def _join(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return first + "\n\n" + second
    return [*_to_parts(first), *_to_parts(second)]


def _to_parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
