"""The attached files of exported messages: their places in a zip, and the pictures that a document contains."""

import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path, PurePosixPath

import anyio.to_thread

from app.services.attachments.parts import make_data_url
from app.services.history.export_words import Reader
from app.storage.attached_files import CONTENT, THUMBNAIL, AttachedFiles, name_view
from app.storage.attachments import Attachment
from app.utils.file_names import make_stem

FOLDER = "attachments"
"""The folder of a zip that has the files."""
MOST_PICTURE_BYTES = 40_000_000
"""Bytes of all pictures in one document; later files are named only."""
PIECE_BYTES = 64 * 1024
_STEM_CHARS = 60
_UNUSUAL = re.compile(r"[^\w.]")


def make_path(file: Attachment) -> str:
    """Return the place of a file in a zip: a folder for its content, in which it has its own name."""
    suffix = PurePosixPath(file.name).suffix
    stem = make_stem(file.name.removesuffix(suffix))[:_STEM_CHARS].strip(" .") or "file"
    return f"{FOLDER}/{file.sha256[:16]}/{stem}{_UNUSUAL.sub('', suffix)[:20]}"


def describe_file(file: Attachment, reader: Reader) -> str:
    """Name a file, and its size."""
    return f"{file.name} · {reader.format_size(file.size_bytes)}"


class ExportedFiles:
    """Reads contents in the data folder. One that is gone is left out."""

    def __init__(self, data_dir: Path) -> None:
        self._files = AttachedFiles(data_dir)

    async def has(self, file: Attachment) -> bool:
        """Whether the content is there."""
        return await anyio.to_thread.run_sync(self._locate(file).is_file)

    async def read(self, file: Attachment) -> AsyncGenerator[bytes, None]:
        """Read a content piece by piece."""
        async with await anyio.open_file(self._locate(file), "rb") as opened:
            while piece := await opened.read(PIECE_BYTES):
                yield piece

    def _locate(self, file: Attachment) -> Path:
        return self._files.find(file.user_id, file.sha256, CONTENT)

    def open_album(self) -> "Album":
        """Begin a document that contains pictures."""
        return Album(self._files)


class Album:
    """The pictures of one document, up to a limit. Its method blocks."""

    def __init__(self, files: AttachedFiles) -> None:
        self._files = files
        self._left_bytes = MOST_PICTURE_BYTES

    def take_picture(self, file: Attachment) -> str | None:
        """Return a picture of a file as a data URL; None where it has none, or where the limit is reached.

        The pictures are those that the server has made itself: without places and without more points than a reader
        sees.
        """
        names: Sequence[str] = (name_view(1), THUMBNAIL) if file.kind == "image" else (THUMBNAIL,)
        for name in names if file.views or file.has_thumbnail else ():
            try:
                picture = self._files.read(file.user_id, file.sha256, name)
            except OSError:
                continue
            if len(picture) <= self._left_bytes:
                self._left_bytes -= len(picture)
                return make_data_url(picture)
        return None
