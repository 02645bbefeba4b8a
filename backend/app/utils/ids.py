"""Ids that sort by the time they were made: UUIDs of version 7 (RFC 9562, method 3), unique and rising."""

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A new id: 48 bits of milliseconds, 12 bits of what is below one, 62 random bits.

    Ids of one process rise strictly, so what was stored later sorts later even within a microsecond.
    """
    global _last
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    with _lock:
        _last = max(_last + 1, milliseconds << 12 | rest_ns * 4096 // 1_000_000)
        stamp = _last
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)


def parse_id(text: str) -> UUID | None:
    """The id that a text holds in its one usual form, or None: a malformed id is an unknown id."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
