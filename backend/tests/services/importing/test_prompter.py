"""Our own export: everything comes back, and a file that only claims to be one does no harm."""

from typing import Any

from app.services.importing.source import Left
from tests.support.imported import NOW, read_one

ID = "0197a3b2-5c1d-7e8f-9a0b-1c2d3e4f5a6b"


def make_export(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    about = {
        "id": ID,
        "title": "Mine",
        "model": "echo",
        "settings": {},
        "created_at": "2026-01-01T00:00:00Z",
        **fields,
    }
    return {
        "format": "prompter.conversation",
        "version": 1,
        "conversation": about,
        "messages": list(messages),
    }


def make_stored(id_: str, parent: str | None, role: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "parent_id": parent, "role": role, "content": id_, "status": "complete", **fields}


def test_what_is_stored_comes_back() -> None:
    event = {
        "event": "tool_call",
        "text": 0,
        "reasoning": 0,
        "data": {"call_id": "c", "name": "now", "arguments": {}},
    }
    failed = {"code": "upstream_error", "message": "it broke off"}
    found = read_one(
        make_export(
            make_stored("a", None, "user"),
            make_stored("b", "a", "assistant", status="failed", content="", error=failed, provider="p"),
            make_stored("c", "a", "assistant", tool_data=[event], usage={"total_tokens": 7}, reasoning="hm"),
            settings={"temperature": 0.5, "unknown": 1},
            archived_at="2026-02-01T00:00:00Z",
            active_leaf_id="b",
        )
    )
    assert (found.draft.own_key, found.draft.model, found.draft.is_archived) == (ID, "echo", True)
    assert found.draft.settings == {"temperature": 0.5}
    assert found.draft.leaf == "b"
    assert found.by_key["b"].error == failed
    assert (found.by_key["b"].status, found.by_key["b"].content, found.by_key["b"].provider) == (
        "failed",
        "",
        "p",
    )
    assert found.tools["c"] == [event]
    assert (found.by_key["c"].usage, found.by_key["c"].reasoning) == ({"total_tokens": 7}, "hm")


def test_fields_of_another_kind_are_left_away() -> None:
    found = read_one(
        make_export(
            make_stored(
                "a", None, "user", status="streaming", error="no", usage=[1], tool_data={"x": 1}, model=7
            ),
            make_stored("b", "a", "tool"),
            make_stored(
                "c", "b", "assistant", attachments=[{"name": "photo.png"}], created_at="9999-01-01T00:00:00Z"
            ),
            settings={"temperature": "hot", "top_p": True},
            model=["echo"],
        )
    )
    first = found.by_key["a"]
    assert (first.status, first.error, first.usage, first.tool_data, first.model) == (
        "interrupted",
        *[None] * 4,
    )
    assert found.read("parent_key") == {"a": None, "c": "a"}
    assert found.by_key["c"].created_at == NOW
    assert (found.draft.settings, found.draft.model) == ({}, None)
    assert found.draft.left == {Left.UNKNOWN_ROLE: 1, Left.FILE: 1, Left.FUTURE_DATE: 1}


def test_an_item_of_an_export_of_several_names_no_format() -> None:
    said = make_export(make_stored("a", None, "user"))
    del said["format"]
    found = read_one({"format": "prompter.conversations", "version": 1, "conversations": [said]})
    assert (found.draft.source, found.draft.own_key) == ("prompter", ID)
