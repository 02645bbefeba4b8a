"""Reads the export of Open WebUI: a list of chats, each with a history of messages by their ids."""

import html
import json
from collections.abc import Iterator
from typing import Any

from app.services.importing.json_spans import Span
from app.services.importing.source import (
    Left,
    SourceConversation,
    SourceFile,
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

_OPENING, _CLOSING = '<details type="', "</details>"
"""Around the blocks that Open WebUI writes into the text of an answer, for its own page."""
_PAGE_BLOCKS = ("reasoning", "tool_calls", "code_interpreter")


def is_conversation(index: dict[str, Span]) -> bool:
    return "chat" in index and index["chat"].kind == "{"


def is_bare_chat(index: dict[str, Span]) -> bool:
    """Whether this is the inner object alone, as very old exports have it."""
    return "history" in index and index["history"].kind == "{" and "messages" in index["history"].index()


def read_conversation(index: dict[str, Span], fallback_key: str) -> SourceConversation | None:
    """One chat; None for one without messages in a known place."""
    chat = index["chat"].index() if "chat" in index else index
    history = chat["history"].index() if "history" in chat else {}
    if "messages" in history and history["messages"].kind == "{":
        nodes = _read_history(history["messages"])
        leaf = as_key(read_field(history, "currentId"))
    elif "messages" in chat and chat["messages"].kind == "[":
        nodes, leaf = _read_list(chat["messages"]), None
    else:
        return None
    return SourceConversation(
        source="open_webui",
        key=as_key(read_field(index, "id")) or as_key(read_field(chat, "id")) or fallback_key,
        nodes=nodes,
        title=as_text(read_field(index, "title")) or as_text(read_field(chat, "title")),
        created_at=as_time(read_field(index, "created_at")) or as_time(read_field(chat, "timestamp")),
        updated_at=as_time(read_field(index, "updated_at")),
        system_prompt=_read_system(chat),
        is_archived=read_field(index, "archived") is True,
        leaf=leaf,
    )


def _read_system(chat: dict[str, Span]) -> str | None:
    prompt = as_text(as_dict(read_field(chat, "params")).get("system")) or as_text(read_field(chat, "system"))
    return prompt if prompt.strip() else None


def _read_history(messages: Span) -> Iterator[SourceNode]:
    for key, span in messages.members():
        message, reason = read_node(span)
        if message is None:
            yield SourceNode(key=key, parent=None, message=None, left=[reason] if reason else [])
        else:
            yield _read_message(key, as_key(message.get("parentId")), message)


def _read_list(messages: Span) -> Iterator[SourceNode]:
    before: str | None = None
    for n, span in enumerate(messages.items()):
        message, reason = read_node(span)
        key = (as_key(message.get("id")) if message else None) or f"#{n}"
        if message is None:
            yield SourceNode(key=key, parent=before, message=None, left=[reason] if reason else [])
        else:
            yield _read_message(key, before, message)
        before = key


def _read_message(key: str, parent: str | None, message: dict[str, Any]) -> SourceNode:
    role = as_text(message.get("role"))
    if role not in ("user", "assistant", "system"):
        return SourceNode(key=key, parent=parent, message=None, left=[Left.UNKNOWN_ROLE])
    text, pictures, left = _read_text(message.get("content"))
    files = [_read_file(as_dict(each)) for each in as_list(message.get("files"))] + pictures
    reasoning = ""
    tools: list[SourceTool] = []
    if role == "assistant":
        text, reasoning, tools, more = _read_answer(text, as_list(message.get("output")))
        left += more
        reasoning = join_texts([as_text(message.get("reasoning_content")), reasoning])
    said = SourceMessage(
        role="user" if role == "user" else "system" if role == "system" else "assistant",
        content=text,
        reasoning=reasoning,
        model=as_name(message.get("model")) if role == "assistant" else None,
        created_at=as_time(message.get("timestamp")),
        tools=tools,
        files=files,
        is_complete=message.get("done") is not False,
    )
    if said.is_empty:
        return SourceNode(key=key, parent=parent, message=None, left=left or [Left.EMPTY])
    return SourceNode(key=key, parent=parent, message=said, left=left)


def _read_text(content: Any) -> tuple[str, list[SourceFile], list[Left]]:
    """The text of a content, which is a text or a list of parts, and the pictures in it."""
    if isinstance(content, str):
        return content, [], []
    texts, pictures, left = [], [], []
    for part in map(as_dict, as_list(content)):
        if part.get("type") == "text":
            texts.append(as_text(part.get("text")))
        elif part.get("type") == "image_url":
            pictures.append(_read_file({"type": "image", **as_dict(part.get("image_url"))}))
        else:
            left.append(Left.UNKNOWN_CONTENT)
    return join_texts(texts), pictures, left


def _read_file(about: dict[str, Any]) -> SourceFile:
    """A file of a message: older pictures are in the export itself, everything else is on the server alone."""
    is_picture = about.get("type") == "image"
    name = as_text(about.get("name")) or ("picture" if is_picture else "file")
    return SourceFile(
        key=as_text(about.get("url")), name=name, reason=Left.IMAGE if is_picture else Left.FILE
    )


def _read_answer(text: str, output: list[Any]) -> tuple[str, str, list[SourceTool], list[Left]]:
    """The text of an answer without blocks for the page; thoughts and calls from its items, else from the blocks."""
    rest, blocks = _split_blocks(text)
    if output:
        return _read_items([as_dict(each) for each in output], rest)
    thoughts = [_read_quote(body) for kind, body in blocks if kind == "reasoning"]
    left = [Left.TOOL for kind, _ in blocks if kind != "reasoning"]
    return rest, join_texts(thoughts), [], left


def _split_blocks(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text outside the blocks, and each block's kind and inner text. Each character is looked at once."""
    said: list[str] = []
    blocks: list[tuple[str, str]] = []
    at = 0
    while (begin := text.find(_OPENING, at)) >= 0:
        inner = text.find(">", begin)
        end = text.find(_CLOSING, inner) if inner >= 0 else -1
        if end < 0:
            break
        kind = text[begin + len(_OPENING) : inner].partition('"')[0]
        said.append(text[at:begin])
        at = end + len(_CLOSING)
        if kind in _PAGE_BLOCKS:
            blocks.append((kind, text[inner + 1 : end]))
        else:
            said.append(text[begin:at])
    said.append(text[at:])
    return "".join(said).strip() if blocks else text, blocks


def _read_quote(body: str) -> str:
    """The thoughts in a block: quoted lines after a summary, escaped for HTML."""
    _, summary, rest = body.rpartition("</summary>")
    lines = html.unescape(rest if summary else body).strip().splitlines()
    return "\n".join(line.removeprefix(">").removeprefix(" ") for line in lines)


def _read_items(items: list[dict[str, Any]], text: str) -> tuple[str, str, list[SourceTool], list[Left]]:
    """Text, thoughts and calls of an answer that has a list of items; `text` stands where no item is a text."""
    thoughts: list[str] = []
    said: list[str] = []
    tools: list[SourceTool] = []
    for item in items:
        kind = item.get("type")
        at = len(join_texts(said))
        if kind == "reasoning":
            thoughts += [as_text(as_dict(each).get("text")) for each in as_list(item.get("content"))]
        elif kind == "message":
            said += [as_text(as_dict(each).get("text")) for each in as_list(item.get("content"))]
        elif kind == "function_call":
            arguments = _read_arguments(item.get("arguments"))
            tools.append(SourceTool(name=as_name(item.get("name")) or "tool", arguments=arguments, at=at))
        elif kind == "function_call_output":
            tools.append(SourceTool(result=_read_output(item.get("output")), at=at))
    return join_texts(said) or text, join_texts(thoughts), tools, []


def _read_output(output: Any) -> str:
    parts = [output] if isinstance(output, str) else [as_dict(each).get("text") for each in as_list(output)]
    return join_texts([as_text(part) for part in parts])


def _read_arguments(text: Any) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    try:
        parsed = json.loads(as_text(text))
    except (ValueError, RecursionError):
        parsed = None
    return parsed if isinstance(parsed, dict) else {"_raw": as_text(text)}
