"""Messages between a server and its process in a Ray cluster survive any cutting of the bytes."""

from hypothesis import given
from hypothesis import strategies as st

from app.providers.tier.ray_wire import Kind, Message, Unpacker

messages = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    number=st.integers(0, 2**64 - 1),
    name=st.text(max_size=20),
    body=st.binary(max_size=200),
)


@given(st.lists(messages, max_size=6), st.lists(st.integers(1, 50)))
def test_messages_come_out_as_they_went_in(sent: list[Message], cuts: list[int]) -> None:
    stream = b"".join(message.pack() for message in sent)
    unpacker = Unpacker()
    found: list[Message] = []
    for cut in cuts:
        found += unpacker.push(stream[:cut])
        stream = stream[cut:]
    assert [*found, *unpacker.push(stream)] == sent
