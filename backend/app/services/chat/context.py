"""What of a conversation a model is sent: its last messages, whole, within a budget; pure."""

import math
from collections.abc import Iterable, Sequence

from app.storage.messages import Message

_ROLES = ("user", "assistant")
"""Of the messages that are sent; there is one system prompt, and it stands before them."""
_TOKEN_BYTES = 4
_MESSAGE_TOKENS = 4
"""What the frame of a message costs: its role and its ends."""


def estimated_tokens(text: str) -> int:
    """About what a message costs: a token for each four bytes of UTF-8, and its frame.

    English takes about four letters a token, Spanish a few less, Chinese a character of three bytes or so; no
    tokeniser is asked, as each model has its own.
    """
    return math.ceil(len(text.encode("utf-8", "replace")) / _TOKEN_BYTES) + _MESSAGE_TOKENS


def context(branch: Sequence[Message], system: str, *, last: int, budget_tokens: int) -> list[dict[str, str]]:
    """The messages to send, oldest first, the last of `branch` being the one to answer.

    The system prompt and the message to answer are always in it, whatever they cost; of the others the newest that
    fit. None is cut in the middle, and the first one is a user's, or a model would see an answer to nothing. Messages
    of one role that follow each other, as after an answer that failed, are sent as one: many models take no others.
    """
    said = [_sent(message) for message in branch if message.content.strip() and message.role in _ROLES][
        -last:
    ]
    left = budget_tokens - (estimated_tokens(system) if system else 0)
    kept: list[dict[str, str]] = []
    for message in reversed(said):
        left -= estimated_tokens(message["content"])
        if kept and left < 0:
            break
        kept.append(message)
    while len(kept) > 1 and kept[-1]["role"] == "assistant":
        kept.pop()
    head = [{"role": "system", "content": system}] if system else []
    return head + _joined(reversed(kept))


def _sent(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _joined(messages: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    joined: list[dict[str, str]] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["content"] += "\n\n" + message["content"]
        else:
            joined.append(message)
    return joined
