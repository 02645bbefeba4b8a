"""The codec of server-sent events: however the bytes are cut, the events are the same."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.upstream.codec import EventTooLong, SseDecoder

STREAM = (
    b": OPENROUTER PROCESSING\n\n"
    b'data: {"a":1}\n\n'
    b"event: message\r\ndata: two\r\ndata: lines\r\n\r\n"
    b"data:tight\r\r"
    b"id: 7\nretry: 10\n\n"
    b'{"error":"bare"}\n'
    b"data: \xc3\xb1and\xc3\xba\n\n"
    b"data: [DONE]"
)
EVENTS = [b'{"a":1}', b"two\nlines", b"tight", b'{"error":"bare"}', "ñandú".encode(), b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    decoder = SseDecoder()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    found = [event for piece in pieces for event in decoder.feed(piece)]
    assert found + decoder.finish() == EVENTS


def test_byte_by_byte() -> None:
    decoder = SseDecoder()
    found = [event for byte in STREAM for event in decoder.feed(bytes([byte]))]
    assert found + decoder.finish() == EVENTS


def test_comments_and_other_fields_give_nothing() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b": ping\n\n: ping\n\nevent: x\n\n") == []
    assert decoder.finish() == []


def test_events_without_data_are_no_events() -> None:
    """Some servers keep a connection alive with them."""
    decoder = SseDecoder()
    assert decoder.feed(b"data:\n\ndata\n\ndata: \n\ndata:\ndata:\n\ndata:  \r\n\r\n") == []
    assert decoder.feed(b"data:\ndata: 1\n\n") == [b"\n1"]


def test_a_byte_order_mark_may_come_first() -> None:
    assert SseDecoder().feed(b"\xef\xbb\xbfdata: 1\n\n") == [b"1"]
    decoder = SseDecoder()
    found = [event for byte in b"\xef\xbb\xbfdata: 1\n\n" for event in decoder.feed(bytes([byte]))]
    assert found == [b"1"]


def test_named_events_that_are_no_chunks_are_left_out() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"event: ping\ndata: 2026-11-29T11:00\n\n") == []
    assert decoder.feed(b'event: ping\ndata: {"type":"ping"}\n\n') == [b'{"type":"ping"}']
    assert decoder.feed(b"event: message\ndata: x\n\n") == [b"x"]
    assert decoder.feed(b"event: ping\n\ndata: x\n\n") == [b"x"], "a name ends with its event"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"out of memory", b'{"error":"out of memory"}'),
        (b'{"message":"oom"}', b'{"error":{"message":"oom"}}'),
        (b'{"error":{"message":"oom"}}', b'{"error":{"message":"oom"}}'),
    ],
)
def test_an_event_named_error_is_an_error(data: bytes, told: bytes) -> None:
    assert SseDecoder().feed(b"event: error\ndata: %s\n\n" % data) == [told]


@pytest.mark.parametrize("line", [b"data: " + b"x" * 2000, b"data: xxxxxxxxxx\n" * 300])
def test_an_event_without_end_is_refused(line: bytes) -> None:
    decoder = SseDecoder(limit_bytes=1000)
    pieces = [line[start : start + 100] for start in range(0, len(line), 100)]
    with pytest.raises(EventTooLong):
        [decoder.feed(piece) for piece in pieces]


def test_one_long_piece_of_short_events_is_fine() -> None:
    assert len(SseDecoder(limit_bytes=100).feed(b"data: x\n\n" * 1000)) == 1000
