"""An upstream that means ill, or writes JSON as Python does: an error of ours or an answer, never a flood."""

from typing import Any

import pytest

from app.core.errors import BadRequest, UpstreamError, UpstreamTruncated
from app.providers.upstream.codec import MAX_JSON_LEVELS, EventTooLong, JsonTooDeep, SseDecoder, parse_json
from app.providers.upstream.errors import parse_retry_after_s
from tests.fakes.upstream import FakeUpstream, Reply, sse_event, sse_reply
from tests.support.upstream_chat import complete_reply, join_text, open_chat, stream_chunks, stream_replies

HELLO = sse_event({"choices": [{"index": 0, "delta": {"content": "Hello"}}]})


@pytest.mark.parametrize("levels", [300, 900, 100_000])
async def test_a_request_that_nests_is_sent_or_refused(levels: int) -> None:
    deep: Any = 1
    for _ in range(levels):
        deep = [deep]
    async with FakeUpstream().serve() as upstream, open_chat(upstream) as chat:
        _, error = await stream_chunks(chat, tools=deep)
        assert (type(error), len(upstream.requests)) == (
            (BadRequest, 0) if levels > 1000 else (type(None), 1)
        )


def event(body: bytes) -> bytes:
    return b"data: " + body + b"\n\n"


def nested(levels: int, field: bytes = b"delta") -> bytes:
    deep = b"[" * levels + b"]" * levels
    return b'{"choices":[{"index":0,"' + field + b'":{"content":"x"},"deep":' + deep + b"}]}"


@pytest.mark.parametrize("levels", [300, 1000, 100_000])
async def test_an_answer_that_nests_without_end_is_an_error(levels: int) -> None:
    chunks, error = await stream_replies(sse_reply(HELLO, event(nested(levels))))
    assert (join_text(chunks), type(error)) == ("Hello", UpstreamError)
    whole = Reply([nested(levels, b"message")], headers={"Content-Type": "application/json"})
    with pytest.raises(UpstreamError, match="nests too deeply"):
        await complete_reply(whole)


async def test_an_answer_that_nests_as_many_do_is_an_answer() -> None:
    chunks, error = await stream_replies(sse_reply(event(nested(MAX_JSON_LEVELS - 10))))
    assert (join_text(chunks), error) == ("x", None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (rb'"\ud83d"', "?"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\\ud83d"', r"\ud83d"),
        (b'"a\xffb"', "a\ufffdb"),
        (b"[NaN, -Infinity, 1]", [None, None, 1]),
        (rb'{"\ud800": "\ud800\\"}', {"?": "?\\"}),
    ],
)
def test_what_python_writes_is_read(written: bytes, meant: Any) -> None:
    assert parse_json(written) == meant


@pytest.mark.parametrize("written", [b"", b"{", b'{"a":}', b"nan", b"hello", b'"\\ud8'])
def test_what_is_no_json_is_not_read(written: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # json's own
        parse_json(written)


def test_depth_is_told_from_breadth() -> None:
    assert len(parse_json(b"[" + b"[[]]," * 5000 + b"[]]")) == 5001
    with pytest.raises(JsonTooDeep):
        parse_json(b"[" * (MAX_JSON_LEVELS + 1) + b"]" * (MAX_JSON_LEVELS + 1))


async def test_half_a_character_costs_itself_and_not_the_answer() -> None:
    half = event(
        rb'{"choices":[{"index":0,"delta":{"content":"\ud83d"},"logprobs":{"content":[{"logprob":NaN}]}}]}'
    )
    chunks, error = await stream_replies(sse_reply(HELLO, half, HELLO))
    assert (join_text(chunks), error) == ("Hello?Hello", None)


async def test_a_chunk_that_is_cut_off_stays_a_truncation() -> None:
    cut = Reply([HELLO, b'data: {"choices":[{"ind'], headers={"Content-Type": "text/event-stream"})
    _, error = await stream_replies(cut)
    assert isinstance(error, UpstreamTruncated)


@pytest.mark.parametrize("line", [b"data:\n", b"data: \n", b"data:x\n"])
def test_lines_without_an_end_of_their_event_have_a_bound(line: bytes) -> None:
    decoder = SseDecoder(1000)

    def flood() -> None:
        for _ in range(1000):
            decoder.feed(line)

    with pytest.raises(EventTooLong):
        flood()


@pytest.mark.parametrize("code", ["9" * 5000, "٥٠٠", True, -1, 10**30, {}, None])
async def test_an_error_with_an_odd_code_is_an_error(code: Any) -> None:
    _, error = await stream_replies(
        sse_reply(HELLO, sse_event({"error": {"message": "it broke", "code": code}}))
    )
    assert isinstance(error, UpstreamError)
    assert "it broke" in error.message


@pytest.mark.parametrize(
    "value", ["1e308", "9" * 400, "Mon, 01 Jan 9999 00:00:00 -2359", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_nobody_waits_for_ever(value: str) -> None:
    assert (parse_retry_after_s({"retry-after": value}) or 0) <= 24 * 3600


@pytest.mark.parametrize("value", ["nan", "-1", "inf", "x", "Mon, 99 Foo 2026 99:99:99 GMT", "1 2 3"])
def test_a_time_that_is_none_is_not_told(value: str) -> None:
    assert parse_retry_after_s({"retry-after": value}) is None
