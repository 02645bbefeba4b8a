"""Reads our own JSON export: everything that is stored of a conversation."""

from collections.abc import Iterator
from typing import Any, get_args

from app.services.importing.json_spans import Span
from app.services.importing.source import (
    Left,
    SourceConversation,
    SourceFile,
    SourceMessage,
    SourceNode,
    as_dict,
    as_key,
    as_list,
    as_name,
    as_text,
    as_time,
    read_field,
    read_node,
)
from app.storage.messages import Status
from app.storage.tool_events import dump_tool_events, load_tool_events, to_plain_json

FORMAT = "prompter.conversation"
_STATUSES = get_args(Status)
_OPTIONS = ("temperature", "top_p", "max_tokens")


def is_conversation(index: dict[str, Span]) -> bool:
    """Whether this is the export of one conversation, or one of the list in an export of several."""
    if not {"conversation", "messages"} <= index.keys() or index["conversation"].kind != "{":
        return False
    return "format" not in index or read_field(index, "format") == FORMAT


def read_conversation(index: dict[str, Span], fallback_key: str) -> SourceConversation:
    """One exported conversation."""
    about = as_dict(read_field(index, "conversation"))
    prompt = as_text(about.get("system_prompt"))
    return SourceConversation(
        source="prompter",
        key=as_key(about.get("id")) or fallback_key,
        nodes=_read_nodes(index["messages"]),
        title=as_text(about.get("title")),
        created_at=as_time(about.get("created_at")),
        updated_at=as_time(about.get("updated_at")),
        model=as_name(about.get("model")),
        system_prompt=prompt if prompt.strip() else None,
        settings=_read_settings(as_dict(about.get("settings"))),
        is_archived=as_time(about.get("archived_at")) is not None,
        leaf=as_key(about.get("active_leaf_id")),
    )


def _read_settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: settings[name]
        for name in _OPTIONS
        if isinstance(settings.get(name), int | float) and not isinstance(settings[name], bool)
    }


def _read_nodes(messages: Span) -> Iterator[SourceNode]:
    for n, span in enumerate(messages.items()):
        message, reason = read_node(span)
        if message is None:
            yield SourceNode(key=f"#{n}", parent=None, message=None, left=[reason] if reason else [])
            continue
        key, parent = as_key(message.get("id")) or f"#{n}", as_key(message.get("parent_id"))
        role = as_text(message.get("role"))
        files = [_read_file(as_dict(each)) for each in as_list(message.get("attachments"))]
        if role not in ("user", "assistant", "system"):
            yield SourceNode(key=key, parent=parent, message=None, left=[Left.UNKNOWN_ROLE])
            continue
        said = SourceMessage(
            role="user" if role == "user" else "system" if role == "system" else "assistant",
            content=as_text(message.get("content")),
            reasoning=as_text(message.get("reasoning")),
            model=as_name(message.get("model")),
            created_at=as_time(message.get("created_at")),
            files=files,
            more=_read_more(message),
        )
        yield SourceNode(key=key, parent=parent, message=said)


def _read_file(about: dict[str, Any]) -> SourceFile:
    kind = as_text(about.get("kind"))
    reason = Left.IMAGE if kind == "image" else Left.AUDIO if kind in ("audio", "video") else Left.FILE
    return SourceFile(key=as_text(about.get("path")), name=as_text(about.get("name")), reason=reason)


def _read_more(message: dict[str, Any]) -> dict[str, Any]:
    """What only our own export has, checked: a file can hold anything under these names."""
    status = as_text(message.get("status"))
    usage, error = message.get("usage"), message.get("error")
    return {
        "status": status if status in _STATUSES and status != "streaming" else "interrupted",
        "provider": as_name(message.get("provider")),
        "finish_reason": as_name(message.get("finish_reason")),
        "usage": to_plain_json(usage) if isinstance(usage, dict) else None,
        "error": _read_error(error),
        "tool_data": dump_tool_events(load_tool_events(as_list(to_plain_json(message.get("tool_data"))))),
    }


def _read_error(error: Any) -> dict[str, Any] | None:
    """The stored error of an answer; None where it has not the two texts that readers need."""
    if not isinstance(error, dict):
        return None
    code, message = as_text(error.get("code")), as_text(error.get("message"))
    return {"code": code[:64], "message": message[:1000]} if code and message else None
