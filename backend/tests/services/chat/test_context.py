"""What of a conversation a model is sent."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from app.services.chat.context import build_context, estimate_tokens
from app.storage.messages import Message, Role
from app.utils.ids import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(role: Role, content: str) -> Message:
    return Message(
        id=new_id(),
        conversation_id=new_id(),
        parent_id=None,
        role=role,
        content=content,
        reasoning=None,
        status="complete",
        model=None,
        provider=None,
        finish_reason=None,
        usage=None,
        error=None,
        tool_data=None,
        created_at=NOW,
        updated_at=NOW,
    )


def sent(*messages: tuple[Role, str], system: str = "", last: int = 10, budget: int = 8000) -> list[str]:
    made = build_context([said(*each) for each in messages], system, last=last, budget_tokens=budget)
    return [f"{message['role'][0]}:{message['content']}" for message in made]


def test_all_that_fits_is_sent_in_order() -> None:
    assert sent(("user", "a"), ("assistant", "b"), ("user", "c"), system="s") == ["s:s", "u:a", "a:b", "u:c"]


def test_only_the_last_messages_are_sent() -> None:
    assert sent(("user", "a"), ("assistant", "b"), ("user", "c"), last=1) == ["u:c"]


def test_the_first_message_is_never_an_answer() -> None:
    assert sent(("user", "a"), ("assistant", "b"), ("user", "c"), last=2) == ["u:c"]


def test_the_budget_leaves_the_oldest_out() -> None:
    """Each of these messages costs 4 and 10 tokens."""
    turns: list[tuple[Role, str]] = [("user", "a" * 40), ("assistant", "b" * 40), ("user", "c" * 40)]
    assert len(sent(*turns, budget=42)) == 3
    assert len(sent(*turns, budget=41)) == 1
    assert len(sent(*turns, system="s" * 40, budget=56)) == 4
    assert len(sent(*turns, system="s" * 40, budget=55)) == 2


def test_what_must_be_sent_is_sent_whole_whatever_it_costs() -> None:
    assert sent(("user", "a"), ("user", "x" * 9000), system="s" * 9000, budget=256) == [
        "s:" + "s" * 9000,
        "u:" + "x" * 9000,
    ]


def test_answers_that_came_to_nothing_are_left_out() -> None:
    assert sent(("user", "a"), ("assistant", " "), ("user", "b")) == ["u:a\n\nb"]


def test_other_alphabets_cost_more() -> None:
    assert estimate_tokens("word" * 10) == 14
    assert estimate_tokens("字" * 40) == 34


roles = st.sampled_from(get_args(Role))
texts_of_one_part = st.text(
    st.characters(exclude_characters="\n"), max_size=60
)  # parts are joined by newlines


@given(st.lists(st.tuples(roles, texts_of_one_part), max_size=20), st.integers(1, 12), st.integers(1, 100))
def test_the_rules_hold_for_any_conversation(
    messages: list[tuple[Role, str]], last: int, budget: int
) -> None:
    branch = [said(*each) for each in [*messages, ("user", "the question")]]
    made = build_context(branch, "system", last=last, budget_tokens=budget)
    assert made[0] == {"role": "system", "content": "system"}
    assert made[-1]["content"].endswith("the question")
    assert made[1]["role"] != "assistant"
    assert all(one["role"] != other["role"] for one, other in pairwise(made))
    parts = [part for message in made[1:] for part in message["content"].split("\n\n")]
    texts = "\n\n".join(message.content for message in branch).split("\n\n")
    assert all(part in texts for part in parts)
    assert sum(len(part) for part in parts) <= sum(len(text) for text in texts)
