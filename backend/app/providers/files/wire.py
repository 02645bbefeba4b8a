"""What the reader process is asked for, and the messages that it answers with."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

HEAD = struct.Struct("!cI")
"""Kind of the message, and the number of bytes that follow."""
ABOUT, CONTENT, THUMBNAIL, VIEW, TEXT = b"A", b"C", b"T", b"V", b"X"
DONE, REFUSED = b"D", b"R"

Send = Callable[[bytes, bytes], None]


class ReadingRefused(Exception):
    """The file cannot be read; the message is safe to show to its sender."""


@dataclass(frozen=True)
class Job:
    """What to read, and how much of it."""

    format: str
    """A format of pictures, `pdf`, `docx` or `text`."""
    text_bytes: int
    """Most bytes of text (UTF-8)."""
