"""Ids that sort by time of creation: UUIDs of version 7 (RFC 9562, method 3)."""

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """Make an id: 48 bits of milliseconds, 12 bits of the fraction below one, 62 random bits.

    The ids of one process rise strictly, so that later rows sort later even within a microsecond, and while the
    clock stands before an id that is stored already (`continue_after`).
    """
    global _last
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    with _lock:
        _last = max(_last + 1, milliseconds << 12 | rest_ns * 4096 // 1_000_000)
        stamp = _last
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)


def continue_after(stored: UUID | None) -> None:
    """Let all further ids of this process sort after a stored one, wherever the clock stands.

    An id of another kind (the local user's, for example) says nothing about time, and changes nothing.
    """
    global _last
    if stored is not None and stored.version == 7:
        with _lock:
            _last = max(_last, stored.int >> 80 << 12 | stored.int >> 64 & 0xFFF)


def parse_id(text: str) -> UUID | None:
    """Parse an id in its usual form; None if it is malformed. Treat a malformed id like an unknown one."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
