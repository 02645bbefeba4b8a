"""Writes a zip file piece by piece, with no more of it in memory than one piece."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import anyio.to_thread

from app.utils.file_names import make_stem

PIECE_BYTES = 64 * 1024
_FIRST_YEAR, _LAST_YEAR = 1980, 2107
"""The years that a zip file can tell."""
_STEM_CHARS, _STEM_BYTES = 70, 160
"""Longest name without its number and its extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file in a zip file."""

    name: str
    at: datetime
    """Its time, in the zone of the reader: a zip file names no zone."""
    pieces: AsyncIterator[bytes]
    is_compressed: bool = False
    """Whether its content would not get smaller, as that of a picture."""


async def write_zip(entries: AsyncIterator[Entry]) -> AsyncGenerator[bytes, None]:
    """Write the entries one after another."""
    sink = _Sink()
    with ZipFile(sink, "w") as archive:
        async for entry in entries:
            with archive.open(_describe(entry), "w", force_zip64=True) as file:
                async for piece in entry.pieces:
                    await anyio.to_thread.run_sync(file.write, piece)
                    if len(sink.content) >= PIECE_BYTES:
                        yield sink.take()
    yield sink.take()


def _describe(entry: Entry) -> ZipInfo:
    year = min(max(entry.at.year, _FIRST_YEAR), _LAST_YEAR)
    info = ZipInfo(entry.name, (year, *entry.at.timetuple()[1:6]))
    info.compress_type = ZIP_STORED if entry.is_compressed else ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


class _Sink:
    """Collects what the archive writes. It cannot be sought, so the archive never goes back."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes, /) -> int:
        self.content += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        """The archive is written; its end is still to be taken."""

    def take(self) -> bytes:
        taken = bytes(self.content)
        self.content.clear()
        return taken


class FileNames:
    """Names in one folder, each used once, also where case does not count."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def choose(self, title: str, ending: str, *, unnamed: str) -> str:
        """Make a file name from a title; another one of the same name gets a number."""
        stem = (
            make_stem(title)[:_STEM_CHARS].encode()[:_STEM_BYTES].decode("utf-8", "ignore").strip(" .-")
            or unnamed
        )
        name = f"{stem}.{ending}"
        while (count := self._counts.get(name.casefold(), 0)) > 0:
            self._counts[name.casefold()] = count + 1
            name = f"{stem} ({count + 1}).{ending}"
        self._counts[name.casefold()] = 1
        return name
