"""Messages as they are stored: tools at their places, calls without an end, results without a call, known ids."""

from app.services.importing.draft import make_message_id, make_origin
from tests.support.exports import T0, make_chatgpt, make_chatgpt_node
from tests.support.imported import read_one


def call(key: str, parent: str, text: str, at: float) -> dict[str, object]:
    code = {"content_type": "code", "language": "unknown", "text": text}
    return make_chatgpt_node(key, parent, "assistant", code, at=at, recipient="python")


def test_calls_stand_where_they_were_made() -> None:
    found = read_one(
        make_chatgpt(
            make_chatgpt_node("q", "root", "user", "Count", at=T0),
            make_chatgpt_node("a", "q", "assistant", "I count.", at=T0 + 1),
            call("c1", "a", "1", T0 + 2),
            make_chatgpt_node(
                "o1", "c1", "tool", {"content_type": "execution_output", "text": "one"}, at=T0 + 3
            ),
            call("c2", "o1", "2", T0 + 4),
            make_chatgpt_node("z", "c2", "assistant", "Done.", at=T0 + 5, end_turn=True),
        )
    )
    assert found.by_key["a"].content == "I count.\n\nDone."
    events = [(each["event"], each["text"], each["data"]["call_id"]) for each in found.tools["a"]]
    assert events == [
        ("tool_call", 8, "call_1"),
        ("tool_result", 8, "call_1"),
        ("tool_call", 8, "call_3"),
        ("tool_error", 15, "call_3"),
    ]
    assert found.tools["a"][3]["data"]["code"] == "interrupted"


def test_a_result_without_its_call_is_a_text() -> None:
    output = {"content_type": "execution_output", "text": "42"}
    found = read_one(
        make_chatgpt(
            make_chatgpt_node("q", "root", "user", "Count", at=T0),
            make_chatgpt_node("o", "q", "tool", output, at=T0 + 1),
        )
    )
    assert (found.by_key["o"].role, found.by_key["o"].content) == ("assistant", "```\n42\n```")


def test_a_conversation_without_a_title_gets_one_from_its_first_question() -> None:
    found = read_one(make_chatgpt(make_chatgpt_node("q", "root", "user", "# How are *you*?"), title=None))
    assert found.draft.title == "How are you?"


def test_ids_are_the_same_at_each_import_and_differ_between_conversations() -> None:
    one, two = make_origin("chatgpt", "1"), make_origin("claude", "1")
    assert len(one) == 64
    assert one != two
    assert make_message_id(one, "a") == make_message_id(one, "a")
    assert make_message_id(one, "a") != make_message_id(two, "a")
    assert make_message_id(one, "\ud800")
