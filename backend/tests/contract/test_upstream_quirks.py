"""Each upstream's quirks come out in one form: `test_<upstream>__<quirk>`."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from app.core.config import Settings
from app.core.errors import (
    BadRequest,
    ContextTooLong,
    UpstreamError,
    UpstreamLoading,
    UpstreamRateLimited,
    UpstreamTruncated,
)
from app.providers.base import ChatRequest
from app.providers.llm.profile import ProfileProvider
from app.schemas.providers import ProviderState
from tests.fakes.upstream import FakeUpstream, Reply, error_reply, json_reply, sse_reply
from tests.support.upstream_chat import (
    complete_reply,
    get_usage,
    join_text,
    join_tool_calls,
    list_finish_reasons,
    make_request,
    open_chat,
    stream_chunks,
    stream_replies,
)

USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {}, "strict": True}}


def chunk(
    delta: dict[str, Any] | None = None, finish_reason: str | None = None, **fields: Any
) -> dict[str, Any]:
    """A chunk as OpenAI sends it."""
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795190400, "model": "tiny"}
    return head | {"choices": [choice]} | fields


def said(content: str) -> dict[str, Any]:
    return chunk({"content": content})


async def sent(kind: Any, **fields: Any) -> dict[str, Any]:
    """The body that an upstream of this kind gets."""
    async with FakeUpstream().serve() as upstream, open_chat(upstream, kind) as chat:
        await stream_chunks(chat, **fields)
        body: dict[str, Any] = upstream.requests[0].json
        return body


async def adapted(kind: Any, refusals: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """The bodies sent to an upstream that refuses twice-used words first, over two answers."""
    words = fields.pop("words")
    async with FakeUpstream().serve() as upstream, open_chat(upstream, kind) as chat:
        upstream.script.extend([error_reply(400, words)] * refusals)
        for _ in range(2):
            assert (await stream_chunks(chat, **fields))[1] is None
        return [asked.json for asked in upstream.requests]


# -- OpenAI --------------------------------------------------------------------------------------------------------


async def test_openai__reasoning_models_refuse_max_tokens_and_sampling() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream, "openai") as chat:
        asked = replace(make_request(max_tokens=7, temperature=0.5, top_p=0.9), model="o3-mini")
        async for _ in chat.stream(asked):
            pass
        body = upstream.requests[0].json
    assert (body.get("max_tokens"), body["max_completion_tokens"]) == (None, 7)
    assert not body.keys() & {"temperature", "top_p"}


async def test_openai__a_model_that_wants_the_new_name_is_remembered() -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    bodies = await adapted("other", words=words, max_tokens=7)
    assert [sorted(body.keys() & {"max_tokens", "max_completion_tokens"}) for body in bodies] == [
        ["max_tokens"],
        ["max_completion_tokens"],
        ["max_completion_tokens"],
    ]


async def test_openai__developer_stays_and_becomes_system_elsewhere() -> None:
    messages = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert (await sent("openai", messages=messages))["messages"][0]["role"] == "developer"
    assert (await sent("ollama", messages=messages))["messages"][0]["role"] == "system"


async def test_openai__usage_comes_in_a_chunk_without_choices() -> None:
    chunks, _ = await stream_replies(
        sse_reply(said("Hi"), chunk(finish_reason="stop", usage=None), chunk(choices=[], usage=USAGE))
    )
    assert (join_text(chunks), list_finish_reasons(chunks), get_usage(chunks)) == ("Hi", ["stop"], USAGE)


async def test_openai__tool_calls_in_pieces_with_logprobs_and_unknown_fields() -> None:
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": part}} for part in ('{"tz":', '"UTC"}')]
    events = [chunk({"role": "assistant", "content": None, "tool_calls": [head]}, service_tier="flex")]
    events += [chunk({"tool_calls": [piece]}) for piece in pieces]
    chunks, _ = await stream_replies(sse_reply(*events, chunk(finish_reason="tool_calls")))
    assert (join_tool_calls(chunks), list_finish_reasons(chunks)) == (
        [("call_1", "get_time", '{"tz":"UTC"}')],
        ["tool_calls"],
    )
    assert (chunks[0]["service_tier"], chunks[0]["choices"][0]["logprobs"]) == ("flex", None)


# -- LM Studio -----------------------------------------------------------------------------------------------------


async def test_lm_studio__empty_function_names() -> None:
    parts = [
        {"index": 0, "id": "1", "type": "function", "function": {"name": "", "arguments": ""}},
        {"index": 0, "id": "1", "type": "function", "function": {"name": "get_time", "arguments": ""}},
        {"index": 0, "id": "1", "type": "function", "function": {"name": "", "arguments": "{}"}},
        {"index": 1, "id": "2", "type": "function", "function": {"name": None, "arguments": ""}},
    ]
    chunks, _ = await stream_replies(
        sse_reply(*(chunk({"tool_calls": [part]}) for part in parts), chunk(finish_reason="tool_calls")),
        vendor="lm_studio",
    )
    assert join_tool_calls(chunks) == [("1", "get_time", "{}")]


async def test_lm_studio__tool_choice_is_a_word_there() -> None:
    named = {"type": "function", "function": {"name": "get_time"}}
    assert (await sent("lm_studio", tools=[TOOL], tool_choice=named))["tool_choice"] == "required"


async def test_lm_studio__reasoning_has_another_name() -> None:
    chunks, _ = await stream_replies(
        sse_reply(chunk({"reasoning": "hmm"}), said("Hi"), chunk(finish_reason="stop")), vendor="lm_studio"
    )
    assert join_text(chunks, "reasoning_content") == join_text(chunks, "reasoning") == "hmm"
    assert join_text(chunks) == "Hi"


async def test_lm_studio__loads_a_model_before_the_first_byte() -> None:
    late = sse_reply(said("Hi"), chunk(finish_reason="stop"))
    chunks, failure = await stream_replies(
        type(late)(late.pieces, headers=late.headers, wait_s=0.6),
        vendor="lm_studio",
        idle_timeout_s=0.3,
        first_byte_timeout_s=3,
    )
    assert (join_text(chunks), failure) == ("Hi", None)


async def test_lm_studio__context_overflow_in_its_words() -> None:
    words = (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded "
        "with context length of only 4096 tokens, which is not enough."
    )
    _, failure = await stream_replies(error_reply(400, words), vendor="lm_studio")
    assert isinstance(failure, ContextTooLong)
    assert "4096" in failure.message


async def test_lm_studio__knows_no_usage_before_0_3_18() -> None:
    bodies = await adapted("lm_studio", words="Unrecognized key(s): 'stream_options'")
    assert ["stream_options" in body for body in bodies] == [True, False, False]


# -- Ollama --------------------------------------------------------------------------------------------------------


async def test_ollama__a_whole_tool_call_in_one_delta() -> None:
    call = {
        "index": 0,
        "id": "call_9",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a":1}'},
    }
    chunks, _ = await stream_replies(
        sse_reply(
            chunk({"role": "assistant", "content": "", "tool_calls": [call]}),
            chunk({"role": "assistant", "content": ""}, "tool_calls"),
        ),
        vendor="ollama",
    )
    assert (join_tool_calls(chunks), list_finish_reasons(chunks)) == (
        [("call_9", "f", '{"a":1}')],
        ["tool_calls"],
    )


async def test_ollama__parallel_calls_all_numbered_zero() -> None:
    made = [{"index": 0, "id": f"call_{n}", "function": {"name": f"f{n}", "arguments": {}}} for n in range(2)]
    chunks, _ = await stream_replies(
        sse_reply(*(chunk({"tool_calls": [call]}) for call in made), chunk(finish_reason="stop")),
        vendor="ollama",
    )
    assert join_tool_calls(chunks) == [("call_0", "f0", "{}"), ("call_1", "f1", "{}")]


@pytest.mark.parametrize("is_whole", [False, True])
async def test_ollama__thoughts_between_tags_in_the_text(is_whole: bool) -> None:
    """Split off by default; kept where the operator chose so and the reader knows such tags."""
    raw = "<think>\nso\n</think>\n\nHi"
    for fields, reads_tags, expected in (
        ({}, False, ("Hi", "so")),
        ({}, True, ("Hi", "so")),
        ({"keeps_think_tags": True}, False, ("Hi", "so")),
        ({"keeps_think_tags": True}, True, (raw, "")),
    ):
        reply = json_reply({"choices": [{"message": {"content": raw}}]})
        if not is_whole:
            reply = sse_reply(said("<thi"), said("nk>\ns"), said(raw[9:]), chunk(finish_reason="stop"))
        async with FakeUpstream().serve() as upstream, open_chat(upstream, "ollama", **fields) as chat:
            upstream.script.append(reply)
            request = replace(make_request(), reads_think_tags=reads_tags)
            if is_whole:
                message = (await chat.complete(request))["choices"][0]["message"]
                found = message["content"], message.get("reasoning_content", "")
                assert message.get("reasoning", "") == found[1]
            else:
                chunks = [piece async for piece in chat.stream(request)]
                found = join_text(chunks), join_text(chunks, "reasoning_content")
                assert join_text(chunks, "reasoning") == found[1]
        assert found == expected


async def test_ollama__thoughts_that_never_close() -> None:
    chunks, error = await stream_replies(
        sse_reply(said("<think>so"), said(" it is </thi"), chunk(finish_reason="length")), vendor="ollama"
    )
    assert error is None
    assert (join_text(chunks), join_text(chunks, "reasoning_content")) == ("", "so it is </thi")
    assert list_finish_reasons(chunks) == ["length"]


async def test_ollama__the_role_in_every_delta_and_reasoning() -> None:
    deltas = [{"role": "assistant", "content": "", "reasoning": "so"}, {"role": "assistant", "content": "Hi"}]
    chunks, _ = await stream_replies(
        sse_reply(*map(chunk, deltas), chunk({"role": "assistant", "content": ""}, "stop")), vendor="ollama"
    )
    assert (join_text(chunks, "role"), join_text(chunks, "reasoning"), join_text(chunks)) == (
        "assistant",
        "so",
        "Hi",
    )


async def test_ollama__a_stream_that_just_ends() -> None:
    chunks, failure = await stream_replies(sse_reply(said("Hel"), done=False), vendor="ollama")
    assert join_text(chunks) == "Hel"
    assert isinstance(failure, UpstreamTruncated)


@pytest.mark.parametrize("line", [b'{"error":"GPU on fire"}\n', b'{"error": "GPU on fire"}'])
async def test_ollama__a_bare_json_error_line(line: bytes) -> None:
    chunks, failure = await stream_replies(sse_reply(said("Hel"), line, done=False), vendor="ollama")
    assert join_text(chunks) == "Hel"
    assert failure is not None
    assert "GPU on fire" in failure.message


async def test_ollama__fields_that_it_does_not_have() -> None:
    body = await sent(
        "ollama", max_completion_tokens=7, tools=[TOOL], tool_choice="auto", n=1, logit_bias={"1": 1}
    )
    assert body["max_tokens"] == 7
    assert not body.keys() & {"max_completion_tokens", "tool_choice", "n", "logit_bias"}
    assert "strict" not in body["tools"][0]["function"]


async def test_ollama__audio_that_it_would_ignore() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream, "ollama") as chat:
        _, failure = await stream_chunks(chat, modalities=["text", "audio"])
        assert isinstance(failure, BadRequest)
        assert not upstream.requests, "it is not asked"


async def test_ollama__a_full_queue() -> None:
    words = "server busy, please try again. maximum pending requests exceeded"
    _, failure = await stream_replies(*[error_reply(503, words)] * 2, vendor="ollama")
    assert type(failure) is UpstreamError
    assert failure.upstream_status == 503


# -- llama.cpp -----------------------------------------------------------------------------------------------------

LOADING = json_reply({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)


async def test_llama_cpp__loading_with_a_numeric_code() -> None:
    _, failure = await stream_replies(LOADING, LOADING, vendor="llama_cpp")
    assert isinstance(failure, UpstreamLoading)
    assert (failure.upstream_status, failure.retry_after_s) == (503, 5.0)
    assert "Loading model" in failure.message


async def test_llama_cpp__ready_a_moment_later() -> None:
    chunks, failure = await stream_replies(
        LOADING, sse_reply(said("Hi"), chunk(finish_reason="stop")), vendor="llama_cpp"
    )
    assert (join_text(chunks), failure) == ("Hi", None)


async def test_llama_cpp__no_content_key_and_a_null_in_the_first_delta() -> None:
    chunks, _ = await stream_replies(
        sse_reply(
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning_content": "so"}),
            said("Hi"),
            chunk({}, "stop"),
        ),
        vendor="llama_cpp",
    )
    assert [choice["choices"][0]["delta"]["content"] for choice in chunks] == [None, "", "Hi", ""]
    assert join_text(chunks, "reasoning") == "so"


async def test_llama_cpp__timings_are_kept() -> None:
    timings = {"prompt_n": 11, "predicted_per_second": 42.5}
    chunks, _ = await stream_replies(
        sse_reply(
            said("Hi"),
            chunk({}, "stop", timings=timings),
            chunk(choices=[], usage=USAGE, timings=timings),
        ),
        vendor="llama_cpp",
    )
    assert (chunks[-1]["timings"], chunks[-1]["usage"], chunks[-2]["timings"]) == (timings, USAGE, timings)


async def test_llama_cpp__exceed_context_size_error() -> None:
    body = {
        "error": {
            "code": 400,
            "message": "the request exceeds the available memory",
            "type": "exceed_context_size_error",
            "n_ctx": 512,
        }
    }
    _, failure = await stream_replies(json_reply(body, 400), vendor="llama_cpp")
    assert isinstance(failure, ContextTooLong)


# -- vLLM ----------------------------------------------------------------------------------------------------------


async def test_vllm__only_reasoning_on_output() -> None:
    events = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning": "so", "content": None}),
        said("Hi"),
    ]
    chunks, _ = await stream_replies(
        sse_reply(*events, chunk({"content": ""}, "stop", stop_reason=None)), vendor="vllm"
    )
    assert join_text(chunks, "reasoning_content") == "so"
    message = {"role": "assistant", "content": "Hi", "reasoning": "so", "reasoning_content": None}
    whole = await complete_reply(
        json_reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}), "vllm"
    )
    assert whole["choices"][0]["message"]["reasoning_content"] == "so"


async def test_vllm__usage_in_every_chunk() -> None:
    counted = [USAGE | {"completion_tokens": n, "total_tokens": 11 + n} for n in (1, 2)]
    chunks, _ = await stream_replies(
        sse_reply(
            said("Hi") | {"usage": counted[0]},
            chunk({}, "stop", usage=counted[1]),
            chunk(choices=[], usage=counted[1]),
        ),
        vendor="vllm",
    )
    assert get_usage(chunks) == USAGE


async def test_vllm__a_limit_over_the_models_own_that_a_client_had_to_name() -> None:
    """Claude Code names 32000 tokens in each request. The next request is tried with its own limit again."""
    words = (
        "'max_tokens' or 'max_completion_tokens' is too large: 32000. "
        "This model's maximum context length is 8192 tokens"
    )
    async with FakeUpstream().serve() as upstream, open_chat(upstream, "vllm") as chat:
        for _ in range(2):
            upstream.script.append(json_reply({"object": "error", "message": words, "code": 400}, 400))
            upstream.script.append(
                sse_reply(said("Hi"), chunk(finish_reason="stop"), chunk(choices=[], usage=USAGE))
            )
            turns = [{"role": "user", "content": "hi"}]
            asked = ChatRequest("m", {"messages": turns, "max_tokens": 32_000}, may_drop_limit=True)
            assert [each async for each in chat.stream(asked)]
        limits = [request.json.get("max_tokens") for request in upstream.requests]
    assert limits == [32_000, None, 32_000, None]


async def test_vllm__overflow_that_names_max_completion_tokens_is_not_adapted() -> None:
    words = (
        "'max_tokens' or 'max_completion_tokens' is too large: 9000. "
        "This model's maximum context length is 4096 tokens"
    )
    async with FakeUpstream().serve() as upstream, open_chat(upstream, "vllm") as chat:
        upstream.script.append(
            json_reply({"object": "error", "message": words, "type": "BadRequestError", "code": 400}, 400)
        )
        _, failure = await stream_chunks(chat, max_tokens=9000)
        assert isinstance(failure, ContextTooLong)
        assert len(upstream.requests) == 1


# -- OpenRouter ----------------------------------------------------------------------------------------------------


async def test_openrouter__comments() -> None:
    ping = b": OPENROUTER PROCESSING\n\n"
    chunks, _ = await stream_replies(
        sse_reply(
            ping, ping, said("Hi"), ping, chunk(finish_reason="stop", native_finish_reason="STOP"), ping
        ),
        vendor="openrouter",
    )
    assert join_text(chunks) == "Hi"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(502, UpstreamError), (429, UpstreamRateLimited), ("server_error", UpstreamError)],
)
async def test_openrouter__an_error_after_200(code: int | str, kind: type[UpstreamError]) -> None:
    broken = chunk({"content": ""}, "error") | {
        "error": {"code": code, "message": "Provider disconnected", "metadata": {"provider_name": "X"}}
    }
    chunks, failure = await stream_replies(sse_reply(said("Hel"), broken), vendor="openrouter")
    assert join_text(chunks) == "Hel"
    assert type(failure) is kind
    assert "Provider disconnected" in failure.message
    assert isinstance(failure, UpstreamError)
    assert failure.upstream_status == (code if isinstance(code, int) else None)


async def test_openrouter__an_error_with_200_in_a_whole_answer() -> None:
    with pytest.raises(UpstreamError, match="Provider returned error") as caught:
        await complete_reply(
            json_reply({"error": {"code": 502, "message": "Provider returned error"}}), "openrouter"
        )
    assert caught.value.upstream_status == 502


async def test_openrouter__402_without_credits() -> None:
    body = {"error": {"code": 402, "message": "Insufficient credits. Add more"}}
    async with FakeUpstream().serve() as upstream, open_chat(upstream, "openrouter") as chat:
        upstream.script.append(json_reply(body, 402))
        _, failure = await stream_chunks(chat)
        assert isinstance(failure, UpstreamError)
        assert failure.upstream_status == 402
        assert "Insufficient credits" in failure.message
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_openrouter__retry_after(status: int) -> None:
    _, failure = await stream_replies(error_reply(status, "slow down", Retry_After="30"), vendor="openrouter")
    assert isinstance(failure, UpstreamError)
    assert (failure.upstream_status, failure.retry_after_s) == (status, 30.0)


# -- Gemini --------------------------------------------------------------------------------------------------------


async def test_gemini__calls_without_index_keep_their_extra_content() -> None:
    signature = {"google": {"thought_signature": "abc"}}
    made = [
        {
            "id": f"function-call-{n}",
            "type": "function",
            "extra_content": signature,
            "function": {"name": f"f{n}", "arguments": "{}"},
        }
        for n in range(2)
    ]
    chunks, _ = await stream_replies(
        sse_reply(*(chunk({"role": "assistant", "tool_calls": [call]}, "stop") for call in made))
    )
    assert join_tool_calls(chunks) == [("function-call-0", "f0", "{}"), ("function-call-1", "f1", "{}")]
    told = [delta["delta"]["tool_calls"][0] for c in chunks[:2] for delta in c["choices"]]
    assert [call["extra_content"] for call in told] == [signature] * 2
    assert [call["index"] for call in told] == [0, 1]


async def test_gemini__a_finish_reason_in_every_chunk() -> None:
    chunks, _ = await stream_replies(
        sse_reply(
            chunk({"content": "Hel"}, "stop", usage=USAGE), chunk({"content": "lo"}, "stop", usage=USAGE)
        )
    )
    assert (join_text(chunks), list_finish_reasons(chunks), get_usage(chunks)) == ("Hello", ["stop"], USAGE)


async def test_gemini__thought_signatures_go_back_to_it() -> None:
    call = {
        "id": "1",
        "type": "function",
        "extra_content": {"google": {"thought_signature": "abc"}},
        "function": {"name": "f", "arguments": "{}"},
    }
    messages = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    assert (await sent("other", messages=messages))["messages"] == messages


# -- no /models, and what any of them may do -----------------------------------------------------------------------


async def test_no_models__a_service_that_does_not_list_them() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.models = error_reply(404, "Not Found")
        async with open_chat(upstream) as chat:
            provider = ProfileProvider(Settings(_env_file=None), chat._profile)
        assert (await provider.status()).state is ProviderState.READY
        assert await provider.models() == ["tiny"]
        assert join_text([chunk async for chunk in provider.stream(make_request())]) == "Hello world"
        await provider.aclose()


CRLF = json.dumps(said("Hi"))


@pytest.mark.parametrize(
    "stream",
    [
        f"data: {CRLF}\r\n\r\ndata: {json.dumps(chunk(finish_reason='stop'))}\r\n\r\n".encode(),
        re.sub("(?m)^", "data: ", json.dumps(said("Hi"), indent=1)).encode()
        + b"\n\ndata: "
        + json.dumps(chunk(finish_reason="stop")).encode()
        + b"\n\n",
        f"data: {CRLF}\n\ndata: {json.dumps(chunk(finish_reason='stop'))}".encode(),
        f"event: message\nid: 1\ndata:{CRLF}\n\ndata:{json.dumps(chunk(finish_reason='stop'))}\n\n".encode(),
    ],
    ids=["CRLF", "multi-line data", "missing last blank line", "other fields and no space"],
)
async def test_any__framing(stream: bytes) -> None:
    for size in (1, 7, len(stream)):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        chunks, failure = await stream_replies(sse_reply(*pieces, done=False))
        assert (join_text(chunks), list_finish_reasons(chunks), failure) == ("Hi", ["stop"], None)


async def test_any__missing_usage_is_not_made_up() -> None:
    chunks, _ = await stream_replies(sse_reply(said("Hi"), chunk(finish_reason="stop")))
    assert get_usage(chunks) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"prompt_tokens": 11, "completion_tokens": 2}, USAGE),
        ({"prompt_tokens": 11, "completion_tokens": 2.0, "total_tokens": None}, USAGE),
        ({"prompt_tokens": None, "completion_tokens": 2, "total_tokens": 13}, USAGE),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
    ],
)
async def test_any__usage_in_halves(told: dict[str, Any], expected: dict[str, Any] | None) -> None:
    chunks, _ = await stream_replies(
        sse_reply(said("Hi"), chunk(finish_reason="stop"), chunk(choices=None, usage=told))
    )
    assert get_usage(chunks) == expected


@pytest.mark.parametrize(("tools", "reason"), [(False, "stop"), (True, "tool_calls")])
async def test_any__missing_finish_before_done(tools: bool, reason: str) -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    chunks, failure = await stream_replies(sse_reply(chunk({"tool_calls": [call]}) if tools else said("Hi")))
    assert (list_finish_reasons(chunks), failure) == ([reason], None)


@pytest.mark.parametrize("is_whole", [False, True])
async def test_any__calls_that_end_with_stop(is_whole: bool) -> None:
    """Clients make calls only where the reason says so."""
    call = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    if is_whole:
        message = {"content": None, "tool_calls": [call]}
        whole = await complete_reply(json_reply({"choices": [{"message": message, "finish_reason": "stop"}]}))
        assert whole["choices"][0]["finish_reason"] == "tool_calls"
    else:
        chunks, _ = await stream_replies(sse_reply(chunk({"tool_calls": [call]}), chunk({}, "stop")))
        assert list_finish_reasons(chunks) == ["tool_calls"]


async def test_any__a_stream_kept_alive_by_empty_events() -> None:
    chunks, failure = await stream_replies(
        sse_reply(b"data:\n\n", said("Hi"), b"data:\n\n", b"data: \n\n", chunk({}, "stop"), b"data:\n\n")
    )
    assert (join_text(chunks), list_finish_reasons(chunks), failure) == ("Hi", ["stop"], None)


@pytest.mark.parametrize("events", [(), ({"choices": []},), ({"choices": [], "usage": USAGE},)])
async def test_any__a_stream_without_an_answer(events: tuple[Any, ...]) -> None:
    chunks, failure = await stream_replies(sse_reply(*events))
    assert chunks == []
    assert isinstance(failure, UpstreamError)
    assert "without a choice" in failure.message


@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "", "application/json"])
@pytest.mark.parametrize(
    "page", [b"<!doctype html>\n<title>Some web UI</title>", b"\xef\xbb\xbf\n <html>", b"Ollama is running"]
)
async def test_any__an_address_that_is_no_api(page: bytes, kind: str, is_whole: bool) -> None:
    """Typed without its path, most addresses answer with the page of a web application."""
    reply = Reply([page], headers={"Content-Type": kind} if kind else {})
    if is_whole:
        with pytest.raises(UpstreamError) as raised:
            await complete_reply(reply)
        failure: Any = raised.value
    else:
        chunks, failure = await stream_replies(reply)
        assert chunks == []
    assert type(failure) is UpstreamError
    assert "no API there" in failure.message
    assert "check base_url" in failure.message


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("eos", "stop"),
        ("MAX_TOKENS", "length"),
        ("tool_use", "stop"),
        ("SAFETY", "content_filter"),
        ("", "stop"),
    ],
)
async def test_any__finish_reasons_of_their_own(theirs: str, ours: str) -> None:
    chunks, _ = await stream_replies(sse_reply(said("Hi"), chunk(finish_reason=theirs)))
    assert list_finish_reasons(chunks) == [ours]


async def test_any__stream_is_ignored_and_a_whole_answer_comes() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    chunks, _ = await stream_replies(json_reply(body))
    assert (join_tool_calls(chunks), list_finish_reasons(chunks), get_usage(chunks)) == (
        [("1", "f", "{}")],
        ["tool_calls"],
        USAGE,
    )


async def test_any__content_in_parts() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]},
        {"type": "text", "text": "Hi"},
    ]
    chunks, _ = await stream_replies(sse_reply(chunk({"content": parts}), chunk(finish_reason="stop")))
    assert (join_text(chunks), join_text(chunks, "reasoning")) == ("Hi", "so")
