"""The export of Claude: blocks, texts of attached files, and the tree of newer exports."""

from app.services.importing.source import Left
from tests.support import exports
from tests.support.imported import read_one


def test_claude() -> None:
    found = read_one([exports.make_claude()])
    assert (found.draft.source, found.draft.title) == ("claude", "A letter")
    assert found.read("parent_key") == {"m1": None, "m2": "m1"}
    assert (
        found.by_key["m1"].content == "Read this.\n\nnotes.txt:\n\n```\nDear Ana,\nthe bridge is closed.\n```"
    )
    answer = found.by_key["m2"]
    assert (answer.content, answer.reasoning) == ("I look it up.\n\nIt is closed.", "A bridge, a letter.")
    assert [(each["event"], each["text"]) for each in found.tools[answer.key]] == [
        ("tool_call", 13),
        ("tool_result", 13),
    ]
    assert found.tools[answer.key][1]["data"]["result"] == "closed"
    assert found.draft.left == {Left.IMAGE: 1}


def test_claude_with_branches() -> None:
    """Newer exports have a tree: what follows the root of all is no orphan."""
    said = exports.make_claude()
    first, second = said["chat_messages"]
    first["parent_message_uuid"] = "00000000-0000-4000-8000-000000000000"
    second["parent_message_uuid"] = "m1"
    other = {**second, "uuid": "m3", "created_at": "2025-08-24T01:47:00Z"}
    found = read_one([{**said, "chat_messages": [first, second, other], "current_leaf_message_uuid": "m2"}])
    assert found.read("parent_key") == {"m1": None, "m2": "m1", "m3": "m1"}
    assert found.draft.leaf == "m2"
    assert found.draft.left == {Left.IMAGE: 1}
