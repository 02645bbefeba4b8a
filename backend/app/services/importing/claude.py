"""Reads the export of Claude: each conversation is a list of messages, with blocks, and texts of attached files."""

from collections.abc import Iterator
from typing import Any

from app.services.importing.json_spans import Span
from app.services.importing.source import (
    Left,
    SourceConversation,
    SourceMessage,
    SourceNode,
    SourceTool,
    as_dict,
    as_key,
    as_list,
    as_name,
    as_text,
    as_time,
    fence,
    join_texts,
    read_field,
    read_node,
)

_ROOT = "00000000-0000-4000-8000-000000000000"
"""What the first messages of a conversation follow."""
_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}


def is_conversation(index: dict[str, Span]) -> bool:
    return "chat_messages" in index and index["chat_messages"].kind == "["


def read_conversation(index: dict[str, Span], fallback_key: str) -> SourceConversation:
    """One conversation, in the export or in a file of its own."""
    return SourceConversation(
        source="claude",
        key=as_key(read_field(index, "uuid")) or fallback_key,
        nodes=_read_nodes(index["chat_messages"], as_name(read_field(index, "model"))),
        title=as_text(read_field(index, "name")),
        created_at=as_time(read_field(index, "created_at")),
        updated_at=as_time(read_field(index, "updated_at")),
        leaf=as_key(read_field(index, "current_leaf_message_uuid")),
    )


def _read_nodes(messages: Span, model: str | None) -> Iterator[SourceNode]:
    before: str | None = None
    for n, span in enumerate(messages.items()):
        message, reason = read_node(span)
        if message is None:
            yield SourceNode(key=f"#{n}", parent=before, message=None, left=[reason] if reason else [])
            before = f"#{n}"
            continue
        key = as_key(message.get("uuid")) or f"#{n}"
        # Older exports have no tree: each message follows the one before.
        parent = as_key(message.get("parent_message_uuid")) if "parent_message_uuid" in message else before
        before = key
        yield _read_message(key, None if parent == _ROOT else parent, message, model)


def _read_message(key: str, parent: str | None, message: dict[str, Any], model: str | None) -> SourceNode:
    role = _ROLES.get(as_text(message.get("sender")))
    if role is None:
        return SourceNode(key=key, parent=parent, message=None, left=[Left.UNKNOWN_ROLE])
    blocks = [as_dict(each) for each in as_list(message.get("content"))]
    text, reasoning, tools, left = _read_blocks(blocks)
    if not blocks:
        text = as_text(message.get("text"))
    files, left_files = _read_files(message)
    said = SourceMessage(
        role="user" if role == "user" else "assistant",
        content=join_texts([text, *files]),
        reasoning=reasoning,
        model=model if role == "assistant" else None,
        created_at=as_time(message.get("created_at")),
        tools=tools,
    )
    left += left_files
    if said.is_empty:
        return SourceNode(key=key, parent=parent, message=None, left=left or [Left.EMPTY])
    return SourceNode(key=key, parent=parent, message=said, left=left)


def _read_blocks(blocks: list[dict[str, Any]]) -> tuple[str, str, list[SourceTool], list[Left]]:
    """Text, thoughts, calls of tools, and what is none of these."""
    text, thoughts, left = "", [], []
    tools: list[SourceTool] = []
    for block in blocks:
        kind = as_text(block.get("type"))
        if kind == "text":
            text = join_texts([text, as_text(block.get("text"))])
        elif kind == "thinking":
            thoughts.append(as_text(block.get("thinking")))
        elif kind == "tool_use":
            name = as_name(block.get("name")) or "tool"
            tools.append(SourceTool(name=name, arguments=as_dict(block.get("input")), at=len(text)))
        elif kind == "tool_result":
            said, left_parts = _read_result(block.get("content"))
            tools.append(SourceTool(result=said, at=len(text)))
            left += left_parts
        elif kind == "image":
            left.append(Left.IMAGE)
        elif kind not in ("token_budget", "flag"):
            left.append(Left.UNKNOWN_CONTENT)
    return text, join_texts(thoughts), tools, left


def _read_result(content: Any) -> tuple[str, list[Left]]:
    if isinstance(content, str):
        return content, []
    texts, left = [], []
    for part in map(as_dict, as_list(content)):
        if part.get("type") == "image":
            left.append(Left.IMAGE)
        else:
            texts.append(as_text(part.get("text")) or as_text(part.get("title")))
    return join_texts(texts), left


def _read_files(message: dict[str, Any]) -> tuple[list[str], list[Left]]:
    """The texts that Claude took out of attached files, under their names; files without a text are left out."""
    texts, left = [], []
    for attached in map(as_dict, as_list(message.get("attachments"))):
        extracted = as_text(attached.get("extracted_content"))
        if extracted.strip():
            name = " ".join(as_text(attached.get("file_name")).split())[:200] or "file"
            texts.append(f"{name}:\n\n{fence(extracted)}")
        else:
            left.append(Left.FILE)
    for listed in as_list(message.get("files")):
        kind = as_text(as_dict(listed).get("file_kind"))
        name = as_text(as_dict(listed).get("file_name")).lower()
        is_image = kind == "image" or name.endswith((".png", ".jpg", ".jpeg", ".webp", ".gif", ".heic"))
        left.append(Left.IMAGE if is_image else Left.FILE)
    return texts, left
