"""Blanks what MP4, M4A, 3GP and QuickTime files say about place, time and camera; pure.

Nothing is moved: what goes is overwritten with zeros where it stands, so pictures and sound stay bit for bit, and no
table of offsets has to be written anew. Only boxes that playing needs are kept, and only tracks of pictures and sound:
cameras write places into tracks of text and of data too. See ISO/IEC 14496-12 and Apple's QuickTime File Format.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from app.core.errors import FileNotReadable

MOST_BOXES = 100_000
"""A recording of four hours in pieces of a second has 30,000."""
_KEPT = {
    b"": frozenset(
        (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"ssix", b"wide", b"free", b"skip")
    ),
    b"moov": frozenset((b"mvhd", b"trak", b"mvex", b"iods", b"pssh", b"cmov")),
    b"trak": frozenset((b"tkhd", b"mdia", b"edts", b"tref", b"tapt", b"load", b"clip", b"matt", b"txas")),
    b"mdia": frozenset((b"mdhd", b"hdlr", b"minf", b"elng")),
    b"minf": frozenset((b"vmhd", b"smhd", b"hmhd", b"nmhd", b"sthd", b"gmhd", b"hdlr", b"dinf", b"stbl")),
}
"""The boxes that stay in the file and in each box that is looked into. Others are looked into no further."""
_DATES = (b"mvhd", b"tkhd", b"mdhd")
_EMPTY = (b"free", b"skip", b"wide")
"""Their content means nothing, and may be what was once something else."""
_PLAYED = (b"vide", b"soun")


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


def blank_metadata(data: bytes) -> bytes:
    """The file without what it says about itself, of the same length.

    Raises:
        FileNotReadable: it has more boxes than any recording.
    """
    return _Blanker(data).blank()


class _Blanker:
    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._boxes_left = MOST_BOXES
        self._samples_left = len(data)
        """So many bytes of samples are overwritten at most: a table could name the same ones again and again."""

    def blank(self) -> bytes:
        self._clean(b"", 0, len(self._data))
        return bytes(self._data)

    def _clean(self, inside: bytes, start: int, end: int) -> None:
        """Clean a part of the file; what stands behind its boxes and is none goes too."""
        for box in self._list_boxes(start, end):
            self._clean_box(inside, box)
            start = box.end
        self._zero(start, end)

    def _clean_box(self, inside: bytes, box: _Box) -> None:
        if box.kind not in _KEPT[inside]:
            self._empty(box)
        elif box.kind in _EMPTY:
            self._zero(box.body, box.end)
        elif box.kind == b"trak" and self._find_handler(box) not in _PLAYED:
            self._empty_samples(box)
            self._empty(box)
        elif box.kind in _KEPT:
            self._clean(box.kind, box.body, box.end)
        elif box.kind in _DATES:
            long = self._data[box.body : box.body + 1] == b"\x01"
            self._zero(box.body + 4, min(box.body + (20 if long else 12), box.end))
        elif box.kind == b"hdlr":  # what it handles stays, and who made it goes
            self._zero(box.body + 12, box.end)

    def _list_boxes(self, start: int, end: int) -> Iterator[_Box]:
        while end - start >= 8:
            self._boxes_left -= 1
            if self._boxes_left < 0:
                raise FileNotReadable(
                    f"the recording consists of more than {MOST_BOXES} parts; convert it, for example to MP3",
                    param="file",
                )
            size, kind = struct.unpack_from(">I4s", self._data, start)
            body = start + 8
            if size == 1 and end - start >= 16:
                (size,) = struct.unpack_from(">Q", self._data, body)
                body += 8
            if size == 0:  # as far as there is anything
                size = end - start
            if size < body - start:
                return
            yield _Box(kind=kind, start=start, body=body, end=min(start + size, end))
            start += size

    def _empty(self, box: _Box) -> None:
        self._data[box.start + 4 : box.start + 8] = b"free"
        self._zero(box.body, box.end)

    def _zero(self, start: int, end: int) -> None:
        if start < end:
            self._data[start:end] = bytes(end - start)

    # -- tracks

    def _find(self, box: _Box | None, kind: bytes) -> _Box | None:
        boxes: Iterable[_Box] = self._list_boxes(box.body, box.end) if box else ()
        return next((each for each in boxes if each.kind == kind), None)

    def _find_handler(self, track: _Box) -> bytes:
        """What kind of track it is."""
        handler = self._find(self._find(track, b"mdia"), b"hdlr")
        return bytes(self._data[handler.body + 8 : handler.body + 12]) if handler else b""

    def _empty_samples(self, track: _Box) -> None:
        """Overwrite what a track has elsewhere in the file."""
        table = self._find(self._find(self._find(track, b"mdia"), b"minf"), b"stbl")
        boxes: Iterable[_Box] = self._list_boxes(table.body, table.end) if table else ()
        bodies = {box.kind: bytes(self._data[box.body : box.end]) for box in boxes}
        for start, size in _list_chunks(bodies):
            size = min(size, self._samples_left)
            self._samples_left -= size
            self._zero(start, min(start + size, len(self._data)))


def _list_chunks(tables: Mapping[bytes, bytes]) -> Iterator[tuple[int, int]]:
    """Place and size of each chunk of samples, by the tables of its track."""
    wide = b"co64" in tables
    places = _read_table(tables.get(b"co64" if wide else b"stco", b""), ">Q" if wide else ">I")
    runs = list(_read_table(tables.get(b"stsc", b""), ">III"))
    sizes = tables.get(b"stsz", b"")
    fixed = int.from_bytes(sizes[4:8])
    each = _read_table(sizes[4:], ">I")
    run = 0
    for number, (place,) in enumerate(places, 1):
        while run + 1 < len(runs) and runs[run + 1][0] <= number:
            run += 1
        samples = runs[run][1] if runs else 1
        yield place, samples * fixed or sum(size for (size,) in islice(each, samples))


def _read_table(body: bytes, row: str) -> Iterator[tuple[int, ...]]:
    """The rows of a table, which stand behind its version and its length."""
    body = body[8:]
    return struct.iter_unpack(row, body[: len(body) - len(body) % struct.calcsize(row)])
