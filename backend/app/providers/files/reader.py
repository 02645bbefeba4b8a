"""Reads attached files in processes of their own, with bounds for memory and time: text, pictures, what they are."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, BinaryIO

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from app.core.errors import FileNotReadable
from app.providers.files import wire
from app.providers.files.sniffing import KNOWN, FileType

WALL_S = 120.0
"""When a reader is ended that does not use its processor time; on a very busy machine that takes long."""
EXIT_S = 0.5
"""How long a reader may take to exit after its last word (s)."""
MOST_BYTES = 64 << 20
"""What a reader may send altogether: more than it could make of any file."""
_BROKE = "the file cannot be read: it takes more time or memory than a file may, or is damaged"
_ROOT = Path(wire.__file__).resolve().parents[3]
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
from app.providers.files.worker import main
main()
"""
"""Begins the reader with the modules of this very program."""
_KEPT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TMPDIR", "TEMP", "TMP")
"""The part of the environment that Python needs: no key and no setting reaches the process."""


@dataclass(slots=True)
class ReadFile:
    """What was read of a file."""

    media_type: str
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    content: bytes | None = None
    """What is kept in place of the file; None keeps the file as it is."""
    thumbnail: bytes | None = None
    views: tuple[bytes, ...] = ()
    """Pictures that a model is sent; empty where that is the content itself."""
    shows_content: bool = False
    """Whether the content itself is such a picture."""
    text: bytes | None = None
    """UTF-8; None where it has none."""
    total_bytes: int = 0
    """Bytes of all of its text."""


class FileReader:
    """Reads files, so many at a time; others wait."""

    def __init__(self, readers: int, text_bytes: int) -> None:
        """`text_bytes`: how much of a text is read."""
        self._places = anyio.CapacityLimiter(readers)
        self._text_bytes = text_bytes

    async def read(self, file: BinaryIO, kind: FileType) -> ReadFile:
        """Read a file that has a descriptor. Its position moves.

        Raises:
            FileNotReadable: it cannot be read, or not within the bounds.
        """
        async with self._places:
            file.seek(0)
            job = wire.Job(format=kind.format, text_bytes=self._text_bytes)
            process = await _start(file, job)
            try:
                with anyio.fail_after(WALL_S):
                    return await _collect(process, ReadFile(media_type=kind.media_type))
            except TimeoutError:
                raise FileNotReadable(_BROKE, param="file") from None
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(process)


async def _start(file: BinaryIO, job: wire.Job) -> Process:
    return await anyio.open_process(
        [sys.executable, "-P", "-c", _PROGRAM, json.dumps(asdict(job)), str(_ROOT)],
        stdin=file,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_make_environment(os.environ),
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # Ctrl-C is for the server alone
    )


async def _end(process: Process) -> None:
    """Wait for a reader that has said all, and kill one that has not."""
    with anyio.move_on_after(EXIT_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.wait()
    await process.aclose()


async def _collect(process: Process, found: ReadFile) -> ReadFile:
    """Take what the process sends. What it has sent of a PDF before it broke is kept: a page may break its drawing."""
    assert isinstance(process.stdout, ByteReceiveStream)
    output, left = BufferedByteReceiveStream(process.stdout), MOST_BYTES
    try:
        while True:
            kind, size = wire.HEAD.unpack(await output.receive_exactly(wire.HEAD.size))
            left -= size
            if left < 0:
                raise FileNotReadable(_BROKE, param="file")
            body = await output.receive_exactly(size) if size else b""
            if kind == wire.DONE:
                return found
            if kind == wire.REFUSED:
                raise FileNotReadable(f"{body.decode()}; expected {KNOWN}", param="file")
            _add(found, kind, body)
    except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
        if found.text is not None:
            return found
        raise FileNotReadable(_BROKE, param="file") from None


def _add(found: ReadFile, kind: bytes, body: bytes) -> None:
    if kind == wire.ABOUT:
        about: dict[str, Any] = json.loads(body)
        found.media_type = about.get("media_type", found.media_type)
        found.width, found.height, found.pages = (about.get(name) for name in ("width", "height", "pages"))
        found.total_bytes = about.get("total_bytes", 0)
        found.shows_content = found.width is not None
    elif kind == wire.CONTENT:
        found.content = body
    elif kind == wire.THUMBNAIL:
        found.thumbnail = body
    elif kind == wire.VIEW:
        found.views = (*found.views, body)
        found.shows_content = False
    elif kind == wire.TEXT:
        found.text = body


def _make_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of a reader, in which it finds the libraries that it uses."""
    kept = {name: value for name, value in ours.items() if name.upper() in _KEPT}
    spec = find_spec("PIL")
    origin = spec.origin if spec else None
    return kept | ({"PYTHONPATH": str(Path(origin).resolve().parents[1])} if origin else {})
