"""Keeps animated pictures whole, without what they say about themselves; pure.

Their frames are not decoded: a long animation would take minutes. Only the parts that drawing needs are copied.
"""

import struct
import zlib
from collections.abc import Callable, Iterator

MEDIA_TYPES = {"GIF": "image/gif", "PNG": "image/apng", "WEBP": "image/webp"}
MOST_FRAMES = 20_000
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = frozenset(
    (
        *(b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"IEND"),
        *(b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"),
    )
)
_WEBP_FRAME = frozenset((b"ALPH", b"VP8 ", b"VP8L"))
_WEBP_FLAGS = 0x12
"""Transparency and animation; the others announce a colour profile and metadata."""


class _Unusual(Exception):
    """The animation is damaged, or not made as usual ones are."""


def copy_animation(data: bytes, format_: str) -> bytes | None:
    """The animation without metadata and without what follows it; None where that cannot be made."""
    try:
        return _COPIERS[format_](data)
    except (_Unusual, IndexError, struct.error):
        return None


def _check_frame(frame: tuple[int, int, int, int], screen: tuple[int, int], number: int) -> None:
    """A frame beyond the edge makes the whole picture as large in some programs."""
    left, top, width, height = frame
    if left + width > screen[0] or top + height > screen[1] or number > MOST_FRAMES:
        raise _Unusual


# -- GIF


def _copy_gif(data: bytes) -> bytes:
    screen = struct.unpack_from("<HH", data, 6)
    at = 13 + _measure_colours(data[10])
    kept, frames = [data[:at]], 0
    while (kind := data[at]) != 0x3B:
        if kind == 0x2C:
            frames += 1
            _check_frame(struct.unpack_from("<HHHH", data, at + 1), screen, frames)
            end = _skip_blocks(data, at + 11 + _measure_colours(data[at + 9]))
            kept.append(data[at:end])
        elif kind == 0x21:
            end = _skip_blocks(data, at + 2)
            kept.append(_copy_extension(data[at:end]))
        else:
            raise _Unusual
        at = end
    return b"".join((*kept, b"\x3b"))


def _measure_colours(flags: int) -> int:
    """Bytes of the table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int) -> int:
    while size := data[at]:
        at += 1 + size
    return at + 1


def _copy_extension(block: bytes) -> bytes:
    """How long a frame is shown, and how often all are; nothing of any other."""
    if block[1] == 0xF9 and len(block) == 8:
        return block
    if block[1] == 0xFF and block[3:14] in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and block[14:16] == b"\x03\x01":
        return block[:18] + b"\x00"
    return b""


# -- PNG


def _copy_png(data: bytes) -> bytes:
    screen, kept, frames, at = (0, 0), [_PNG], 0, len(_PNG)
    while True:
        size, kind = struct.unpack_from(">I4s", data, at)
        body, end = data[at + 8 : at + 8 + size], at + 12 + size
        if end > len(data) or zlib.crc32(kind + body) != int.from_bytes(data[end - 4 : end]):
            raise _Unusual
        if kind == b"IHDR":
            screen = struct.unpack_from(">II", body)
        elif kind == b"fcTL":
            frames += 1
            width, height, left, top = struct.unpack_from(">IIII", body, 4)
            _check_frame((left, top, width, height), screen, frames)
        if kind in _PNG_CHUNKS:
            kept.append(data[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end


# -- WebP


def _copy_webp(data: bytes) -> bytes:
    screen, frames = (0, 0), 0
    kept: list[bytes] = []
    (size,) = struct.unpack_from("<I", data, 4)  # what follows is no part of the picture
    for kind, body in _list_chunks(data[: 8 + size], 12):
        if kind == b"VP8X":
            screen = (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
            kept.append(_make_chunk(kind, bytes((body[0] & _WEBP_FLAGS,)) + body[1:10]))
        elif kind == b"ANIM":
            kept.append(_make_chunk(kind, body[:6]))
        elif kind == b"ANMF":
            frames += 1
            left, top, width, height = (int.from_bytes(body[n : n + 3], "little") for n in (0, 3, 6, 9))
            _check_frame((2 * left, 2 * top, width + 1, height + 1), screen, frames)
            inside = (_make_chunk(*chunk) for chunk in _list_chunks(body, 16) if chunk[0] in _WEBP_FRAME)
            kept.append(_make_chunk(kind, body[:16] + b"".join(inside)))
    whole = b"".join(kept)
    return b"RIFF" + struct.pack("<I", 4 + len(whole)) + b"WEBP" + whole


def _list_chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            raise _Unusual
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _make_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


_COPIERS: dict[str, Callable[[bytes], bytes]] = {"GIF": _copy_gif, "PNG": _copy_png, "WEBP": _copy_webp}
