"""Tells by its content which product wrote a file, and reads the conversations in it one after another. Pure."""

import hashlib
from collections.abc import Callable, Iterator

from app.services.importing import chatbot_ui, chatgpt, claude, librechat, open_webui, prompter
from app.services.importing.json_spans import Buffer, DamagedJson, Span, TooLarge, peek_root
from app.services.importing.source import Left, SourceConversation

MOST_CONVERSATIONS = 100_000
"""Conversations in one list: a file can hold millions of entries of a few bytes."""
_FORMATS = (prompter, librechat, chatgpt, claude, open_webui, chatbot_ui)
"""Asked in this order whether an object is one of their conversations."""
_LISTS = ("conversations", "chats", "history", "data")
"""Fields of an object around all conversations, where it is not one itself."""


class TooManyConversations(Exception):
    """A list has more entries than `MOST_CONVERSATIONS`."""


def find_list(buffer: Buffer) -> Span | None:
    """The list of conversations in a file, or its one conversation; None where it holds none that is known.

    Raises:
        DamagedJson: the file is no JSON, as far as it was read.
    """
    kind, at = peek_root(buffer)
    root = Span(buffer, at, len(buffer))
    if kind == "[":
        first = next((item for item in root.items()), None)
        return root if first is None or _is_conversation(first) else None
    if kind != "{":
        raise DamagedJson(at)
    try:
        index = root.index()
    except TooLarge:
        return None
    if any(form.is_conversation(index) for form in _FORMATS):
        return root
    for name in _LISTS:
        inner = index.get(name)
        if inner is not None and inner.kind == "[":
            first = next((item for item in inner.items()), None)
            if _is_conversation(first) if first else "format" in index:
                return inner
    return root if open_webui.is_bare_chat(index) else None


def count_conversations(found: Span, check: Callable[[], None]) -> int:
    """How many entries a list has that `find_list` found. `check` is called now and then, and may raise.

    Raises:
        TooManyConversations
        DamagedJson
    """
    count = 0
    for _ in found.items() if found.kind == "[" else [found]:
        count += 1
        if count > MOST_CONVERSATIONS:
            raise TooManyConversations
        if count % 100 == 0:
            check()
    return count


def read_conversations(found: Span) -> Iterator[SourceConversation | Left]:
    """The conversations of a list that `find_list` found; for an entry that is none the reason.

    Raises:
        DamagedJson
    """
    for item in found.items() if found.kind == "[" else [found]:
        try:
            yield _read(item)
        except TooLarge:
            yield Left.NOT_A_CONVERSATION


def _is_conversation(item: Span) -> bool:
    if item.kind != "{":
        return False
    try:
        index = item.index()
    except TooLarge:
        return False
    return any(form.is_conversation(index) for form in _FORMATS) or open_webui.is_bare_chat(index)


def _read(item: Span) -> SourceConversation | Left:
    if item.kind != "{":
        return Left.NOT_A_CONVERSATION
    index = item.index()
    form = next((form for form in _FORMATS if form.is_conversation(index)), None)
    if form is None and open_webui.is_bare_chat(index):
        form = open_webui
    if form is None:
        return Left.NOT_A_CONVERSATION
    return form.read_conversation(index, _make_key(item)) or Left.NOT_A_CONVERSATION


def _make_key(item: Span) -> str:
    """A key for a conversation without an id: the same text has the same key."""
    digest = hashlib.sha256()
    for begin in range(item.start, item.end, 1 << 20):
        digest.update(item.buffer[begin : min(begin + (1 << 20), item.end)])
    return f"sha256:{digest.hexdigest()}"
