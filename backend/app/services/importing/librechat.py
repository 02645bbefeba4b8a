"""Reads the export of LibreChat: one conversation, as a list of messages or as a tree of messages within messages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.services.importing.json_spans import (
    Buffer,
    Span,
    TooDeep,
    TooLarge,
    find_value,
    read_name,
    skip_separator,
    skip_space,
)
from app.services.importing.source import (
    NODE_BYTES,
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
    join_texts,
    read_field,
    read_node,
)

_NO_PARENT = "00000000-0000-0000-0000-000000000000"
_WANTED = frozenset(
    {
        *(
            "messageId",
            "parentMessageId",
            "text",
            "content",
            "sender",
            "isCreatedByUser",
            "createdAt",
            "model",
        ),
        *("unfinished", "files", "attachments", "role"),
    }
)
"""The fields of a message that are read."""


def is_conversation(index: dict[str, Span]) -> bool:
    return "conversationId" in index and ("messages" in index or "messagesTree" in index)


def read_conversation(index: dict[str, Span], fallback_key: str) -> SourceConversation:
    """The conversation of a file. The file has no time of its own: those of the messages count."""
    options = as_dict(read_field(index, "options"))
    prompt = as_text(options.get("promptPrefix")) or as_text(options.get("system"))
    tree = index.get("messagesTree")
    return SourceConversation(
        source="librechat",
        key=as_key(read_field(index, "conversationId")) or fallback_key,
        nodes=_read_list(index["messages"]) if tree is None else _read_tree(tree),
        title=as_text(read_field(index, "title")),
        system_prompt=prompt if prompt.strip() else None,
    )


def _read_list(messages: Span) -> Iterator[SourceNode]:
    for n, span in enumerate(messages.items()):
        message, reason = read_node(span)
        if message is None:
            yield SourceNode(key=f"#{n}", parent=None, message=None, left=[reason] if reason else [])
            continue
        parent = as_key(message.get("parentMessageId"))
        yield _read_message(as_key(message.get("messageId")) or f"#{n}", parent, message)


# -- the tree: each message may hold those that follow it, thousands deep


@dataclass(slots=True)
class _Open:
    """A message whose end has not been reached."""

    key: str
    parent: str | None
    fields: dict[str, Any] = field(default_factory=dict)
    reason: Left | None = None


def _read_tree(tree: Span) -> Iterator[SourceNode]:
    """The messages of a tree in one pass over its text, without recursion. A message comes after those in it."""
    if tree.kind != "[":
        return
    buffer, count = tree.buffer, 0
    at = skip_space(buffer, tree.start + 1)
    stack: list[_Open] = []
    while True:  # here begins a value in the list of the innermost message, or ends that list
        first = buffer[at : at + 1]
        if first == b"]":
            if not stack:
                return
            at = skip_separator(buffer, at + 1, b"}")
        elif first == b"{":
            stack.append(_Open(key=f"#{count}", parent=stack[-1].key if stack else None))
            count += 1
            at = skip_space(buffer, at + 1)
        else:
            at = skip_separator(buffer, find_value(buffer, at).end, b"]")
            continue
        at, is_inside = _read_members(buffer, at, stack[-1])
        if not is_inside:
            yield _close(stack.pop())
            at = skip_separator(buffer, at + 1, b"]")


def _read_members(buffer: Buffer, at: int, message: _Open) -> tuple[int, bool]:
    """Read the fields of a message, to its end or into its list of messages: where that is, and whether inside."""
    while buffer[at : at + 1] != b"}":
        name, at = read_name(buffer, at)
        if name == "children" and buffer[at : at + 1] == b"[":
            return skip_space(buffer, at + 1), True
        value = find_value(buffer, at)
        if name in _WANTED:
            _keep_field(message, name, value)
        at = skip_separator(buffer, value.end, b"}")
    return at, False


def _keep_field(message: _Open, name: str, value: Span) -> None:
    try:
        message.fields[name] = value.load(NODE_BYTES)
    except TooLarge:
        message.reason = Left.TOO_LONG
    except TooDeep:
        message.reason = Left.TOO_DEEP
    if name == "messageId":
        message.key = as_key(message.fields.get(name)) or message.key


def _close(message: _Open) -> SourceNode:
    if message.reason:
        return SourceNode(key=message.key, parent=message.parent, message=None, left=[message.reason])
    return _read_message(message.key, message.parent, message.fields)


# -- one message


def _read_message(key: str, parent: str | None, message: dict[str, Any]) -> SourceNode:
    parent = None if parent == _NO_PARENT else parent
    sender = as_text(message.get("sender")).lower()
    by_user = message.get("isCreatedByUser")
    if not isinstance(by_user, bool):
        if not sender and "role" not in message:
            return SourceNode(key=key, parent=parent, message=None, left=[Left.UNKNOWN_ROLE])
        by_user = sender == "user" or message.get("role") == "user"
    text, reasoning, tools, left = _read_content(as_list(message.get("content")))
    left += [
        Left.IMAGE if as_text(as_dict(each).get("type")).startswith("image/") else Left.FILE
        for each in (*as_list(message.get("files")), *as_list(message.get("attachments")))
    ]
    said = SourceMessage(
        role="user" if by_user else "assistant",
        content=text or as_text(message.get("text")),
        reasoning=reasoning,
        model=None if by_user else as_name(message.get("model")) or as_name(message.get("sender")),
        created_at=as_time(message.get("createdAt")),
        tools=tools,
        is_complete=message.get("unfinished") is not True,
    )
    if said.is_empty:
        return SourceNode(key=key, parent=parent, message=None, left=left or [Left.EMPTY])
    return SourceNode(key=key, parent=parent, message=said, left=left)


def _read_content(parts: list[Any]) -> tuple[str, str, list[SourceTool], list[Left]]:
    """Text, thoughts and calls of an answer in parts, and what is none of these."""
    text, thoughts, left = "", [], []
    tools: list[SourceTool] = []
    for part in map(as_dict, parts):
        kind = part.get("type")
        if kind == "text":
            text = join_texts([text, _read_value(part.get("text"))])
        elif kind == "error":
            text = join_texts([text, _read_value(part.get("text")) or as_text(part.get("error"))])
        elif kind == "think":
            thoughts.append(_read_value(part.get("think")))
        elif kind == "tool_call":
            tools.append(_read_call(as_dict(part.get("tool_call")), len(text)))
        elif kind in ("image_file", "image_url"):
            left.append(Left.IMAGE)
        elif kind != "agent_update":
            left.append(Left.UNKNOWN_CONTENT)
    return text, join_texts(thoughts), tools, left


def _read_value(value: Any) -> str:
    """A text, which newer exports write plainly and older ones inside an object."""
    return value if isinstance(value, str) else as_text(as_dict(value).get("value"))


def _read_call(call: dict[str, Any], at: int) -> SourceTool:
    inner = as_dict(call.get("function")) or as_dict(call.get("code_interpreter")) or call
    arguments = next((inner[name] for name in ("args", "arguments", "input") if name in inner), None)
    output = inner.get("output", inner.get("outputs"))
    return SourceTool(
        name=as_name(inner.get("name")) or as_name(call.get("type")) or "tool",
        arguments=_read_arguments(arguments),
        result=output if isinstance(output, str) else None if output is None else json.dumps(output),
        at=at,
    )


def _read_arguments(arguments: Any) -> dict[str, Any]:
    if isinstance(arguments, str):
        try:
            parsed = json.loads(arguments)
        except (ValueError, RecursionError):
            parsed = None
        return parsed if isinstance(parsed, dict) else {"_raw": arguments}
    return as_dict(arguments)
