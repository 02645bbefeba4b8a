"""The wire of Wyoming: against the official package both ways, cut anywhere, bounded, and closed to other protocols."""

import io
import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk
from wyoming.event import Event, read_event, write_event

from app.api.dialects.wyoming_wire import HEADER_BYTES, EventDecoder, WyomingEvent, encode_event
from app.core.errors import InvalidMessage, MessageTooBig

SENT = [
    Transcribe(language="es", transcript_names=["Ana"]).event(),
    AudioChunk(rate=16_000, width=2, channels=1, audio=b"\0\1\n{\xff").event(),
    Transcript(text="¿Qué tal?").event(),
]


def write(event: Event) -> bytes:
    file = io.BytesIO()
    write_event(event, file)
    return file.getvalue()


def decode(*pieces: bytes, payload_bytes: int = 1000) -> list[WyomingEvent]:
    decoder = EventDecoder(payload_bytes)
    found = []
    for piece in pieces:
        decoder.feed(piece)
        while (event := decoder.next()) is not None:
            found.append(event)
    return found


@given(st.lists(st.integers(0, 400)))
def test_events_of_the_official_package_are_read_however_they_are_cut(cuts: list[int]) -> None:
    raw = b"".join(map(write, SENT))
    places = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    found = decode(*(raw[start:end] for start, end in pairwise(places)))
    assert [(event.type, dict(event.data), event.payload) for event in found] == [
        (event.type, event.data, event.payload or b"") for event in SENT
    ]


def test_the_official_package_reads_what_is_written() -> None:
    sent = [
        WyomingEvent("transcript", {"text": "¿Qué?\n"}),
        WyomingEvent("describe"),
        WyomingEvent("x", {}, b"\n"),
    ]
    file = io.BytesIO(b"".join(map(encode_event, sent)))
    for event in sent:
        found = read_event(file)
        assert found is not None
        assert (found.type, found.data, found.payload or b"") == (event.type, event.data, event.payload)


def test_data_behind_the_line_wins_over_data_in_it() -> None:
    more = b'{"b": 3}'
    head = {"type": "x", "data": {"a": 1, "b": 2}, "data_length": len(more), "unknown": True}
    [event] = decode(json.dumps(head).encode() + b"\n" + more)
    assert event.data == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:10300\r\n",
        b"POST / HTTP/1.1\r\n\r\n" + b'{"type": "describe"}\n',
        b"\x16\x03\x01\x02",
        b"[]\n",
        b'{"type": 3}\n',
        b'{"type": "x", "data": []}\n',
        b'{"type": "x", "data_length": "3"}\n',
        b'{"type": "x", "payload_length": -1}\n',
        b'{"type": "x", "payload_length": true}\n',
        b'{"type": "x", "data_length": 2}\n[]',
    ],
)
def test_anything_else_is_refused_at_once(raw: bytes) -> None:
    """A web page may have a browser send a request to this port: nothing behind its first line is read."""
    with pytest.raises(InvalidMessage) as refused:
        decode(raw)
    assert "HTTP" not in refused.value.message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type": "' + b"x" * HEADER_BYTES,
        b'{"type": "x", "payload_length": 1001}\n',
        b'{"type": "x", "data_length": %d}\n' % (HEADER_BYTES + 1),
    ],
)
def test_nothing_grows_without_bound(raw: bytes) -> None:
    with pytest.raises(MessageTooBig):
        decode(raw)


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_for(noise: bytes) -> None:
    with suppress(InvalidMessage, MessageTooBig):
        decode(noise)
