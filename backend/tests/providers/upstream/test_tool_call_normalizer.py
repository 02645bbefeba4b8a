"""The tool-call normalizer: each call has one index, one id and one name, however its pieces come."""

from typing import Any

import pytest

from app.providers.upstream.chunk_normalizer import normalize_completion
from app.providers.upstream.tool_call_normalizer import (
    ToolCallNormalizer,
    TooManyToolCalls,
    encode_arguments,
    normalize_tool_calls,
)
from tests.support.upstream_chat import join_tool_calls, list_finish_reasons, make_chunk, normalize_chunks


def called(*deltas: Any) -> list[tuple[str, str, str]]:
    return join_tool_calls(normalize_chunks(*(make_chunk({"tool_calls": delta}) for delta in deltas)))


def fn(arguments: Any = "", name: Any = None, **fields: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **fields}


def test_pieces_without_index_go_to_the_last_call() -> None:
    found = called([fn("{", "f", id="1")], [fn("}")], [fn("[", "g", id="2")], [fn("]")])
    assert found == [("1", "f", "{}"), ("2", "g", "[]")]


def test_pieces_without_index_are_joined_by_id() -> None:
    found = called([fn("{", "f", id="1"), fn("[", "g", id="2")], [fn("}", id="1")], [fn("]", id="2")])
    assert found == [("1", "f", "{}"), ("2", "g", "[]")]


def test_ids_that_change_in_mid_call_are_one_call() -> None:
    assert called([fn("{", "f", id="1", index=0)], [fn("}", id="2", index=0)]) == [("1", "f", "{}")]


def test_arguments_before_the_name_are_held() -> None:
    assert called([fn('{"a"', "", id="1", index=0)], [fn(":1}", "f", index=0)]) == [("1", "f", '{"a":1}')]


def test_a_name_in_every_piece_is_told_once() -> None:
    assert called([fn("{", "f", id="1", index=0)], [fn("}", "f", id="1", index=0)]) == [("1", "f", "{}")]


def test_a_name_in_every_piece_without_an_index_is_one_call() -> None:
    found = called([fn('{"a"', "f")], [fn(":", "f")], [fn("1}", "f")], [fn("", "f")])
    assert [(name, arguments) for _, name, arguments in found] == [("f", '{"a":1}')]
    text = '{"a": "}\\"}", "b": [{}]}'
    found = called(*([fn(char, "f")] for char in text))
    assert [(name, arguments) for _, name, arguments in found] == [("f", text)]


@pytest.mark.parametrize("head", ["", "{}"])
def test_calls_of_one_name_without_an_index_stay_two(head: str) -> None:
    """The arguments of the first are whole when the second begins."""
    deltas = [[fn('{"a":1}', "f")], [fn(head, "f")], *([] if head else [[fn("{}")]])]
    assert [(name, arguments) for _, name, arguments in called(*deltas)] == [("f", '{"a":1}'), ("f", "{}")]


def test_pieces_whose_ids_change_and_that_have_no_index_are_one_call() -> None:
    assert called([fn("{", "f", id="1")], [fn('"a":', id="2")], [fn("1}", id="3")]) == [("1", "f", '{"a":1}')]


@pytest.mark.parametrize(("given", "told"), [(None, ""), ({"a": 1}, '{"a":1}'), ([], "[]"), (7, "")])
def test_arguments_are_text(given: Any, told: str) -> None:
    assert called([fn(given, "f", id="1", index=0)])[0][2] == told


def test_a_call_without_an_id_gets_one() -> None:
    ((identity, name, _),) = called([fn("{}", "f")])
    assert (identity[:5], name) == ("call_", "f")


def test_a_call_whose_name_never_comes_is_no_call() -> None:
    found = normalize_chunks(
        make_chunk({"tool_calls": [fn("{}", "", id="1", index=0)]}), make_chunk({}, "tool_calls")
    )
    assert (join_tool_calls(found), list_finish_reasons(found)) == ([], ["stop"])


@pytest.mark.parametrize("nothing", [None, [], {}, "x", [None], [{"index": 0, "function": None}]])
def test_no_calls_are_no_key(nothing: Any) -> None:
    assert all(
        "tool_calls" not in c["choices"][0]["delta"]
        for c in normalize_chunks(make_chunk({"tool_calls": nothing}))
    )


def test_custom_tools_pass() -> None:
    custom = {"index": 0, "id": "1", "type": "custom", "custom": {"name": "sql", "input": "select"}}
    assert ToolCallNormalizer().normalize([custom]) == [custom]


def test_calls_are_bounded() -> None:
    with pytest.raises(TooManyToolCalls):
        ToolCallNormalizer().normalize([fn("{}", "f", id=str(n)) for n in range(1000)])
    with pytest.raises(TooManyToolCalls):
        ToolCallNormalizer().normalize([fn("x" * (2 << 20), "", id="1")])


def test_parallel_calls_with_one_id_stay_two() -> None:
    made = [fn("{}", name, id="call_0") for name in ("f", "g")]
    whole = normalize_completion({"choices": [{"message": {"tool_calls": made}}]}, "m")
    assert [call["function"]["name"] for call in whole["choices"][0]["message"]["tool_calls"]] == ["f", "g"]


def test_whole_calls_without_a_name_are_left_out() -> None:
    (call,) = normalize_tool_calls([fn("{}", ""), fn({"a": 1}, "f", id="1", index=5), None])
    assert call == {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert normalize_tool_calls("nonsense") == []


@pytest.mark.parametrize(("given", "text"), [("{", "{"), ({"a": [1]}, '{"a":[1]}'), (None, ""), (7, "")])
def test_arguments_are_encoded_once(given: Any, text: str) -> None:
    assert encode_arguments(given) == text
