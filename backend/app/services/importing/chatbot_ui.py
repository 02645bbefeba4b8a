"""Reads the export of Chatbot UI: a list of histories, each a list of messages without ids and times."""

from collections.abc import Iterator
from typing import Any

from app.services.importing.json_spans import Span
from app.services.importing.source import (
    Left,
    SourceConversation,
    SourceMessage,
    SourceNode,
    as_dict,
    as_key,
    as_name,
    as_text,
    read_field,
    read_node,
)


def is_export(index: dict[str, Span]) -> bool:
    """Whether this is the object around all conversations."""
    return "version" in index and "history" in index and index["history"].kind == "["


def is_conversation(index: dict[str, Span]) -> bool:
    return {"messages", "name", "prompt"} <= index.keys() and index["messages"].kind == "["


def read_conversation(index: dict[str, Span], fallback_key: str) -> SourceConversation:
    """One conversation of the list."""
    model = as_name(as_dict(read_field(index, "model")).get("id"))
    prompt = as_text(read_field(index, "prompt"))
    return SourceConversation(
        source="chatbot_ui",
        key=as_key(read_field(index, "id")) or fallback_key,
        nodes=_read_nodes(index["messages"], model),
        title=as_text(read_field(index, "name")),
        system_prompt=prompt if prompt.strip() else None,
    )


def _read_nodes(messages: Span, model: str | None) -> Iterator[SourceNode]:
    before: str | None = None
    for n, span in enumerate(messages.items()):
        message, reason = read_node(span)
        key = f"#{n}"
        if message is None:
            yield SourceNode(key=key, parent=before, message=None, left=[reason] if reason else [])
        else:
            yield _read_message(key, before, message, model)
        before = key


def _read_message(key: str, parent: str | None, message: dict[str, Any], model: str | None) -> SourceNode:
    role, content = as_text(message.get("role")), message.get("content")
    if role not in ("user", "assistant", "system"):
        return SourceNode(key=key, parent=parent, message=None, left=[Left.UNKNOWN_ROLE])
    if not isinstance(content, str) or not content.strip():
        left = Left.EMPTY if isinstance(content, str) else Left.UNKNOWN_CONTENT
        return SourceNode(key=key, parent=parent, message=None, left=[left])
    said = SourceMessage(
        role="user" if role == "user" else "system" if role == "system" else "assistant",
        content=content,
        model=model if role == "assistant" else None,
    )
    return SourceNode(key=key, parent=parent, message=said)
