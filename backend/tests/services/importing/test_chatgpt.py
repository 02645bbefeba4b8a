"""The export of ChatGPT: hidden nodes, branches, and answers of several nodes."""

from typing import Any

from app.services.importing.reading import LeftOut
from app.services.importing.source import Left
from tests.support import exports
from tests.support.exports import T0, dump, make_chatgpt, make_chatgpt_node, make_zip
from tests.support.imported import Found, at, read_all, read_one


def test_chatgpt() -> None:
    found = read_one([exports.make_chatgpt_turns()])
    assert (found.draft.source, found.draft.title) == ("chatgpt", "Rolling back")
    assert (found.draft.created_at, found.draft.updated_at) == (at(0.25), at(400.5))
    assert found.read("parent_key") == {"q1": None, "a1": "q1", "a1b": "q1", "q2": "a1b", "t2": "q2"}
    assert found.read("role") == {
        "q1": "user",
        "a1": "assistant",
        "a1b": "assistant",
        "q2": "user",
        "t2": "assistant",
    }
    assert found.read("model") == {"q1": None, "a1": "o4-mini", "a1b": "gpt-5", "q2": None, "t2": "o4-mini"}
    assert found.by_key["a1"].created_at == at(2)
    assert found.by_key["q2"].content == "What is this?"
    answer = found.by_key["t2"]
    assert answer.content == "It is **42**."
    assert answer.reasoning == "It may be a graph.\n\nThought for 4 seconds"
    assert [
        (each["event"], each["data"].get("arguments"), each["data"].get("result"))
        for each in found.tools[answer.key]
    ] == [
        ("tool_call", {"code": "print(6 * 7)"}, None),
        ("tool_result", None, "42"),
    ]
    assert found.draft.leaf == "t2"
    assert found.draft.left == {Left.IMAGE: 1}


def test_an_answer_of_several_nodes_that_is_cut_off_by_a_branch_stays_apart() -> None:
    """Two answers after the same thoughts: none of both takes them."""
    thoughts = {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}
    found = read_one(
        make_chatgpt(
            make_chatgpt_node("q", "root", "user", "Hello", at=T0),
            make_chatgpt_node("t", "q", "assistant", thoughts, at=T0 + 1),
            make_chatgpt_node("a", "t", "assistant", "One", at=T0 + 2, end_turn=True),
            make_chatgpt_node("b", "t", "assistant", "Two", at=T0 + 3, end_turn=True),
        )
    )
    assert found.read("parent_key") == {"q": None, "t": "q", "a": "t", "b": "t"}
    assert found.by_key["t"].reasoning == "hm"


def test_roles_kinds_and_sizes_that_are_not_known() -> None:
    found = read_one(
        make_chatgpt(
            make_chatgpt_node("q", "root", "user", "x" * 10_001),
            make_chatgpt_node("r", "q", "critic", "Hm"),
            make_chatgpt_node("s", "r", "assistant", {"content_type": "hologram"}),
            make_chatgpt_node("t", "s", "assistant", "After"),
        )
    )
    assert found.read("parent_key") == {"q": None, "t": "q"}
    assert len(found.by_key["q"].content) == 10_000
    assert found.draft.left == {Left.CUT: 1, Left.UNKNOWN_ROLE: 1, Left.UNKNOWN_CONTENT: 1}


PICTURE_ID, FILE_ID = f"file_{'0a1b' * 8}", f"file-Ab1{'x' * 20}"


def make_upload(**fields: Any) -> dict[str, Any]:
    """A message of a picture and a document alone.

    The names in the archive: Superkikim/nexus-ai-chat-importer, issue 62 (`file-….dat` beside
    `conversation_asset_file_names.json`); atomantic/PortOS, pull request 1264 (the pointers `file-service://`,
    `sediment://` and ids in `attachments`).
    """
    picture = {"content_type": "image_asset_pointer", "asset_pointer": f"sediment://{PICTURE_ID}"}
    attached = [
        {"id": PICTURE_ID, "name": "photo.png", "mime_type": "image/png"},
        {"id": FILE_ID, "name": "report.pdf", "mime_type": "application/pdf"},
    ]
    content = {"content_type": "multimodal_text", "parts": [picture, ""]}
    node = make_chatgpt_node("q", "root", "user", content, metadata={"attachments": attached}, **fields)
    return make_chatgpt(node, title="")


def test_uploaded_files_are_found_by_their_ids() -> None:
    """A message of files alone is one where they are there. An uploaded file that is JSON is no conversation."""
    content = {
        "conversations.json": dump([make_upload()]),
        f"user-1/{PICTURE_ID}-sanitized.png": b"picture",
        f"{FILE_ID}.dat": dump([exports.make_claude()]),
        "file-other.dat": b"nobody has it",
    }
    left, (found,) = read_all(make_zip(content))
    assert isinstance(found, Found)
    assert found.files == {"q": [(PICTURE_ID, "photo.png"), (FILE_ID, "report.pdf")]}
    assert (found.read("content"), found.draft.title) == ({"q": ""}, "photo.png")
    assert left == {Left.OTHER_FILE: 1}


def test_without_its_files_a_message_of_files_alone_is_told() -> None:
    _, found = read_all(dump([make_upload()]))
    assert found == [LeftOut(Left.NO_MESSAGES, "", "chatgpt")]
