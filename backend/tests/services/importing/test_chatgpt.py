"""The export of ChatGPT: hidden nodes, branches, and answers of several nodes."""

from app.services.importing.source import Left
from tests.support import exports
from tests.support.exports import T0, make_chatgpt, make_chatgpt_node
from tests.support.imported import at, read_one


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
