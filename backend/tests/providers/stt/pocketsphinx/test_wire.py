"""Messages to and from a worker process survive any cut of the byte stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES, LENGTHS, Header, Unpacker, pack

HEADERS = st.dictionaries(
    st.text(max_size=8), st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=20)), max_size=4
)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=64)), max_size=8), st.integers(1, 40))
def test_messages_come_back_in_order_however_they_are_cut(
    messages: list[tuple[Header, bytes]], step: int
) -> None:
    stream = b"".join(pack(header, body) for header, body in messages)
    unpacker, found = Unpacker(), []
    for at in range(0, len(stream), step):
        found += unpacker.push(stream[at : at + step])
    assert found == messages


@pytest.mark.parametrize("body", [b"", bytes(BLOCK_BYTES)])
def test_an_incomplete_message_is_held_back(body: bytes) -> None:
    message = pack({"op": "feed"}, body)
    unpacker = Unpacker()
    assert unpacker.push(message[:-1]) == []
    assert unpacker.push(message[-1:]) == [({"op": "feed"}, body)]
    assert len(message) == LENGTHS.size + len(b'{"op": "feed"}') + len(body)
