"""The chunk normalizer: whatever an upstream sends, chunks and whole answers take OpenAI's form."""

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.providers.upstream.chunk_normalizer import ChunkNormalizer, NoAnswer, normalize_completion
from app.providers.upstream.codec import SseDecoder
from app.providers.upstream.field_normalizers import AnswerFailed
from tests.support.upstream_chat import join_text, list_finish_reasons, make_chunk, normalize_chunks


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
    first, second, _ = normalize_chunks(chunk, chunk)
    assert second == chunk
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "Hi"}


def test_what_the_first_chunk_says_of_the_answer_holds_for_all() -> None:
    found = normalize_chunks(
        {"id": "a", "created": 7, "model": "x"} | make_chunk({"content": "1"}), {"id": "b"} | make_chunk({})
    )
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in found} == {("a", 7, "x")}


def test_a_stream_without_names_gets_them() -> None:
    first = normalize_chunks(make_chunk({"content": "Hi"}))[0]
    assert first["id"].startswith("chatcmpl-")
    assert first["model"] == "tiny"
    assert abs(first["created"] - time.time()) < 5


def test_nothing_at_all_is_an_empty_answer() -> None:
    (only,) = normalize_chunks()
    assert only["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    ]


@pytest.mark.parametrize("role", ["assistant", "", None, "model", "tool"])
def test_the_role_is_said_once_and_right(role: Any) -> None:
    found = normalize_chunks(
        make_chunk({"role": role, "content": "a"}), make_chunk({"role": role, "content": "b"})
    )
    assert join_text(found, "role") == "assistant"


def test_choices_are_kept_apart() -> None:
    found = normalize_chunks(
        {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "length"}]},
        {"choices": [{"index": 0, "delta": {"content": "A"}, "finish_reason": "stop"}]},
    )
    assert (join_text(found), join_text(found, index=1), list_finish_reasons(found)) == (
        "aA",
        "bB",
        ["stop", "length"],
    )


def test_finished_only_when_all_choices_are() -> None:
    answer = ChunkNormalizer("tiny")
    answer.normalize({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    assert answer.is_finished
    answer.normalize({"choices": [{"index": 1, "delta": {"content": "b"}}]})
    assert not answer.is_finished


def test_unknown_fields_of_every_level_survive() -> None:
    delta = {"content": "Hi", "annotations": [{"type": "url_citation"}], "extra_content": {"google": {}}}
    found = normalize_chunks(make_chunk(delta, None, content_filter_results={}) | {"x_groq": {"id": "r"}})
    assert found[0]["x_groq"] == {"id": "r"}
    assert found[0]["choices"][0]["content_filter_results"] == {}
    assert found[0]["choices"][0]["delta"].items() >= delta.items()


def test_what_stands_in_the_closing_chunk_survives() -> None:
    found = normalize_chunks(
        make_chunk({"content": "Hi"}), make_chunk({}, "stop", stop_reason=7) | {"timings": {"n": 1}}
    )
    assert (found[-1]["timings"], found[-1]["choices"][0]["stop_reason"]) == ({"n": 1}, 7)


def test_the_last_text_and_the_end_in_one_chunk() -> None:
    found = normalize_chunks(make_chunk({"content": "Hi"}), make_chunk({"content": " you"}, "length"))
    assert (join_text(found), list_finish_reasons(found)) == ("Hi you", ["length"])


def test_a_better_reason_is_not_replaced_by_stop() -> None:
    found = normalize_chunks(make_chunk({"content": "a"}, "content_filter"), make_chunk({}, "stop"))
    assert list_finish_reasons(found) == ["content_filter"]


@pytest.mark.parametrize("reason", ["error", "network_error"])
def test_a_reason_that_is_a_failure_raises(reason: str) -> None:
    with pytest.raises(AnswerFailed, match="GPU on fire"):
        ChunkNormalizer("m").normalize(make_chunk({}, reason, error={"message": "GPU on fire"}))


def test_chunks_that_say_nothing_are_left_out() -> None:
    answer = ChunkNormalizer("m")
    assert answer.normalize({"choices": []}) is None
    assert answer.normalize({"choices": None, "usage": None}) is None
    assert answer.normalize({"choices": [], "prompt_filter_results": [1]}) is not None


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


@pytest.mark.parametrize("choices", [None, [], {}, [None]])
def test_no_choice_is_no_answer(choices: Any) -> None:
    with pytest.raises(NoAnswer):
        normalize_completion({"choices": choices}, "m")


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
def test_whatever_comes_is_normalized(chunks: list[dict[str, Any]]) -> None:
    orjson.dumps(normalize_chunks(*chunks))


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
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"} | make_chunk(
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
