"""Opens an uploaded file: plain JSON, or an archive whose JSON is unpacked within bounds. No name in it is a path.

What else an archive holds stays packed until a message has it: see `archived_files.py`.
"""

import hashlib
import mmap
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from app.services.importing.archived_files import (
    BLOCK_BYTES,
    DAMAGES,
    ArchivedFiles,
    find_own_hash,
    is_upload,
)
from app.services.importing.source import Left

DIRECTORY_BYTES = 8 << 20
"""Largest list of contents of an archive: each entry takes ten times its bytes in memory."""
_END, _END_BYTES = b"PK\x05\x06", 22
_END64_LOCATOR, _END64_LOCATOR_BYTES = b"PK\x06\x07", 20
_COMMENT_BYTES = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others can ask for gigabytes of memory before their first byte."""
_SPACE = b" \t\r\n"
_APPLE = b"\x00\x05\x16\x07"
"""How a file begins that macOS packs beside another one, with what it knows of that."""


class DamagedArchive(Exception):
    """The archive cannot be read to its end."""


class ArchiveTooLarge(Exception):
    """What the archive holds is over the limit."""


class NotText(Exception):
    """The file is neither an archive nor JSON."""


@dataclass(slots=True)
class Unpacked:
    """The JSON texts of an upload."""

    file: IO[bytes]
    places: list[tuple[int, int]]
    """Where each text begins in the file, and its bytes."""
    names: list[str] = field(default_factory=list)
    """The name of each text in its archive."""
    files: ArchivedFiles = field(default_factory=ArchivedFiles)
    """Other files of the archive."""
    left: Counter[Left] = field(default_factory=Counter)
    """What of the archive cannot be read, or is JSON without conversations."""

    @contextmanager
    def open_text(self, n: int) -> Iterator[mmap.mmap]:
        """Map a text into memory. The system drops its pages again when it needs them."""
        begin, size = self.places[n]
        mapped = mmap.mmap(self.file.fileno(), size, access=mmap.ACCESS_READ, offset=begin)
        try:
            yield mapped
        finally:
            mapped.close()


def release_pages(text: mmap.mmap) -> None:
    """Let the system drop the pages of a mapped text that were read; what is read again comes from its cache."""
    if hasattr(mmap, "MADV_DONTNEED"):
        text.madvise(mmap.MADV_DONTNEED)


@contextmanager
def open_upload(file: IO[bytes], limit_bytes: int) -> Iterator[Unpacked]:
    """Find the JSON in a file, which is on disk. What is unpacked is deleted when the block ends, or the process.

    Raises:
        NotText, DamagedArchive, ArchiveTooLarge
    """
    file.seek(0)
    head = file.read(BLOCK_BYTES)
    if head.startswith((b"PK\x03\x04", _END)):
        with _open_archive(file) as archive, tempfile.TemporaryFile() as texts:
            yield _unpack(archive, texts, limit_bytes)
    elif _looks_like_json(head):
        yield Unpacked(file=file, places=[(0, file.seek(0, os.SEEK_END))])
    else:
        raise NotText


def _open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    _check_directory(file)
    try:
        return zipfile.ZipFile(file)
    except DAMAGES as error:
        raise DamagedArchive from error


def _unpack(archive: zipfile.ZipFile, texts: IO[bytes], limit_bytes: int) -> Unpacked:
    unpacked = Unpacked(file=texts, places=[], files=ArchivedFiles(archive, limit_bytes))
    try:
        for entry in archive.infolist():
            if not entry.is_dir():
                _sort_entry(archive, entry, unpacked, limit_bytes)
    except DAMAGES as error:
        raise DamagedArchive from error
    texts.flush()
    return unpacked


def _sort_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, unpacked: Unpacked, limit_bytes: int
) -> None:
    """Append an entry to the texts if it begins as JSON does. Its name is only compared with what messages have."""
    if entry.flag_bits & 0x1 or entry.compress_type not in _METHODS:
        unpacked.left[Left.LOCKED_FILE] += 1
        return
    with archive.open(entry) as source:
        head = source.read(BLOCK_BYTES if entry.file_size < BLOCK_BYTES else 4096)
        if head.startswith(_APPLE):
            return
        if head.startswith(b"PK\x03\x04"):
            unpacked.files.add(entry, Left.NESTED_ARCHIVE)
        elif not (
            _looks_like_json(head)
            and not is_upload(entry.filename)
            and _append_text(source, head, entry, unpacked, limit_bytes)
        ):
            unpacked.files.add(entry, Left.OTHER_FILE)


def _append_text(
    source: IO[bytes], head: bytes, entry: zipfile.ZipInfo, unpacked: Unpacked, limit_bytes: int
) -> bool:
    """Append a text, unless its folder is the beginning of its hash: then it is a file of a message."""
    texts, digest = unpacked.file, hashlib.sha256()
    begin = -(-texts.tell() // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
    texts.seek(begin)
    block = head
    while block:
        if texts.tell() + len(block) > limit_bytes:
            raise ArchiveTooLarge
        digest.update(block)
        texts.write(block)
        block = source.read(BLOCK_BYTES)
    if digest.hexdigest()[:16] == find_own_hash(entry.filename):
        texts.seek(begin)
        return False
    unpacked.places.append((begin, texts.tell() - begin))
    unpacked.names.append(entry.filename)
    return True


def _looks_like_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)[:1] in (b"{", b"[")


def _check_directory(file: IO[bytes]) -> None:
    """Check the size of the list of contents before the library reads it as a whole into memory.

    Raises:
        DamagedArchive: there is none.
        ArchiveTooLarge: it is too large.
    """
    size = file.seek(0, os.SEEK_END)
    begin = max(0, size - _END_BYTES - _COMMENT_BYTES - _END64_LOCATOR_BYTES - 56)
    file.seek(begin)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or at + _END_BYTES > len(tail):
        raise DamagedArchive
    directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    locator = at - _END64_LOCATOR_BYTES
    if locator >= 0 and tail[locator : locator + 4] == _END64_LOCATOR:
        end64 = int.from_bytes(tail[locator + 8 : locator + 16], "little")
        if end64 + 56 > size:
            raise DamagedArchive
        file.seek(end64)
        directory_bytes = max(directory_bytes % 0xFFFFFFFF, int.from_bytes(file.read(56)[40:48], "little"))
    if directory_bytes > DIRECTORY_BYTES:
        raise ArchiveTooLarge
