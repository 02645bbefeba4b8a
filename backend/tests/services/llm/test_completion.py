"""The canonical stream and the whole answer, whatever a provider gives; what is sent on and what is refused."""

from typing import Any

import pytest

from app.core.errors import BadRequest, EngineFailed, UpstreamError, UpstreamTruncated
from app.core.metrics import Observer
from app.services.llm.forwarding import ROUTING
from tests.fakes.llm_providers import FakeChat, delta, usage
from tests.support.completions import SAID, list_deltas, start_completion, stream_events

# -- streams


async def test_the_order_of_a_stream() -> None:
    events = await stream_events(FakeChat())
    assert list_deltas(events) == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {"content": ""},
    ]
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None, None, None, "stop"]
    heads = {(event["id"], event["object"], event["created"], event["model"]) for event in events[:-1]}
    assert len(heads) == 1
    (head,) = heads
    assert head[0].startswith("chatcmpl-")
    assert head[1] == "chat.completion.chunk"
    assert head[3] == "fake/tiny"
    assert not any("usage" in event for event in events[:-1])


async def test_usage_comes_last_and_only_if_asked_for() -> None:
    events = await stream_events(FakeChat(), include_usage=True)
    *chunks, last, _ = events
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
    assert last["timings"] == {"predicted_ms": 7}
    assert (last["id"], last["model"]) == (chunks[0]["id"], "fake/tiny")


@pytest.mark.parametrize(
    "told", [[], [{"choices": [], "usage": {"prompt_tokens": 3}}], [{"choices": [], "usage": None}]]
)
async def test_usage_is_estimated_where_nobody_tells(told: list[Any]) -> None:
    thought = delta(
        "", reasoning_content="hm, what?", tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]
    )
    script = [delta("Hello"), thought, delta("", finish="stop"), *told]
    events = await stream_events(FakeChat(script), include_usage=True)
    assert events[-2]["usage"] == {
        "prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8, "estimated": True,
    }  # fmt: skip


async def test_usage_in_the_last_chunk_is_told_in_one_of_its_own() -> None:
    last = delta("", finish="stop") | {"usage": usage(5, 6)["usage"]}
    events = await stream_events(FakeChat([delta("Hello"), last]), include_usage=True)
    assert events[-3]["usage"] is None
    assert events[-2]["usage"]["total_tokens"] == 11


async def test_the_role_is_told_first_whatever_the_upstream_does() -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    script = [delta(None, role="assistant", tool_calls=[call]), delta("", finish="tool_calls")]
    assert list_deltas(await stream_events(FakeChat(script))) == [
        {"role": "assistant", "content": ""},
        {"content": None, "tool_calls": [call]},
        {"content": ""},
    ]
    alone = [delta("", role="assistant"), delta("x"), delta("", finish="stop")]
    assert [each["content"] for each in list_deltas(await stream_events(FakeChat(alone)))] == ["", "x", ""]


async def test_several_choices_have_a_beginning_each() -> None:
    script = [delta("a"), delta("b", index=1), delta("", finish="stop"), delta("", index=1, finish="length")]
    events = await stream_events(FakeChat(script), {"n": 2})
    told = [(event["choices"][0]["index"], event["choices"][0]["delta"].get("role")) for event in events[:-1]]
    assert told == [(0, "assistant"), (0, None), (1, "assistant"), (1, None), (0, None), (1, None)]


async def test_unknown_fields_survive() -> None:
    script = [delta("x", annotations=[1]) | {"system_fingerprint": "fp"}, delta("", finish="stop")]
    events = await stream_events(FakeChat(script))
    assert events[1]["system_fingerprint"] == "fp"
    assert list_deltas(events)[1] == {"content": "x", "annotations": [1]}


async def test_a_break_in_mid_stream_is_an_event_and_an_end() -> None:
    fake = FakeChat([delta("Hel"), UpstreamTruncated("the upstream 'x' broke off")])
    events = await stream_events(fake, include_usage=True)
    assert events[-2] == {
        "error": {
            "message": "the upstream 'x' broke off",
            "type": "server_error",
            "param": None,
            "code": "upstream_truncated",
        }
    }
    assert fake.closed == 1


async def test_a_provider_of_others_that_crashes_is_named_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = await stream_events(FakeChat([delta("Hel"), ValueError("Say hello to me")]))
    assert events[-2]["error"]["code"] == "engine_failed"
    assert events[-2]["error"]["message"].startswith("provider 'fake' failed (ValueError)")
    assert "hello" not in events[-2]["error"]["message"] + caplog.text


@pytest.mark.parametrize(("script", "error"), [([UpstreamError("no")], UpstreamError), ([], EngineFailed)])
async def test_a_failure_before_the_first_chunk_is_raised(script: Any, error: type[Exception]) -> None:
    completion = await start_completion(FakeChat(script))
    with pytest.raises(error):
        await completion.open()
    await completion.aclose()


async def test_closing_closes_the_upstream_and_outcomes_are_counted() -> None:
    observer, fake = Observer(), FakeChat()
    completion = await start_completion(fake, observer=observer)
    await completion.open()
    assert (fake.opened, fake.closed) == (1, 0)
    await completion.aclose()
    assert fake.closed == 1
    await stream_events(fake, observer=observer)
    await stream_events(FakeChat([delta("x"), UpstreamError("no")]), observer=observer)
    lines = observer.render().decode().splitlines()
    for outcome in ("left", "completed", "failed"):
        assert f'prompter_answers_total{{outcome="{outcome}",provider="fake"}} 1.0' in lines
    assert 'prompter_time_to_first_token_seconds_count{provider="fake"} 3.0' in lines


# -- whole answers


async def test_a_whole_answer() -> None:
    answer = await (await start_completion(FakeChat())).whole()
    assert answer["id"].startswith("chatcmpl-")
    assert (answer["object"], answer["model"], answer["timings"]) == (
        "chat.completion",
        "fake/tiny",
        {"x": 1},
    )
    assert type(answer["created"]) is int
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert answer["usage"] == {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


async def test_a_whole_answer_without_usage() -> None:
    answer = await (await start_completion(FakeChat([delta("Hello"), delta("", finish="stop")]))).whole()
    assert answer["usage"] == {
        "prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6, "estimated": True,
    }  # fmt: skip


# -- what is sent on


async def test_what_an_upstream_gets() -> None:
    fake = FakeChat()
    body = {
        "model": "fake", "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5, "seed": None,
        "top_k": 7, "chat_template_kwargs": {"x": 1}, "unheard_of": 1,
    }  # fmt: skip
    await stream_events(fake, body)
    assert fake.requests[0].model == "tiny"
    assert fake.requests[0].body == {
        "messages": SAID, "temperature": 0.5, "top_k": 7, "chat_template_kwargs": {"x": 1},
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(ROUTING))
async def test_fields_that_choose_where_to_ask_are_refused(name: str) -> None:
    fake = FakeChat()
    with pytest.raises(BadRequest, match=f"`{name}` may not be sent") as caught:
        await start_completion(fake, {name: "x"})
    assert caught.value.param == name
    assert not fake.requests


@pytest.mark.parametrize("function", [None, "x", {"arguments": 5}])
async def test_a_call_of_an_odd_shape_is_passed_on(function: Any) -> None:
    call = {"index": 0, "custom": {}, "function": function}
    chat = FakeChat()
    chat.script = [delta(tool_calls=[call]), delta(finish="tool_calls")]
    assert (await stream_events(chat))[-1] == "[DONE]"
