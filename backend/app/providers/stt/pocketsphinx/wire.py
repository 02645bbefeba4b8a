"""Messages between the server and a worker process: lengths, a JSON header, and a body of PCM audio."""

import json
import struct
from typing import Any

SAMPLE_RATE_HZ = 16_000
_BYTES_PER_SAMPLE = 2

BLOCK_SAMPLES = 1536
"""The decoder hears this much audio at a time: 96 ms, three frames of the speech gate, counted from the utterance's
first sample. The cepstral mean moves after each block, so blocks must not depend on how a client cuts its audio."""

BLOCK_BYTES = BLOCK_SAMPLES * _BYTES_PER_SAMPLE

LENGTHS = struct.Struct("!II")
"""Length of the header, length of the body (bytes)."""

Header = dict[str, Any]


def pack(header: Header, body: bytes = b"") -> bytes:
    """One message as bytes."""
    encoded = json.dumps(header).encode()
    return LENGTHS.pack(len(encoded), len(body)) + encoded + body


class Unpacker:
    """Splits a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def push(self, data: bytes) -> list[tuple[Header, bytes]]:
        """Take the next bytes; return the messages that they complete."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= LENGTHS.size:
            header_bytes, body_bytes = LENGTHS.unpack_from(self._buffer)
            body_at = LENGTHS.size + header_bytes
            end = body_at + body_bytes
            if len(self._buffer) < end:
                break
            header: Header = json.loads(self._buffer[LENGTHS.size : body_at])
            messages.append((header, bytes(self._buffer[body_at:end])))
            del self._buffer[:end]
        return messages
