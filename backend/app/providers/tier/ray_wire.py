"""Messages between a server and the process that holds its place in a Ray cluster: lengths, a name, and bytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_HEADER = struct.Struct("!BQHI")
"""Kind, number of the call, length of the name, length of the body."""


class Kind(IntEnum):
    """What a message says. The server sends the first three, the process the others."""

    CALL = 1
    """The body is for the worker of this name."""
    CANCEL = 2
    """Nobody waits for this call any more."""
    FIND = 3
    """Which workers are there?"""
    JOINED = 4
    REFUSED = 5
    """The cluster cannot be joined: the body says why, and the process ends."""
    ANSWER = 6
    """The worker's answer, or to FIND the names, a line each."""
    LOST = 7
    """The worker cannot be reached. The body is not empty where its process has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message."""

    kind: Kind
    number: int = 0
    """Of the call, chosen by the server."""
    name: str = ""
    body: bytes = b""

    def pack(self) -> bytes:
        """The message as bytes."""
        name = self.name.encode()
        return _HEADER.pack(self.kind, self.number, len(name), len(self.body)) + name + self.body


class Unpacker:
    """Divides a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def push(self, data: bytes) -> Iterator[Message]:
        """Take the next bytes; yield the messages that they complete."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, number, name_bytes, body_bytes = _HEADER.unpack_from(self._buffer)
            body_at = _HEADER.size + name_bytes
            end = body_at + body_bytes
            if len(self._buffer) < end:
                return
            name = self._buffer[_HEADER.size : body_at].decode()
            body = bytes(self._buffer[body_at:end])
            del self._buffer[:end]
            yield Message(kind=Kind(kind), number=number, name=name, body=body)
