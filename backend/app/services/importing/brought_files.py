"""Brings the files of imported messages: each is read and kept as an upload is, before a message gets it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from uuid import UUID

from anyio.to_thread import run_sync

from app.core.errors import AttachmentsFull, FileNotReadable, ServerFull, UnsupportedFile
from app.services.attachments.attachments import Attachments
from app.services.importing.archived_files import ArchivedFiles, FileDamaged, FileTooLarge
from app.services.importing.source import Left, SourceFile
from app.utils.attached_names import make_name

MOST_FILES = 5000
"""Files that one import reads, each in a process of its own; with the same file again the next ones come."""
_COMPARED_CHARS = 150


class BroughtFiles:
    """The files of one import. The same file of an archive is read once, however many messages have it."""

    def __init__(self, attachments: Attachments, user_id: UUID, most_bytes: int) -> None:
        """`most_bytes`: the size of the largest file."""
        self._attachments = attachments
        self._user_id = user_id
        self._most_bytes = most_bytes
        self._found: dict[str, UUID | Left] = {}

    async def bring(
        self, wanted: Mapping[str, Sequence[SourceFile]], files: ArchivedFiles, check: Callable[[], None]
    ) -> tuple[dict[str, tuple[UUID, ...]], Counter[Left]]:
        """The ids of files by what their messages are known by, and why others cannot come.

        `check` is called between two files, and may raise.

        Raises:
            StorageUnavailable, OSError: the disk is full, or fails.
        """
        ids: dict[str, list[UUID]] = {}
        left: Counter[Left] = Counter()
        for key, each in wanted.items():
            for file in each:
                check()
                found = await self._find(file, files)
                if isinstance(found, Left):
                    left[found] += 1
                else:
                    ids.setdefault(key, []).append(found)
        return {key: tuple(each) for key, each in ids.items()}, left

    async def discard_unsent(self) -> None:
        """Delete what was brought for messages that have not been stored."""
        ids = [found for found in self._found.values() if not isinstance(found, Left)]
        if ids:
            await self._attachments.discard_unsent(self._user_id, ids)

    async def _find(self, file: SourceFile, files: ArchivedFiles) -> UUID | Left:
        key = hashlib.sha256(file.key.encode()).hexdigest()
        if key not in self._found:
            if len(self._found) >= MOST_FILES:
                return Left.TOO_MANY_FILES
            self._found[key] = await self._take(file, files)
        return self._found[key]

    async def _take(self, file: SourceFile, files: ArchivedFiles) -> UUID | Left:
        try:
            content = await run_sync(files.unpack, file.key, self._most_bytes)
        except FileTooLarge:
            return Left.FILE_TOO_LARGE
        except FileDamaged:
            return Left.FILE_NOT_READABLE
        with content:
            try:
                return (await self._attachments.add(self._user_id, content, file.name)).id
            except (UnsupportedFile, FileNotReadable):
                return Left.FILE_NOT_READABLE
            except AttachmentsFull:
                return Left.FILES_FULL
            except ServerFull:
                return Left.RECORDINGS_FULL


def find_missing(files: Sequence[SourceFile], names: Sequence[str]) -> list[SourceFile]:
    """The files that are not among those that a message has, by their names.

    Endings do not count: a picture of another kind is kept as JPEG.
    """
    here = Counter(map(_make_stem, names))
    missing = []
    for file in files:
        stem = _make_stem(file.name)
        if here[stem] > 0:
            here[stem] -= 1
        else:
            missing.append(file)
    return missing


def _make_stem(name: str) -> str:
    return PurePosixPath(make_name(name, "")).stem[:_COMPARED_CHARS]
