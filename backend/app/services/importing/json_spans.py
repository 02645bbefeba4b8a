"""Reads large JSON piece by piece: values are spans of a buffer, found without reading what is in them. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import orjson

from app.storage.common import replace_unstorable

Buffer = bytes | mmap
"""The whole text of a JSON file; as a rule a file that the system maps into memory, and drops again."""

MOST_MEMBERS = 2000
"""Members of an object whose names are kept."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
# Bounded, so that no call holds Python's lock for long, and possessive, so that none keeps a place for each character.
_IN_STRING = re.compile(rb'[^"\\]{0,65536}+(?:\\.[^"\\]{0,65536}+){0,256}+', re.DOTALL)
_BETWEEN_BRACKETS = re.compile(
    rb'(?:[^"{}\[\]]{1,65536}+|"[^"\\]{0,4096}+(?:\\.[^"\\]{0,4096}+){0,64}+"){0,64}+', re.DOTALL
)
"""What stands before the next bracket: short texts, and all that is no text."""
_WORD = re.compile(rb"[-+.0-9A-Za-z]{1,4096}+")
_QUOTE, _OPEN, _CLOSE = b'"', b"{[", b"}]"
_BOM = b"\xef\xbb\xbf"


class DamagedJson(Exception):
    """The text is no JSON from a position on."""

    def __init__(self, at: int) -> None:
        super().__init__(f"no JSON from byte {at} on")
        self.at = at


class TooLarge(Exception):
    """A value is longer than its reader accepts."""


class TooDeep(Exception):
    """A value nests deeper than a reader of JSON follows."""


@dataclass(frozen=True, slots=True)
class Span:
    """One value: from its first byte to the one after its last."""

    buffer: Buffer
    start: int
    end: int

    @property
    def kind(self) -> str:
        """`{` an object, `[` a list, `"` a text, else a number or a word."""
        return self.buffer[self.start : self.start + 1].decode("latin-1")

    @property
    def size_bytes(self) -> int:
        return self.end - self.start

    def members(self) -> Iterator[tuple[str, "Span"]]:
        """The members of an object in their order, a name that stands twice twice; none of another value.

        Raises:
            DamagedJson
        """
        if self.kind != "{":
            return
        at = skip_space(self.buffer, self.start + 1)
        while not _is_at(self.buffer, at, b"}"):
            name, at = read_name(self.buffer, at)
            value = find_value(self.buffer, at)
            yield name, value
            at = skip_separator(self.buffer, value.end, b"}")

    def items(self) -> Iterator["Span"]:
        """The values of a list; none of another value.

        Raises:
            DamagedJson
        """
        if self.kind != "[":
            return
        at = skip_space(self.buffer, self.start + 1)
        while not _is_at(self.buffer, at, b"]"):
            value = find_value(self.buffer, at)
            yield value
            at = skip_separator(self.buffer, value.end, b"]")

    def index(self) -> dict[str, "Span"]:
        """The members of an object by their names; of two with one name the last.

        Raises:
            TooLarge: it has more than `MOST_MEMBERS`.
            DamagedJson
        """
        found: dict[str, Span] = {}
        for name, value in self.members():
            found[name] = value
            if len(found) > MOST_MEMBERS:
                raise TooLarge
        return found

    def load(self, limit_bytes: int) -> Any:
        """The value itself.

        Raises:
            TooLarge: it has more bytes than the limit.
            TooDeep: it nests too deep.
            DamagedJson: it is no JSON.
        """
        if self.size_bytes > limit_bytes:
            raise TooLarge
        text = self.buffer[self.start : self.end]
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
        # Programs in JavaScript write half of an emoji where they cut a text: only Python's own reader takes it.
        try:
            return _replace_halves(json.loads(text))
        except RecursionError:
            raise TooDeep from None
        except ValueError:
            raise DamagedJson(self.start) from None


def read_root(buffer: Buffer) -> Span:
    """The one value of a file.

    Raises:
        DamagedJson: there is none, or something follows it.
    """
    root = find_value(buffer, skip_space(buffer, len(_BOM) if buffer[:3] == _BOM else 0))
    if skip_space(buffer, root.end) != len(buffer):
        raise DamagedJson(root.end)
    return root


def peek_root(buffer: Buffer) -> tuple[str, int]:
    """The kind of a file's first value as `Span.kind`, and its position, without looking for its end."""
    at = skip_space(buffer, len(_BOM) if buffer[:3] == _BOM else 0)
    return buffer[at : at + 1].decode("latin-1"), at


def find_value(buffer: Buffer, at: int) -> Span:
    """The value that begins at a position, which is no space.

    Raises:
        DamagedJson
    """
    first = buffer[at : at + 1]
    if first == _QUOTE:
        return Span(buffer, at, _end_string(buffer, at))
    if first and first in _OPEN:
        return Span(buffer, at, _end_container(buffer, at))
    word = _WORD.match(buffer, at)
    if word is None:
        raise DamagedJson(at)
    return Span(buffer, at, word.end())


def read_name(buffer: Buffer, at: int) -> tuple[str, int]:
    """The name of a member that begins here, and the position of its value.

    Raises:
        DamagedJson
    """
    if not _is_at(buffer, at, _QUOTE):
        raise DamagedJson(at)
    end = _end_string(buffer, at)
    try:
        name = json.loads(buffer[at : min(end, at + (1 << 16))])
    except ValueError:
        raise DamagedJson(at) from None
    colon = skip_space(buffer, end)
    if not _is_at(buffer, colon, b":"):
        raise DamagedJson(colon)
    return replace_unstorable(str(name)), skip_space(buffer, colon + 1)


def skip_separator(buffer: Buffer, at: int, closing: bytes) -> int:
    """The position of the next value of a list or object, or of its end.

    Raises:
        DamagedJson
    """
    at = skip_space(buffer, at)
    if _is_at(buffer, at, closing):
        return at
    if not _is_at(buffer, at, b","):
        raise DamagedJson(at)
    at = skip_space(buffer, at + 1)
    if _is_at(buffer, at, closing):
        raise DamagedJson(at)
    return at


def skip_space(buffer: Buffer, at: int) -> int:
    found = _SPACE.match(buffer, at)
    return found.end() if found else at


def _replace_halves(value: Any) -> Any:
    """The value without halves of characters, which can be written nowhere, in no name and no text."""
    return json.loads(replace_unstorable(json.dumps(value, ensure_ascii=False)))


def _is_at(buffer: Buffer, at: int, wanted: bytes) -> bool:
    """Whether this character stands here.

    Raises:
        DamagedJson: the text ends here.
    """
    found = buffer[at : at + 1]
    if not found:
        raise DamagedJson(at)
    return found == wanted


def _end_string(buffer: Buffer, at: int) -> int:
    at += 1
    while True:
        found = _IN_STRING.match(buffer, at)
        end = found.end() if found else at
        if _is_at(buffer, end, _QUOTE):
            return end + 1
        if end == at:
            raise DamagedJson(at)
        at = end


def _end_container(buffer: Buffer, at: int) -> int:
    """The end of a list or object, by counting brackets: depth costs no memory."""
    depth = 0
    while True:
        found = _BETWEEN_BRACKETS.match(buffer, at)
        at = found.end() if found else at
        character = buffer[at : at + 1]
        if not character:
            raise DamagedJson(at)
        if character == _QUOTE:
            at = _end_string(buffer, at)
        elif character in _OPEN:
            depth, at = depth + 1, at + 1
        elif character in _CLOSE:
            depth, at = depth - 1, at + 1
            if depth == 0:
                return at
