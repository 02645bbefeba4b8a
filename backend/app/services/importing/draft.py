"""Reads one conversation of a file into a draft: its plan in memory, what its messages say in a file of its own."""

import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any

import orjson

from app.services.importing.archived_files import ArchivedFiles
from app.services.importing.source import (
    Left,
    SourceConversation,
    SourceFile,
    SourceMessage,
    SourceName,
    SourceNode,
    fence,
    join_texts,
)
from app.services.importing.tree import Planned, Tree
from app.storage.common import replace_unstorable
from app.storage.imports import ImportedMessage
from app.storage.tool_events import MOST_CHARS, ToolEvent, dump_tool_events, interrupt_open_calls
from app.utils.folding import split_words
from app.utils.titles import make_title

_TITLE_CHARS = 200
_READ_CHARS = 2000
_SPACE = uuid.UUID("6f0f1f62-3f5c-4c0e-9d3b-6a5a2c1d7e44")
"""The names of messages are made into ids within this space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A conversation that is ready to be stored."""

    source: SourceName
    origin: str
    """What the conversation is known by, wherever it is imported again: a hash of its product and id."""
    own_key: str
    """Its id in its product."""
    title: str
    created_at: datetime
    updated_at: datetime
    model: str | None
    system_prompt: str | None
    settings: dict[str, Any]
    is_archived: bool
    messages: Sequence[Planned]
    leaf: str | None
    """The key of the last message of the branch that is shown."""
    left: Counter[Left]


class DraftFile:
    """What the messages of one conversation say, on disk: a long one is never whole in memory."""

    def __init__(self, file: IO[bytes], message_chars: int, files: ArchivedFiles, message_files: int) -> None:
        """`message_files`: most files of one message."""
        self._file = file
        self._message_chars = message_chars
        self.files = files
        """The files beside the conversations."""
        self._message_files = message_files
        self._places: list[tuple[int, int]] = []
        self._file_places: dict[int, tuple[int, int]] = {}

    def read_draft(self, conversation: SourceConversation, now: datetime, check: Callable[[], None]) -> Draft:
        """Read a conversation whole, in place of the one before. `check` is called now and then, and may raise.

        Raises:
            TooManyMessages, DamagedJson
        """
        self._file.seek(0)
        self._file.truncate()
        self._places.clear()
        self._file_places.clear()
        begin = conversation.created_at
        tree = Tree(now, begin)
        first = ""
        for n, node in enumerate(conversation.nodes):
            if n % 100 == 0:
                check()
            found = self._find_files(node)
            message = found.message
            if tree.add(found, len(self._places)) and message is not None:
                self._write(message, tree)
                if not first and message.role == "user":
                    first = message.content[:_READ_CHARS] or (message.files and message.files[0].name) or ""
        self._file.flush()
        return _make_draft(conversation, tree, first, now)

    def read_messages(
        self, planned: Sequence[Planned], make_key: Callable[[str], uuid.UUID]
    ) -> list[ImportedMessage]:
        """The messages of a part of the plan, with what they say, as they are stored."""
        return [self._read(each, make_key(each.key)) for each in planned]

    @property
    def has_files(self) -> bool:
        """Whether a message of the conversation has files that can come."""
        return bool(self._file_places)

    def read_files(self, planned: Sequence[Planned]) -> dict[str, list[SourceFile]]:
        """The files that can come, by the keys of their messages."""
        found: dict[str, list[SourceFile]] = {}
        for each in planned:
            for handle in each.handles:
                if handle in self._file_places:
                    records = self._load(self._file_places[handle])
                    found.setdefault(each.key, []).extend(SourceFile(**record) for record in records)
        return found

    def _find_files(self, node: SourceNode) -> SourceNode:
        """The node with those files that are there. Only what a user sends has files here."""
        message = node.message
        if message is None or not message.files:
            return node
        here = [
            file
            for file in message.files
            if message.role == "user" and file.key and self.files.want(file.key)
        ]
        left = [*node.left, *(file.reason for file in message.files if file not in here)]
        left += [Left.TOO_MANY_FILES] * (len(here) - self._message_files)
        kept = replace(message, files=here[: self._message_files])
        return replace(node, message=None if kept.is_empty else kept, left=left)

    def _write(self, message: SourceMessage, tree: Tree) -> None:
        limit = self._message_chars
        if len(message.content) > limit or len(message.reasoning) > limit:
            tree.left[Left.CUT] += 1
        record = orjson.dumps(
            {
                "role": message.role,
                "content": (content := replace_unstorable(message.content[:limit])),
                "folded": " ".join(split_words(content)),  # here, where no transaction waits
                "reasoning": replace_unstorable(message.reasoning[:limit]),
                "model": message.model and replace_unstorable(message.model),
                "is_complete": message.is_complete,
                "tools": [
                    {
                        "name": tool.name and replace_unstorable(tool.name),
                        "call": ToolEvent.create("tool_call", 0, 0, {"arguments": tool.arguments}).data,
                        "result": None
                        if tool.result is None
                        else replace_unstorable(tool.result[: MOST_CHARS + 1]),
                        "at": min(tool.at, limit),
                    }
                    for tool in message.tools
                ],
                "more": message.more,
            },
            default=str,
        )
        if message.files:
            self._file_places[len(self._places)] = self._append(_dump_files(message.files))
        self._places.append(self._append(record))

    def _append(self, record: bytes) -> tuple[int, int]:
        place = (self._file.seek(0, os.SEEK_END), len(record))
        self._file.write(record)
        return place

    def _load(self, place: tuple[int, int]) -> Any:
        self._file.seek(place[0])
        return orjson.loads(self._file.read(place[1]))

    def _read(self, planned: Planned, client_id: uuid.UUID) -> ImportedMessage:
        records = [self._load(self._places[handle]) for handle in planned.handles]
        return make_message(planned, client_id, records)


def _dump_files(files: Sequence[SourceFile]) -> bytes:
    """Files as a record. A key is a name that was found in the archive, or a data URL: it can be stored."""
    return orjson.dumps([{"key": file.key, "name": file.name[:_READ_CHARS]} for file in files])


def make_message(
    planned: Planned, client_id: uuid.UUID, records: Sequence[dict[str, Any]]
) -> ImportedMessage:
    """One stored message of the records of its nodes: texts one after another, calls at their places."""
    content, reasoning = "", ""
    calls = _Calls()
    for record in records:
        begin = len(content) + 2 if content and record["content"] else len(content)
        calls.add(record["tools"], begin, len(reasoning))
        content = "\n\n".join(text for text in (content, record["content"]) if text)
        reasoning = "\n\n".join(text for text in (reasoning, record["reasoning"]) if text)
    calls.end(len(content), len(reasoning))
    if not (content or reasoning or calls.events):
        content = join_texts([fence(text) for text in calls.results_alone])
    last = records[-1]
    fields: dict[str, Any] = {
        "status": "complete" if last["is_complete"] else "interrupted",
        "tool_data": dump_tool_events(calls.events),
        **last["more"],
    }
    return ImportedMessage(
        key=planned.key,
        parent_key=planned.parent,
        client_message_id=client_id,
        role=last["role"],
        content=content,
        reasoning=reasoning or None,
        model=next((record["model"] for record in reversed(records) if record["model"]), None),
        created_at=planned.created_at,
        folded=" ".join(record["folded"] for record in records if record["folded"]),
        **fields,
    )


class _Calls:
    """The tool events of one answer, from the calls and results of its nodes in their order."""

    def __init__(self) -> None:
        self.events: list[ToolEvent] = []
        self.results_alone: list[str] = []
        """Results without a call before them."""
        self._open: list[dict[str, Any]] = []

    def add(self, tools: Sequence[dict[str, Any]], text: int, reasoning: int) -> None:
        """Add the calls of a node; a result ends the first call that is open."""
        for tool in tools:
            at = text + tool["at"]
            if tool["name"] is not None:
                about = {"call_id": f"call_{len(self.events) + 1}", "name": tool["name"], "toolset": ""}
                self._open.append(about)
                data = {**about, "arguments": tool["call"]["arguments"]}
                self.events.append(ToolEvent("tool_call", at, reasoning, data))
            if tool["result"] is None:
                continue
            if not self._open:
                self.results_alone.append(tool["result"])
                continue
            said, is_cut = tool["result"][:MOST_CHARS], len(tool["result"]) > MOST_CHARS
            data = {**self._open.pop(0), "result": said, "truncated": is_cut, "ms": 0}
            self.events.append(ToolEvent("tool_result", at, reasoning, data))

    def end(self, text: int, reasoning: int) -> None:
        """End the calls whose result is not in the file."""
        self.events += interrupt_open_calls(
            self.events, text=text, reasoning=reasoning, code="interrupted", message="the file has no result"
        )


def make_origin(source: str, key: str) -> str:
    """What a conversation of a product is known by."""
    return hashlib.sha256(f"{source}\n{key}".encode("utf-8", "replace")).hexdigest()


def make_message_id(origin: str, key: str) -> uuid.UUID:
    """The id by which a message is known again within its conversation."""
    return uuid.uuid5(_SPACE, f"{origin}\n{key.encode('utf-8', 'replace').decode()}")


def _make_draft(conversation: SourceConversation, tree: Tree, first: str, now: datetime) -> Draft:
    planned = tree.plan()
    newest = max((each.created_at for each in planned), default=now)
    created_at = min(conversation.created_at or min((each.created_at for each in planned), default=now), now)
    title = " ".join(replace_unstorable(conversation.title[:_READ_CHARS]).split())[:_TITLE_CHARS]
    leaf = tree.find(conversation.leaf)
    if leaf is None and planned:
        leaf = _find_newest_leaf(planned)
    return Draft(
        source=conversation.source,
        origin=make_origin(conversation.source, conversation.key),
        own_key=conversation.key,
        title=title or make_title(replace_unstorable(first)),
        created_at=created_at,
        updated_at=max(min(conversation.updated_at or newest, now), created_at),
        model=conversation.model,
        system_prompt=conversation.system_prompt,
        settings=conversation.settings,
        is_archived=conversation.is_archived,
        messages=planned,
        leaf=leaf,
        left=tree.left,
    )


def _find_newest_leaf(planned: Sequence[Planned]) -> str:
    parents = {each.parent for each in planned}
    return next(each.key for each in reversed(planned) if each.key not in parents)
