"""Exports of other products as they write them, made for tests.

Each maker says in which public source its fields and their forms were read. The words are our own.
"""

import io
import itertools
import json
import random
import zipfile
from typing import Any

T0 = 1_756_000_000
"""The time of the first message (s since 1970)."""


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def make_zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


# -- ChatGPT


def make_chatgpt_node(
    key: str,
    parent: str | None,
    role: str,
    content: dict[str, Any] | str,
    *,
    at: float | None = None,
    children: list[str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """One node of a mapping with a message."""
    about = fields.pop("metadata", {})
    message = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
        "update_time": None,
        "content": {"content_type": "text", "parts": [content]} if isinstance(content, str) else content,
        "status": "finished_successfully",
        "end_turn": None,
        "weight": 1.0,
        "metadata": about,
        "recipient": "all",
        "channel": None,
        **fields,
    }
    return {"id": key, "message": message, "parent": parent, "children": children or []}


def make_chatgpt(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One conversation of `conversations.json`.

    Read in danny-avila/LibreChat, api/server/utils/import/__data__/chatgpt-modern-export.json (the fields of a
    conversation and of a node, `user_editable_context`, `is_visually_hidden_from_conversation`, `default_model_slug`);
    pionxzh/chatgpt-exporter, src/api.ts (the kinds of content, `image_asset_pointer`, `recipient`, `end_turn`);
    mitkury/chatgpt-export-parser, docs/chatgpt-data-export-format, in Markdown (the files of the archive, the root
    without a message, branches by `children`, `current_node`).
    """
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": []}}
    mapping.update({node["id"]: node for node in nodes})
    return {
        "title": "Rolling back",
        "create_time": T0 + 0.25,
        "update_time": T0 + 400.5,
        "mapping": mapping,
        "moderation_results": [],
        "current_node": nodes[-1]["id"] if nodes else "root",
        "conversation_id": "6b0f0d9c-0000-4000-8000-000000000001",
        "is_archived": False,
        "default_model_slug": "gpt-5",
        "id": "6b0f0d9c-0000-4000-8000-000000000001",
        **fields,
    }


def make_chatgpt_turns() -> dict[str, Any]:
    """Hidden context, a branch, thoughts, code that was run, a picture, and an answer in several nodes."""
    context = {
        "content_type": "user_editable_context",
        "user_profile": "An engineer.",
        "user_instructions": "Short.",
    }
    picture = {
        "content_type": "multimodal_text",
        "parts": [
            {
                "content_type": "image_asset_pointer",
                "asset_pointer": "file-service://file-1",
                "width": 2,
                "height": 2,
            },
            "What is this?",
        ],
    }
    thoughts = {
        "content_type": "thoughts",
        "thoughts": [{"summary": "Look", "content": "It may be a graph.", "chunks": [], "finished": True}],
    }
    recap = {"content_type": "reasoning_recap", "content": "Thought for 4 seconds"}
    code = {"content_type": "code", "language": "unknown", "text": "print(6 * 7)"}
    output = {"content_type": "execution_output", "text": "42"}
    node = make_chatgpt_node
    model = {"model_slug": "o4-mini"}
    return make_chatgpt(
        node("context", "root", "user", context, metadata={"is_visually_hidden_from_conversation": True}),
        node("system", "context", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        node("q1", "system", "user", "How do I roll back?", at=T0 + 1),
        node("a1", "q1", "assistant", "Use `helm rollback`.", at=T0 + 2, end_turn=True, metadata=model),
        node(
            "a1b",
            "q1",
            "assistant",
            "Restore a backup.",
            at=T0 + 3,
            end_turn=True,
            metadata={"model_slug": "gpt-5"},
        ),
        node("q2", "a1b", "user", picture, at=T0 + 4),
        node("t2", "q2", "assistant", thoughts, at=T0 + 5, metadata=model, end_turn=False),
        node("c2", "t2", "assistant", code, at=T0 + 6, recipient="python", metadata=model, end_turn=False),
        node("o2", "c2", "tool", output, at=T0 + 7),
        node("r2", "o2", "assistant", recap, at=T0 + 8, metadata=model, end_turn=False),
        node("a2", "r2", "assistant", "It is **42**.", at=T0 + 9, end_turn=True, metadata=model),
    )


# -- Claude


def make_claude(**fields: Any) -> dict[str, Any]:
    """One conversation of `conversations.json`.

    Read in jmorenobl/claude-conversation-extractor, src/claude_conversation_extractor/models.py (the fields of a
    conversation, a message and a block); Sinity/polylogue, docs/providers/claude-ai, in Markdown (the blocks `text`,
    `tool_use`, `tool_result`, the lists `attachments` and `files`); nicepkg/chat2poster,
    packages/core-adapters/src/adapters/claude/shared/types.ts (`parent_message_uuid`, `current_leaf_message_uuid`).
    """
    return {
        "uuid": "0f8a2c3e-0000-4000-8000-00000000000a",
        "name": "A letter",
        "summary": "",
        "created_at": "2025-08-24T01:46:40.250000Z",
        "updated_at": "2025-08-24T01:50:00.000000Z",
        "account": {"uuid": "a-1"},
        "chat_messages": [
            {
                "uuid": "m1",
                "text": "Read this.",
                "content": [{"type": "text", "text": "Read this.", "citations": []}],
                "sender": "human",
                "created_at": "2025-08-24T01:46:41.000000Z",
                "updated_at": "2025-08-24T01:46:41.000000Z",
                "attachments": [
                    {
                        "file_name": "notes.txt",
                        "file_size": 12,
                        "file_type": "txt",
                        "extracted_content": "Dear Ana,\nthe bridge is closed.",
                    }
                ],
                "files": [{"file_name": "photo.jpg"}],
            },
            {
                "uuid": "m2",
                "text": "",
                "content": [
                    {"type": "thinking", "thinking": "A bridge, a letter."},
                    {"type": "text", "text": "I look it up."},
                    {"type": "tool_use", "name": "web_search", "input": {"query": "bridge"}},
                    {
                        "type": "tool_result",
                        "name": "web_search",
                        "content": [{"type": "text", "text": "closed"}],
                    },
                    {"type": "text", "text": "It is closed."},
                ],
                "sender": "assistant",
                "created_at": "2025-08-24T01:46:45.000000Z",
                "updated_at": "2025-08-24T01:46:45.000000Z",
                "attachments": [],
                "files": [],
            },
        ],
        **fields,
    }


# -- Open WebUI


def make_open_webui(**fields: Any) -> dict[str, Any]:
    """One chat of the list that "Export chats" saves.

    Read in open-webui/open-webui, src/lib/components/chat/Settings/DataControls.svelte (the file is the list of all
    chats), backend/open_webui/models/chats.py (the fields of a chat), src/lib/utils/index.ts (`history`, `parentId`,
    `childrenIds`, `currentId`); danny-avila/LibreChat, api/server/utils/import/__data__/openwebui-export.json (the
    items of `output`, and blocks of thoughts in a text).
    """
    messages = {
        "u1": {"role": "user", "content": "What is 15 * 17?", "timestamp": T0},
        "a1": {
            "role": "assistant",
            "model": "deepseek-r1",
            "timestamp": T0 + 10,
            "done": True,
            "content": '<details type="reasoning" done="true" duration="3"><summary>Thought for 3 seconds</summary>\n'
            "&gt; 150 + 105\n</details>\n255",
        },
        "a2": {
            "role": "assistant",
            "model": "llama3.1:latest",
            "timestamp": T0 + 20,
            "done": True,
            "content": '<details type="tool_calls"><summary>Tool Executed</summary>"255"</details>It is 255.',
            "output": [
                {"type": "reasoning", "content": [{"type": "output_text", "text": "Use the tool."}]},
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "multiply",
                    "arguments": '{"a": 15, "b": 17}',
                },
                {
                    "type": "function_call_output",
                    "call_id": "c1",
                    "output": [{"type": "input_text", "text": "255"}],
                },
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "It is 255."}],
                },
            ],
        },
        "u2": {
            "role": "user",
            "content": "And this?",
            "timestamp": T0 + 30,
            "files": [{"type": "image", "url": "data:image/png;base64,AAAA"}],
        },
    }
    parents = {"u1": None, "a1": "u1", "a2": "u1", "u2": "a2"}
    for key, message in messages.items():
        children = [child for child, parent in parents.items() if parent == key]
        message.update({"id": key, "parentId": parents[key], "childrenIds": children})
    return {
        "id": "chat-1",
        "user_id": "u",
        "title": "Sums",
        "chat": {
            "title": "Sums",
            "models": ["deepseek-r1", "llama3.1:latest"],
            "params": {"system": "Count well."},
            "history": {"currentId": "a1", "messages": messages},
        },
        "created_at": T0,
        "updated_at": T0 + 30,
        "share_id": None,
        "archived": True,
        "pinned": False,
        "meta": {},
        "folder_id": None,
        **fields,
    }


# -- LibreChat


def make_librechat_message(
    key: str, parent: str | None, by_user: bool, text: str, **fields: Any
) -> dict[str, Any]:
    """One message of an export of LibreChat."""
    return {
        "messageId": key,
        "conversationId": "lc-1",
        "createdAt": f"2024-05-28T18:08:{len(key):02d}.014Z",
        "endpoint": "openAI",
        "error": False,
        "isCreatedByUser": by_user,
        "model": None if by_user else "gpt-4o",
        "parentMessageId": parent or "00000000-0000-0000-0000-000000000000",
        "sender": "User" if by_user else "GPT-4",
        "text": text,
        "unfinished": False,
        **fields,
    }


def make_librechat(*, recursive: bool) -> dict[str, Any]:
    """The export of one conversation, as a list with `parentMessageId`, or with messages within messages.

    Read in danny-avila/LibreChat, client/src/hooks/Conversations/useExportConversation.ts (`messages` or
    `messagesTree`, `options`), api/server/utils/import/__data__/librechat-opts-nonr-branches.json and
    librechat-export.json (the fields of a message), packages/data-provider/src/types/assistants.ts (the parts of a
    content).
    """
    parts = [
        {"type": "think", "think": "A tale."},
        {
            "type": "tool_call",
            "tool_call": {"id": "c", "name": "pick", "args": '{"n": 1}', "output": "a dragon"},
        },
        {"type": "text", "text": {"value": "Once there was a dragon."}},
    ]
    messages = [
        make_librechat_message("m", None, True, "Tell me a story"),
        make_librechat_message("mm", "m", False, "Once upon", unfinished=True),
        make_librechat_message("mmm", "m", False, "", content=parts),
        make_librechat_message("mmmm", "mmm", True, "Go on"),
    ]
    about = {
        "conversationId": "lc-1",
        "endpoint": "openAI",
        "title": "A story",
        "exportAt": "08:12:16 GMT-0400 (Eastern Daylight Time)",
        "branches": True,
        "recursive": recursive,
        "options": {"model": "gpt-4o", "promptPrefix": "Tell it briefly."},
    }
    if not recursive:
        return {**about, "messages": messages}
    for message in messages:
        message["children"] = [each for each in messages if each["parentMessageId"] == message["messageId"]]
    return {**about, "messagesTree": messages[:1]}


# -- Chatbot UI


def make_chatbot_ui() -> dict[str, Any]:
    """The export of Chatbot UI's version 1.

    Read in danny-avila/LibreChat, api/server/utils/import/__data__/chatbotui-export.json.
    """
    return {
        "version": 4,
        "history": [
            {
                "id": "cb-1",
                "name": "What can you do?",
                "messages": [
                    {"role": "user", "type": "text", "content": "What can you do?"},
                    {"role": "assistant", "type": "text", "content": "Many things."},
                ],
                "model": {"id": "gpt-4-1106-preview", "name": "GPT-4 Turbo", "maxLength": 1, "tokenLimit": 1},
                "prompt": "Be kind.",
                "temperature": 1,
                "folderId": None,
            }
        ],
        "folders": [],
        "prompts": [],
    }


# -- large files

_WORDS = [
    "the",
    "bridge",
    "was",
    "closed",
    "when",
    "we",
    "came",
    "and",
    "nobody",
    "knew",
    "why",
    "so",
    "we",
    "went",
    "on",
    "along",
    "the",
    "river",
]


def make_large_chatgpt(chance: random.Random, size_bytes: int, *, messages: int) -> bytes:
    """An export of ChatGPT of about this size, whose conversations have so many messages each."""
    pieces: list[bytes] = []
    written = 0
    per_message = 1500 if messages < 1000 else max(size_bytes // messages - 450, 200)
    while written < size_bytes * 0.9:
        nodes = [
            make_chatgpt_node(
                f"{chance.getrandbits(128):032x}",
                None,
                "assistant" if n % 2 else "user",
                " ".join(chance.choices(_WORDS, k=max(per_message // 5, 1)))
                + '\n\n"Said" she — *and* left.\n',
                at=T0 + n,
                end_turn=True if n % 2 else None,
            )
            for n in range(messages)
        ]
        for before, node in itertools.pairwise(nodes):
            node["parent"] = before["id"]
        id_ = f"{chance.getrandbits(128):032x}"
        pieces.append(
            dump(make_chatgpt(*nodes, id=id_, conversation_id=id_, title=f"Conversation {len(pieces)}"))
        )
        written += len(pieces[-1])
    return b"[" + b",".join(pieces) + b"]"
