"""The parts of an answer: one open at a time, nothing lost, whatever order the chunks mix them in."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from app.api.dialects.parts import PartSequencer, Step
from app.core.errors import UpstreamError
from app.providers.joining import ANSWER_CHARS


def text(value: str) -> dict[str, Any]:
    return {"content": value}


def thought(value: str) -> dict[str, Any]:
    return {"content": "", "reasoning_content": value}


def call(index: int, arguments: str = "", name: str | None = None, call_id: str = "") -> dict[str, Any]:
    piece: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if name is not None:
        piece |= {"id": call_id, "function": {"name": name, "arguments": arguments}}
    return {"content": None, "tool_calls": [piece]}


def sequence(deltas: Iterable[dict[str, Any]], used_ids: Iterable[str] = ()) -> list[Step]:
    sequencer = PartSequencer(list(used_ids))
    return [step for delta in deltas for step in sequencer.feed(delta)] + sequencer.finish()


def told(steps: list[Step]) -> list[tuple[str, str, str]]:
    """Kind, id and text of each part, put together of its steps; checks that parts do not overlap."""
    parts: list[tuple[str, str, str]] = []
    opened: Any = None
    for step in steps:
        if step.does == "open":
            assert opened is None
            opened, grown = step.part, ""
        elif step.does == "add":
            assert step.part is opened
            assert step.text
            grown += step.text
        else:
            assert step.part is opened
            assert grown == opened.text
            parts.append((opened.kind, opened.call_id, grown))
            opened = None
    assert opened is None
    return parts


def test_thoughts_then_text_then_calls() -> None:
    deltas = [thought("Let me "), thought("think."), text("No"), text("on."), call(0, "", "f", "c0")]
    deltas += [call(0, '{"a":'), call(0, "1}"), call(1, "{}", "g", "c1")]
    assert told(sequence(deltas)) == [
        ("reasoning", "", "Let me think."),
        ("text", "", "Noon."),
        ("call", "c0", '{"a":1}'),
        ("call", "c1", "{}"),
    ]


def test_each_piece_is_told_when_it_comes() -> None:
    sequencer = PartSequencer()
    assert [step.does for step in sequencer.feed(text("a"))] == ["open", "add"]
    assert [step.text for step in sequencer.feed(text("b"))] == ["b"]
    assert [step.does for step in sequencer.feed(call(0, '{"x":', "f", "c"))] == ["close", "open", "add"]
    assert [step.text for step in sequencer.feed(call(0, "1}"))] == ["1}"]
    assert [step.does for step in sequencer.finish()] == ["close"]


def test_mixed_calls_come_one_after_another() -> None:
    """Both begin, then their arguments alternate: the second waits, and loses nothing."""
    deltas = [call(0, "", "f", "c0"), call(1, "", "g", "c1")]
    for piece in ("{", '"a"', ":1", "}"):
        deltas += [call(0, piece), call(1, piece)]
    assert told(sequence(deltas)) == [("call", "c0", '{"a":1}'), ("call", "c1", '{"a":1}')]


def test_a_whole_call_does_not_hold_up_the_next_one() -> None:
    sequencer = PartSequencer()
    sequencer.feed(call(0, '{"a":{}', "f", "c0"))
    sequencer.feed(call(0, "}"))
    steps = sequencer.feed(call(1, '{"b":', "g", "c1"))
    assert [(step.does, step.part.name) for step in steps] == [("close", "f"), ("open", "g"), ("add", "g")]


def test_text_behind_a_call_comes_behind_it() -> None:
    assert told(sequence([call(0, "{}", "f", "c0"), text("Done."), call(1, "{}", "g", "c1")])) == [
        ("call", "c0", "{}"),
        ("text", "", "Done."),
        ("call", "c1", "{}"),
    ]


def test_white_space_between_other_parts_is_dropped() -> None:
    deltas = [text("\n\n"), thought("Hm."), text("\n\n"), call(0, "{}", "f", "c0"), text("\n")]
    assert [kind for kind, _, _ in told(sequence(deltas))] == ["reasoning", "call"]


def test_white_space_in_front_of_a_word_stays() -> None:
    assert told(sequence([text("\n"), text(" "), text("Hi")])) == [("text", "", "\n Hi")]


def test_an_answer_of_white_space_alone_is_told() -> None:
    assert told(sequence([text(" ")])) == [("text", "", " ")]
    assert sequence([text("")]) == []


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert told(sequence([call(0, "", "f", "c0")])) == [("call", "c0", "{}")]


@pytest.mark.parametrize("given", ["c0", ""])
def test_an_id_is_never_used_twice(given: str) -> None:
    """Some services count calls from 0 in each answer; clients find results by the id."""
    steps = sequence([call(0, "{}", "f", given), call(1, "{}", "f", given)], ["c0", "call", "c0_1"])
    ids = [call_id for _, call_id, _ in told(steps)]
    assert len({*ids, "c0", "call", "c0_1"}) == 5


def test_a_whole_message_is_taken_as_one_delta() -> None:
    calls = [
        {"id": f"c{at}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for at in (0, 1)
    ]
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm", "tool_calls": calls}
    assert [kind for kind, _, _ in told(sequence([message]))] == ["reasoning", "text", "call", "call"]


def test_an_answer_without_end_is_cut_off() -> None:
    sequencer = PartSequencer()
    sequencer.feed(text("x" * ANSWER_CHARS))
    with pytest.raises(UpstreamError, match="is over"):
        sequencer.feed(text("x"))


def test_any_mixture_loses_nothing() -> None:
    """Whatever the order, each kind has all of its text, and each call its arguments."""
    rng = random.Random(7)
    for _ in range(500):
        calls = [json.dumps({"n": "}" * rng.randrange(3), "at": at}) for at in range(rng.randrange(4))]
        queues = [
            [call(at, "", "f", f"c{at}")]
            + [call(at, arguments[i : i + 3]) for i in range(0, len(arguments), 3)]
            for at, arguments in enumerate(calls)
        ]
        queues.append([text(rng.choice(["a", "b ", "c\n"])) for _ in range(rng.randrange(4))])
        queues.append([thought("t") for _ in range(rng.randrange(3))])
        deltas = []
        while queues := [queue for queue in queues if queue]:
            deltas.append(rng.choice(queues).pop(0))
        parts = told(sequence(deltas))
        assert {call_id: said for kind, call_id, said in parts if kind == "call"} == {
            f"c{at}": arguments for at, arguments in enumerate(calls)
        }
        for kind, name in (("text", "content"), ("reasoning", "reasoning_content")):
            wanted = "".join(delta.get(name) or "" for delta in deltas)
            assert "".join(said for each, _, said in parts if each == kind) == wanted
