"""Reads the export of ChatGPT: each conversation is a mapping of nodes, with hidden ones and pictures among them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.services.importing.archived_files import find_upload_id
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
    fence,
    join_texts,
    read_field,
    read_node,
)

_MEDIA = {
    "audio_asset_pointer": Left.AUDIO,
    "video_container_asset_pointer": Left.AUDIO,
    "real_time_user_audio_video_asset_pointer": Left.AUDIO,
}
_PICTURE = "image_asset_pointer"
_CONTEXT = ("user_editable_context", "model_editable_context")
"""What ChatGPT knows of its user: it is no message."""


def is_conversation(index: dict[str, Span]) -> bool:
    return "mapping" in index and index["mapping"].kind == "{"


def read_conversation(index: dict[str, Span], fallback_key: str) -> SourceConversation:
    """One conversation, in the export or in a file of its own."""
    key = as_key(read_field(index, "conversation_id")) or as_key(read_field(index, "id"))
    return SourceConversation(
        source="chatgpt",
        key=key or fallback_key,
        nodes=_read_nodes(index["mapping"], as_name(read_field(index, "default_model_slug"))),
        title=as_text(read_field(index, "title")),
        created_at=as_time(read_field(index, "create_time")),
        updated_at=as_time(read_field(index, "update_time")),
        is_archived=read_field(index, "is_archived") is True,
        leaf=as_key(read_field(index, "current_node")),
    )


def _read_nodes(mapping: Span, default_model: str | None) -> Iterator[SourceNode]:
    for key, span in mapping.members():
        node, reason = read_node(span)
        if node is None:
            yield SourceNode(key=key, parent=None, message=None, left=[reason] if reason else [])
            continue
        parent = as_key(node.get("parent"))
        message = node.get("message")
        if not isinstance(message, dict):
            yield SourceNode(key=key, parent=parent, message=None)
            continue
        yield _read_message(key, parent, message, default_model)


def _read_message(
    key: str, parent: str | None, message: dict[str, Any], default_model: str | None
) -> SourceNode:
    role = as_text(as_dict(message.get("author")).get("role"))
    about = as_dict(message.get("metadata"))
    content = as_dict(message.get("content"))
    hidden = about.get("is_visually_hidden_from_conversation") is True or message.get("weight") == 0
    if hidden or content.get("content_type") in _CONTEXT:
        left = [Left.HIDDEN] if _read_content(content)[0].strip() else []
        return SourceNode(key=key, parent=parent, message=None, left=left)
    if role not in ("user", "assistant", "tool", "system"):
        return SourceNode(key=key, parent=parent, message=None, left=[Left.UNKNOWN_ROLE])
    text, left = _read_content(content)
    files = _read_files(content, about)
    said = replace(_make_message(message, role, text, content, default_model), files=files)
    if said.is_empty:
        # Most conversations begin with an empty system message, which is nothing that somebody would miss.
        silent = role in ("system", "tool") or bool(left) or content.get("content_type") == "text"
        return SourceNode(key=key, parent=parent, message=None, left=left if silent else [*left, Left.EMPTY])
    return SourceNode(
        key=key,
        parent=parent,
        message=said,
        joins=role in ("assistant", "tool"),
        is_open=said.role == "assistant" and message.get("end_turn") is not True,
        left=left,
    )


def _make_message(
    message: dict[str, Any], role: str, text: str, content: dict[str, Any], default_model: str | None
) -> SourceMessage:
    """The message of a node: a text, thoughts, a call of a tool, or what a tool returned."""
    about = as_dict(message.get("metadata"))
    created_at = as_time(message.get("create_time"))
    model = as_name(about.get("model_slug")) or default_model
    kind, recipient = content.get("content_type"), as_text(message.get("recipient")) or "all"
    if role == "tool":
        tools = [SourceTool(result=text)] if text.strip() else []
        return SourceMessage(role="assistant", model=model, created_at=created_at, tools=tools)
    if role == "assistant" and kind in ("thoughts", "reasoning_recap"):
        return SourceMessage(role="assistant", reasoning=text, model=model, created_at=created_at)
    if role == "assistant" and recipient != "all":
        tool = SourceTool(name=as_name(recipient) or "tool", arguments=_read_arguments(text, content))
        return SourceMessage(role="assistant", model=model, created_at=created_at, tools=[tool])
    if kind == "code" and text.strip():
        text = fence(text, _read_language(content))
    if role == "assistant":
        status = as_text(message.get("status"))
        return SourceMessage(
            role="assistant",
            content=text,
            model=model,
            created_at=created_at,
            is_complete=status in ("", "finished_successfully", "finished_partial_completion"),
        )
    return SourceMessage(role="system" if role == "system" else "user", content=text, created_at=created_at)


def _read_content(content: dict[str, Any]) -> tuple[str, list[Left]]:
    """The text of a content, and what of it is no text."""
    kind = content.get("content_type")
    if kind == "thoughts":
        thoughts = [as_dict(each) for each in as_list(content.get("thoughts"))]
        return join_texts(
            [as_text(each.get("content")) or as_text(each.get("summary")) for each in thoughts]
        ), []
    if isinstance(content.get("parts"), list):
        return _read_parts(content["parts"])
    if kind == "tether_quote":
        quoted = [as_text(content.get(name)) for name in ("title", "url", "text")]
        return join_texts(quoted), []
    text = next(
        (value for name in ("text", "result", "content") if (value := as_text(content.get(name)))), ""
    )
    is_known = text or kind in (None, "text", "code", "execution_output", "reasoning_recap", *_CONTEXT)
    return text, [] if is_known else [Left.UNKNOWN_CONTENT]


def _read_parts(parts: list[Any]) -> tuple[str, list[Left]]:
    texts, left = [], []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = as_text(part.get("content_type"))
            if kind == _PICTURE:
                continue  # see `_read_files`
            if kind in _MEDIA:
                left.append(_MEDIA[kind])
            elif text := as_text(part.get("text")):  # what was heard of a spoken message
                texts.append(text)
            else:
                left.append(Left.UNKNOWN_CONTENT)
    return join_texts(texts), left


def _read_files(content: dict[str, Any], about: dict[str, Any]) -> list[SourceFile]:
    """The pictures in a content, and the other files beside it; the archive has them under names with their ids."""
    attached = [as_dict(each) for each in as_list(about.get("attachments"))]
    names = {as_text(each.get("id")): as_text(each.get("name")) for each in attached}
    files = []
    for part in map(as_dict, as_list(content.get("parts"))):
        if part.get("content_type") == _PICTURE:
            key = find_upload_id(as_text(part.get("asset_pointer"))) or ""
            files.append(SourceFile(key=key, name=names.get(key) or "picture", reason=Left.IMAGE))
    for each in attached:
        if not as_text(each.get("mime_type")).startswith("image/"):
            key = as_text(each.get("id"))
            files.append(SourceFile(key=key, name=names.get(key) or "file"))
    return files


def _read_arguments(text: str, content: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call: JSON as it is, else the code that was run."""
    if content.get("content_type") != "code" or _read_language(content) in ("", "json"):
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            return parsed
    return {"code": text}


def _read_language(content: dict[str, Any]) -> str:
    language = as_text(content.get("language"))
    return language if language.isalnum() and language != "unknown" else ""
