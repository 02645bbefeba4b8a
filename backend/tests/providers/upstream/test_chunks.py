"""The canonical form of chunks and answers: pure, for any cut and any nonsense."""

import copy
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.providers.upstream.chunks import ChunkNormalizer, NoAnswer, normalize_completion
from app.providers.upstream.codec import SseDecoder
from app.providers.upstream.fields import AnswerFailed, ToolCallNormalizer, TooManyToolCalls, normalize_usage
from tests.support.chat import assert_canonical, calls, reasons, text


def canonical(*chunks: Any) -> list[dict[str, Any]]:
    """All that an answer of these chunks gives, its end included."""
    answer = ChunkNormalizer("tiny")
    taken = [answer.normalize(copy.deepcopy(chunk)) for chunk in chunks]
    found = [chunk for chunk in taken if chunk is not None] + answer.finish()
    assert_canonical(found, whole=True)
    return found


def choice(delta: Any, finish_reason: Any = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": finish_reason, **fields}]}


def test_a_plain_chunk_passes_as_it_is() -> None:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": []}, "finish_reason": None}
        ],
        "x_more": [1],
    }
    first, second, _ = canonical(chunk, chunk)
    assert second == chunk
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "Hi"}


def test_what_the_first_chunk_says_of_the_answer_holds_for_all() -> None:
    found = canonical(
        {"id": "a", "created": 7, "model": "x"} | choice({"content": "1"}), {"id": "b"} | choice({})
    )
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in found} == {("a", 7, "x")}


def test_a_stream_without_names_gets_them() -> None:
    first = canonical(choice({"content": "Hi"}))[0]
    assert first["id"].startswith("chatcmpl-")
    assert first["model"] == "tiny"
    assert abs(first["created"] - time.time()) < 5


def test_nothing_at_all_is_an_empty_answer() -> None:
    (only,) = canonical()
    assert only["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    ]


@pytest.mark.parametrize("role", ["assistant", "", None, "model", "tool"])
def test_the_role_is_said_once_and_right(role: Any) -> None:
    found = canonical(choice({"role": role, "content": "a"}), choice({"role": role, "content": "b"}))
    assert text(found, "role") == "assistant"


def test_choices_are_kept_apart() -> None:
    found = canonical(
        {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "length"}]},
        {"choices": [{"index": 0, "delta": {"content": "A"}, "finish_reason": "stop"}]},
    )
    assert (text(found), text(found, index=1), reasons(found)) == ("aA", "bB", ["stop", "length"])


def test_finished_only_when_all_choices_are() -> None:
    answer = ChunkNormalizer("tiny")
    answer.normalize({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    assert answer.is_finished
    answer.normalize({"choices": [{"index": 1, "delta": {"content": "b"}}]})
    assert not answer.is_finished


def test_unknown_fields_of_every_level_survive() -> None:
    delta = {"content": "Hi", "annotations": [{"type": "url_citation"}], "extra_content": {"google": {}}}
    found = canonical(choice(delta, None, content_filter_results={}) | {"x_groq": {"id": "r"}})
    assert found[0]["x_groq"] == {"id": "r"}
    assert found[0]["choices"][0]["content_filter_results"] == {}
    assert found[0]["choices"][0]["delta"].items() >= delta.items()


def test_what_stands_in_the_closing_chunk_survives() -> None:
    found = canonical(choice({"content": "Hi"}), choice({}, "stop", stop_reason=7) | {"timings": {"n": 1}})
    assert (found[-1]["timings"], found[-1]["choices"][0]["stop_reason"]) == ({"n": 1}, 7)


def test_the_last_text_and_the_end_in_one_chunk() -> None:
    found = canonical(choice({"content": "Hi"}), choice({"content": " you"}, "length"))
    assert (text(found), reasons(found)) == ("Hi you", ["length"])


def test_a_better_reason_is_not_replaced_by_stop() -> None:
    found = canonical(choice({"content": "a"}, "content_filter"), choice({}, "stop"))
    assert reasons(found) == ["content_filter"]


@pytest.mark.parametrize("reason", ["error", "network_error"])
def test_a_reason_that_is_a_failure_raises(reason: str) -> None:
    with pytest.raises(AnswerFailed, match="GPU on fire"):
        ChunkNormalizer("m").normalize(choice({}, reason, error={"message": "GPU on fire"}))


def test_chunks_that_say_nothing_are_left_out() -> None:
    answer = ChunkNormalizer("m")
    assert answer.normalize({"choices": []}) is None
    assert answer.normalize({"choices": None, "usage": None}) is None
    assert answer.normalize({"choices": [], "prompt_filter_results": [1]}) is not None


# -- tool calls ------------------------------------------------------------------------------------------------------


def called(*deltas: Any) -> list[tuple[str, str, str]]:
    return calls(canonical(*(choice({"tool_calls": delta}) for delta in deltas)))


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


@pytest.mark.parametrize(("given", "told"), [(None, ""), ({"a": 1}, '{"a":1}'), ([], "[]"), (7, "")])
def test_arguments_are_text(given: Any, told: str) -> None:
    assert called([fn(given, "f", id="1", index=0)])[0][2] == told


def test_a_call_without_an_id_gets_one() -> None:
    ((identity, name, _),) = called([fn("{}", "f")])
    assert (identity[:5], name) == ("call_", "f")


def test_a_call_whose_name_never_comes_is_no_call() -> None:
    found = canonical(choice({"tool_calls": [fn("{}", "", id="1", index=0)]}), choice({}, "tool_calls"))
    assert (calls(found), reasons(found)) == ([], ["stop"])


@pytest.mark.parametrize("nothing", [None, [], {}, "x", [None], [{"index": 0, "function": None}]])
def test_no_calls_are_no_key(nothing: Any) -> None:
    assert all(
        "tool_calls" not in c["choices"][0]["delta"] for c in canonical(choice({"tool_calls": nothing}))
    )


def test_custom_tools_pass() -> None:
    custom = {"index": 0, "id": "1", "type": "custom", "custom": {"name": "sql", "input": "select"}}
    assert ToolCallNormalizer().normalize([custom]) == [custom]


def test_calls_are_bounded() -> None:
    with pytest.raises(TooManyToolCalls):
        ToolCallNormalizer().normalize([fn("{}", "f", id=str(n)) for n in range(1000)])
    with pytest.raises(TooManyToolCalls):
        ToolCallNormalizer().normalize([fn("x" * (2 << 20), "", id="1")])


# -- whole answers -----------------------------------------------------------------------------------------------------


def test_a_whole_answer_has_what_clients_need() -> None:
    function = {"name": "f", "arguments": {"a": 1}}
    whole = normalize_completion(
        {
            "choices": [{"message": {"tool_calls": [{"function": function}, {"function": {"name": ""}}]}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
            "timings": {"n": 1},
        },
        "tiny",
    )
    message = whole["choices"][0]["message"]
    assert whole["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert (whole["object"], whole["model"], whole["timings"]) == ("chat.completion", "tiny", {"n": 1})
    assert (message["role"], message["content"]) == ("assistant", None)
    assert [call["function"] for call in message["tool_calls"]] == [{"name": "f", "arguments": '{"a":1}'}]
    assert message["tool_calls"][0].keys() == {"id", "type", "function"}
    assert (whole["choices"][0]["index"], whole["choices"][0]["finish_reason"]) == (0, "tool_calls")


def test_parallel_calls_with_one_id_stay_two() -> None:
    made = [fn("{}", name, id="call_0") for name in ("f", "g")]
    whole = normalize_completion({"choices": [{"message": {"tool_calls": made}}]}, "m")
    assert [call["function"]["name"] for call in whole["choices"][0]["message"]["tool_calls"]] == ["f", "g"]


@pytest.mark.parametrize("choices", [None, [], {}, [None]])
def test_no_choice_is_no_answer(choices: Any) -> None:
    with pytest.raises(NoAnswer):
        normalize_completion({"choices": choices}, "m")


def test_usage_keeps_its_details() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 1}}
    assert normalize_usage({"prompt_tokens": 1, "completion_tokens": 2, **details}) == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        **details,
    }


# -- anything --------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


def maybe(**fields: Any) -> Any:
    return JSON | st.fixed_dictionaries({}, optional={name: JSON | value for name, value in fields.items()})


FUNCTION = maybe(name=st.sampled_from(["", "f"]), arguments=st.text(max_size=3))
CALLS = st.lists(
    maybe(index=st.integers(0, 2), id=st.sampled_from(["", "1", "2"]), function=FUNCTION), max_size=3
)
DELTA = maybe(
    role=st.sampled_from(["assistant", ""]),
    content=st.text(max_size=3),
    reasoning=st.text(max_size=2),
    reasoning_content=st.text(max_size=2),
    tool_calls=CALLS,
)
REASON = st.sampled_from([None, "", "stop", "length", "tool_calls", "eos"])
CHOICES = st.lists(
    maybe(index=st.integers(0, 2), delta=DELTA, message=DELTA, finish_reason=REASON), max_size=3
)
USAGE = maybe(
    prompt_tokens=st.integers(0, 9), completion_tokens=st.integers(0, 9), total_tokens=st.integers(0, 9)
)
CHUNK = st.fixed_dictionaries(
    {}, optional={"id": JSON, "model": JSON, "created": JSON, "choices": JSON | CHOICES, "usage": USAGE}
)


@settings(max_examples=300)
@given(st.lists(CHUNK, max_size=5))
def test_whatever_comes_is_canonical(chunks: list[dict[str, Any]]) -> None:
    orjson.dumps(canonical(*chunks))


@settings(max_examples=300)
@given(CHUNK)
def test_whatever_whole_answer_comes_is_read_or_refused(answer: dict[str, Any]) -> None:
    try:
        whole = normalize_completion(answer, "m")
    except NoAnswer:
        return
    for found in whole["choices"]:
        assert found["message"]["role"] == "assistant"
        assert found["finish_reason"]
    orjson.dumps(whole)


def test_a_chunk_costs_microseconds() -> None:
    """Bytes to bytes: at most twenty times what parsing and writing its JSON costs by itself (it is about four)."""
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"} | choice(
        {"content": "Hi"}
    )
    piece = b"data: %s\n\n" % orjson.dumps(body)

    def least(cost: Callable[[], float]) -> float:
        return min(cost() for _ in range(5))

    def bare() -> float:
        started = time.thread_time()
        for _ in range(2000):
            orjson.dumps(orjson.loads(piece[6:-2]))
        return time.thread_time() - started

    def ours() -> float:
        decoder, answer = SseDecoder(), ChunkNormalizer("m")
        started = time.thread_time()
        for _ in range(2000):
            for event in decoder.feed(piece):
                orjson.dumps(answer.normalize(orjson.loads(event)))
        return time.thread_time() - started

    assert least(ours) < 20 * least(bare)
