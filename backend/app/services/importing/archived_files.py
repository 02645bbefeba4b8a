"""The files beside the conversations of an archive: found by what messages call them, unpacked one at a time."""

import binascii
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from typing import BinaryIO, cast

import pybase64

from app.services.importing.source import Left

BLOCK_BYTES = 1 << 20
DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, UnicodeError),
)
"""What reading an archive raises that is damaged, or was made to do harm."""
_OWN = re.compile(r"(?:^|/)(attachments/([0-9a-f]{16})/[^/]+)$")
"""A file of our own export, which may have been packed again with a folder around it: its own folder is the beginning
of its content's hash."""
_UPLOAD = re.compile(r"(file[-_][0-9A-Za-z]+)(?=[-.]|$)")
_SURE_UPLOAD = re.compile(r"file-(?=[0-9A-Za-z]*[0-9])[0-9A-Za-z]{20,}|file_[0-9a-f]{24,}")
"""An id that ChatGPT gives to an uploaded file, whose name in its export begins with it."""
_DATA_URL = re.compile(r"data:[-+.\w]+/[-+.\w]+;base64,")
_URL_CHARS = 64


class FileTooLarge(Exception):
    """A file is larger than it may be, or all files together are."""


class FileDamaged(Exception):
    """A file cannot be read."""


class ArchivedFiles:
    """Files of one upload. A file may also be a data URL, which needs no archive. Its methods block."""

    def __init__(self, archive: zipfile.ZipFile | None = None, limit_bytes: int = 0) -> None:
        """`limit_bytes`: what is unpacked altogether."""
        self._archive = archive
        self._left_bytes = limit_bytes
        self._entries: dict[str, tuple[zipfile.ZipInfo, Left]] = {}
        self._ids: dict[str, str] = {}
        """The id of an upload, or the place in our own archive -> the name of the entry."""
        self._wanted: set[str] = set()

    def add(self, entry: zipfile.ZipInfo, kind: Left) -> None:
        """Add an entry that is no text with conversations; `kind` is what it is counted as unless a message has it."""
        name = entry.filename
        self._entries[name] = (entry, kind)
        if found := _OWN.search(name) or _UPLOAD.match(name.rpartition("/")[2]):
            self._ids.setdefault(found.group(1), name)

    def want(self, key: str) -> bool:
        """Whether there is such a file: by its name in the archive, by the id of an upload, or in a data URL."""
        if _DATA_URL.match(key, 0, _URL_CHARS):
            return True
        name = self._find(key)
        if name is None:
            return False
        self._wanted.add(name)
        return True

    def count_unwanted(self, texts: set[str]) -> Counter[Left]:
        """The files that no message has; a conversation that is there for reading beside its JSON is not counted."""
        return Counter(
            kind
            for name, (_, kind) in self._entries.items()
            if name not in self._wanted and not (name.endswith(".md") and f"{name[:-3]}.json" in texts)
        )

    def unpack(self, key: str, most_bytes: int) -> BinaryIO:
        """A file on disk without a name, which the caller closes.

        Raises:
            FileTooLarge, FileDamaged
        """
        target = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # the caller closes it
        try:
            if key.startswith("data:"):
                _decode(key, target, most_bytes)
            else:
                self._copy(key, target, most_bytes)
            target.flush()
        except BaseException:
            target.close()
            raise
        return target

    def _copy(self, key: str, target: BinaryIO, most_bytes: int) -> None:
        name = self._find(key)
        if name is None or self._archive is None:
            raise FileDamaged
        try:
            with self._archive.open(self._entries[name][0]) as source:
                while block := source.read(BLOCK_BYTES):
                    self._left_bytes -= len(block)
                    if target.tell() + len(block) > most_bytes or self._left_bytes < 0:
                        raise FileTooLarge
                    target.write(block)
        except DAMAGES as error:
            raise FileDamaged from error

    def _find(self, key: str) -> str | None:
        return key if key in self._entries else self._ids.get(key)


def _decode(url: str, target: BinaryIO, most_bytes: int) -> None:
    encoded = url.partition(",")[2]
    if len(encoded) * 3 // 4 > most_bytes + 3:
        raise FileTooLarge
    try:
        target.write(pybase64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise FileDamaged from error


def find_upload_id(pointer: str) -> str | None:
    """The id of an uploaded file in what ChatGPT writes for it, such as `file-service://file-abc`."""
    found = _UPLOAD.match(pointer.rpartition("/")[2].partition("?")[0])
    return found.group(1) if found else None


def is_upload(name: str) -> bool:
    """Whether the name of an entry is one that ChatGPT gives to an uploaded file, which may itself be JSON."""
    return _SURE_UPLOAD.match(name.rpartition("/")[2]) is not None


def find_own_hash(name: str) -> str | None:
    """The beginning of the hash that the content of an entry has if our own export wrote it; None for other names."""
    found = _OWN.search(name)
    return found.group(2) if found else None
