"""One upstream asked for chat completions: how answers end, what errors mean, tries, time limits, leaving."""

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import (
    ContextTooLong,
    PrompterError,
    UpstreamError,
    UpstreamLoading,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnauthorized,
)
from tests.fakes.upstream import (
    FakeUpstream,
    Reply,
    chat_reply,
    dropped_reply,
    error_reply,
    json_reply,
    silent_reply,
    sse_event,
    sse_reply,
)
from tests.support.upstream_chat import (
    KEY,
    MESSAGES,
    PROMPT,
    complete_reply,
    get_usage,
    join_text,
    list_finish_reasons,
    make_request,
    open_chat,
    stream_chunks,
    stream_replies,
)

USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
WHOLE = json_reply(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
)
CUT: dict[str, Any] = {"finish_reason": None, "done": False}


# -- what is sent -------------------------------------------------------------------------------------------------


async def test_the_body_passes_through_with_the_model_and_a_wish_for_usage() -> None:
    fields: dict[str, Any] = {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "top_k": 5,
        "x": {"y": 1},
    }
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.script.extend([chat_reply("Hi"), WHOLE])
        await stream_chunks(asked, **fields)
        await asked.complete(make_request(**fields))
        first, second = upstream.requests
    assert first.json == {
        "model": "tiny",
        "messages": MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
        **fields,
    }
    assert second.json == {"model": "tiny", "messages": MESSAGES, "stream": False, **fields}
    assert (first.path, first.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert first.headers["content-type"] == "application/json"


async def test_what_json_has_and_orjson_has_not_is_sent_all_the_same() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        await stream_chunks(asked, user="half \ud83d", seed=1 << 70)
        assert upstream.requests[0].json["seed"] == 1 << 70


# -- how answers end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("done", [True, False], ids=["[DONE]", "no [DONE]"])
async def test_a_finish_reason_is_an_end(done: bool) -> None:
    chunks, failure = await stream_replies(chat_reply("Hi", usage=USAGE, done=done))
    assert (join_text(chunks), list_finish_reasons(chunks), get_usage(chunks), failure) == (
        "Hi",
        ["stop"],
        USAGE,
        None,
    )


async def test_done_without_a_reason_is_a_stop() -> None:
    chunks, failure = await stream_replies(chat_reply("Hi", finish_reason=None))
    assert (list_finish_reasons(chunks), failure) == (["stop"], None)


@pytest.mark.parametrize("ending", ["complete", "cut"])
@pytest.mark.parametrize("texts", [(), ("Hel",)])
async def test_an_end_without_either_is_an_error(texts: tuple[str, ...], ending: Any) -> None:
    chunks, failure = await stream_replies(chat_reply(*texts, ending=ending, **CUT))
    assert join_text(chunks) == "".join(texts)
    assert isinstance(failure, UpstreamTruncated)
    assert list_finish_reasons(chunks) == []


@pytest.mark.parametrize(
    "reply", [sse_reply(done=False), json_reply(None), Reply([b"{"]), Reply([b'data: {"cho'])]
)
async def test_no_answer_at_all_is_an_error(reply: Reply) -> None:
    chunks, failure = await stream_replies(reply)
    assert chunks == []
    assert isinstance(failure, UpstreamTruncated)


async def test_one_choice_of_two_cut_off_is_an_error() -> None:
    halves = [{"choices": [{"index": n, "delta": {"content": "a"}}]} for n in range(2)]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    _, failure = await stream_replies(sse_reply(*halves, end, done=False))
    assert isinstance(failure, UpstreamTruncated)


@pytest.mark.parametrize("ending", ["cut", "hang"])
async def test_an_answer_whose_goodbye_is_lost_is_whole(ending: Any) -> None:
    chunks, failure = await stream_replies(chat_reply("Hi", done=False, ending=ending), idle_timeout_s=0.3)
    assert (join_text(chunks), list_finish_reasons(chunks), failure) == ("Hi", ["stop"], None)


BODY = b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}'


@pytest.mark.parametrize(
    "reply",
    [
        Reply([BODY[:30]], content_length=len(BODY)),
        Reply([BODY[:30]], ending="cut"),
        Reply([BODY[:30]]),
        Reply([]),
    ],
    ids=["Content-Length", "chunked", "JSON", "empty"],
)
async def test_a_whole_answer_that_is_cut_off_is_an_error(reply: Reply) -> None:
    with pytest.raises(UpstreamTruncated):
        await complete_reply(reply)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply([b"<html>hello</html>"]), "no API there; check base_url"),
        (json_reply({"hello": "world"}), "without a choice; check base_url"),
        (
            json_reply({"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}),
            "failed in the middle",
        ),
    ],
)
async def test_what_is_no_answer_is_told(reply: Reply, words: str) -> None:
    with pytest.raises(UpstreamError, match=words):
        await complete_reply(reply)


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6])
async def test_a_stream_whose_first_bytes_come_alone_is_a_stream(at: int) -> None:
    """Cut off in the middle, its answer is incomplete: nobody has to look at `base_url`."""
    body = sse_event({"choices": [{"index": 0, "delta": {"content": "Hel"}}]})
    chunks, failure = await stream_replies(Reply([body[:at], body[at:]], pause_s=0.05))
    assert join_text(chunks) == "Hel"
    assert isinstance(failure, UpstreamTruncated)


@pytest.mark.parametrize("at", [1, 4, 9])
async def test_a_text_whose_first_bytes_come_alone_is_no_api(at: int) -> None:
    body = b"date of birth: unknown"
    _, failure = await stream_replies(Reply([body[:at], body[at:]], pause_s=0.05))
    assert "no API there" in str(failure)


async def test_a_whole_answer() -> None:
    answer = await complete_reply(WHOLE)
    assert answer["choices"][0]["message"]["content"] == "Hi"


async def test_what_came_before_nonsense_is_told_first() -> None:
    said = {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}
    chunks, failure = await stream_replies(Reply([sse_event(said) + b"data: not json\n\n"]))
    assert join_text(chunks) == "Hel"
    assert "not JSON" in str(failure)


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "unknown field", UpstreamError),
        (401, "bad key", UpstreamUnauthorized),
        (402, "no credits", UpstreamError),
        (403, "not yours", UpstreamUnauthorized),
        (404, "no such model", UpstreamError),
        (429, "slow down", UpstreamRateLimited),
        (429, "rate limit: too many tokens per minute", UpstreamRateLimited),
        (500, "oops", UpstreamError),
        (503, "Loading model", UpstreamLoading),
        (503, "overloaded", UpstreamError),
        (400, "This model's maximum context length is 4096 tokens", ContextTooLong),
        (413, "prompt is too long: 9000 tokens > 4096 maximum", ContextTooLong),
        (422, "`inputs` tokens + `max_new_tokens` must be <= 4096", ContextTooLong),
        (400, "rate limit reached: too many tokens", UpstreamError),
        (500, "context length", UpstreamError),
    ],
)
@pytest.mark.parametrize("whole", [False, True], ids=["stream", "whole"])
async def test_errors_keep_their_meaning(
    status: int, words: str, kind: type[PrompterError], whole: bool
) -> None:
    reply = error_reply(status, words, Retry_After="20")
    if whole:
        with pytest.raises(PrompterError) as caught:
            await complete_reply(reply)
        failure: Any = caught.value
    else:
        _, failure = await stream_replies(reply)
    assert type(failure) is kind
    if isinstance(failure, UpstreamError):
        assert failure.upstream_status == status
        assert failure.retry_after_s == 20
    if status not in (401, 403):
        assert words in failure.message


async def test_a_code_is_enough_to_know_an_overflow() -> None:
    body = {"error": {"message": "Please reduce your messages.", "code": "context_length_exceeded"}}
    _, failure = await stream_replies(json_reply(body, 400))
    assert isinstance(failure, ContextTooLong)


@pytest.mark.parametrize(("ms", "after_s"), [("6500", 6.5), ("x", 7.0), ("-1", 7.0), ("inf", 7.0)])
async def test_retry_after_in_milliseconds(ms: str, after_s: float) -> None:
    _, failure = await stream_replies(error_reply(429, "slow down", Retry_After="7", Retry_After_Ms=ms))
    assert failure is not None
    assert failure.retry_after_s == after_s


@pytest.mark.parametrize(
    "reply",
    [
        error_reply(400, f"bad input: {PROMPT}"),
        sse_reply({"choices": [{"delta": {"content": "a"}}]}, {"error": {"message": f"{KEY} said {PROMPT}"}}),
        sse_reply({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": PROMPT}}]}),
    ],
)
async def test_neither_key_nor_prompt_is_in_an_error_or_a_log(
    reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        _, failure = await stream_replies(reply)
    assert failure is not None
    logging.getLogger("test").debug("raised", exc_info=failure)
    for private in (KEY, PROMPT, "purple submarine"):
        assert private not in failure.message
        assert private not in caplog.text


async def test_parts_of_a_prompt_are_private_too() -> None:
    said = {"role": "user", "content": [{"type": "text", "text": PROMPT}]}
    called = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": PROMPT}}]}
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        for message in (said, called):
            upstream.script.append(error_reply(400, f"bad: {PROMPT}"))
            _, failure = await stream_chunks(asked, messages=[message])
            assert failure is not None
            assert "submarine" not in failure.message


# -- tries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [error_reply(429, "x", Retry_After="0"), error_reply(500, "x"), error_reply(408, "x"), dropped_reply()],
)
async def test_one_failure_before_the_first_byte_is_tried_again(first: Reply) -> None:
    chunks, failure = await stream_replies(first, chat_reply("Hi"))
    assert (join_text(chunks), failure) == ("Hi", None)


@pytest.mark.parametrize(
    ("replies", "count"),
    [
        ([error_reply(500, "x")] * 3, 2),
        ([dropped_reply()] * 3, 2),
        ([error_reply(400, "x")] * 3, 1),
        ([error_reply(429, "x", Retry_After="60")] * 3, 1),
        ([chat_reply("Hel", **CUT)] * 3, 1),
    ],
    ids=["500", "dropped", "400", "long Retry-After", "after the first byte"],
)
async def test_an_upstream_gets_few_tries(replies: list[Reply], count: int) -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.script.extend(replies)
        assert (await stream_chunks(asked))[1] is not None
        assert len(upstream.requests) == count


async def test_all_tries_share_the_time_to_the_first_byte() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream, first_byte_timeout_s=0.6) as asked:
        upstream.script.extend([error_reply(400, "no stream_options"), error_reply(500, "x"), silent_reply()])
        started = time.monotonic()
        _, failure = await stream_chunks(asked)
        assert isinstance(failure, UpstreamTimeout)
        assert time.monotonic() - started < 1.5


async def test_a_refused_wish_for_usage_is_remembered_for_all_models() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.script.append(error_reply(422, "extra fields: stream_options"))
        for _ in range(2):
            assert (await stream_chunks(asked))[1] is None
        sent = ["stream_options" in asked.json for asked in upstream.requests]
        assert sent == [True, False, False]


async def test_what_did_not_help_is_not_remembered() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.script.extend([error_reply(400, "no stream_options"), error_reply(400, "bad anyway")])
        assert (await stream_chunks(asked))[1] is not None
        await stream_chunks(asked)
        assert ["stream_options" in asked.json for asked in upstream.requests] == [True, False, True]


# -- time ---------------------------------------------------------------------------------------------------------


async def test_the_first_byte_has_its_time() -> None:
    for reply in (silent_reply(), Reply([b": ping\n\n"] * 100, pause_s=0.05), Reply([], ending="hang")):
        _, failure = await stream_replies(reply, first_byte_timeout_s=0.3)
        assert isinstance(failure, UpstreamTimeout)


async def test_comments_are_no_progress_between_events() -> None:
    begun = sse_event({"choices": [{"index": 0, "delta": {"content": "Hel"}}]})
    reply = Reply([begun] + [b": ping\n\n"] * 100, pause_s=0.05)
    chunks, failure = await stream_replies(reply, idle_timeout_s=0.3)
    assert join_text(chunks) == "Hel"
    assert isinstance(failure, UpstreamTimeout)


async def test_a_long_answer_has_no_limit_of_its_own() -> None:
    reply = chat_reply(*"abcdefgh", pause_s=0.1)
    chunks, failure = await stream_replies(reply, idle_timeout_s=0.4, first_byte_timeout_s=0.4)
    assert (join_text(chunks), failure) == ("abcdefgh", None)


async def test_a_slow_reader_is_no_slow_upstream() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream, idle_timeout_s=0.3) as asked:
        upstream.script.append(chat_reply("Hel", "lo", pause_s=0.05))
        seen = []
        async for chunk in asked.stream(make_request()):
            seen.append(chunk)
            await asyncio.sleep(0.4 if len(seen) == 2 else 0)
        assert join_text(seen) == "Hello"


async def test_a_whole_answer_may_take_longer_than_a_first_byte() -> None:
    answer = await complete_reply(replace(WHOLE, wait_s=0.8), first_byte_timeout_s=0.3)
    assert answer["choices"]
    with pytest.raises(UpstreamTimeout):
        await complete_reply(silent_reply(), first_byte_timeout_s=0.03)


# -- leaving ------------------------------------------------------------------------------------------------------


async def test_closing_the_stream_closes_the_upstream_within_a_second() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.script.append(chat_reply("Hel", ending="hang", **CUT))
        async with aclosing(asked.stream(make_request())) as chunks:
            await anext(chunks)
        await asyncio.wait_for(upstream.left.wait(), 30)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("reply", [silent_reply(), Reply([b"{"], ending="hang")])
async def test_cancelling_closes_the_upstream_within_a_second(reply: Reply, whole: bool) -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.script.append(reply)
        work = asked.complete(make_request()) if whole else anext(asked.stream(make_request()))
        task = asyncio.ensure_future(work)
        await asyncio.wait_for(upstream.asked.wait(), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(upstream.left.wait(), 30)


async def test_a_connection_serves_the_next_answer() -> None:
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as asked:
        upstream.keeps_connections = True
        upstream.script.extend([chat_reply("Hi"), WHOLE, chat_reply("Hi")])
        await stream_chunks(asked)
        await asked.complete(make_request())
        await stream_chunks(asked)
        assert upstream.connections == 1
