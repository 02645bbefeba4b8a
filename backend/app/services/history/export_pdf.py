"""Makes PDF files of exported HTML: a few at a time, and some that wait."""

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

import anyio
import anyio.to_thread

from app.core.config import ExportSettings
from app.core.errors import PdfTooLarge, ServerFull
from app.providers.documents import pdf

MAX_HTML_BYTES = 64 << 20
PIECE_BYTES = 64 * 1024
RETRY_AFTER_S = 20.0


class PdfMaker:
    """Makes PDF files in processes of their own, `exports.pdf_at_once` at a time; `exports.pdf_waiting` more wait."""

    def __init__(self, settings: ExportSettings) -> None:
        self._settings = settings
        self._places = anyio.Semaphore(settings.pdf_at_once)
        self._asked = 0

    def check_room(self) -> None:
        """Look whether a PDF could be made now.

        Raises:
            PdfNotInstalled: the package is not there.
            ServerFull: too many wait already.
        """
        pdf.check_installed()
        if self._asked >= self._settings.pdf_at_once + self._settings.pdf_waiting:
            raise ServerFull(
                f"{self._settings.pdf_waiting} PDF files wait already (exports.pdf_waiting); try again soon, "
                "or export HTML",
                retry_after_s=RETRY_AFTER_S,
            )

    async def make(self, html: AsyncIterator[bytes], *, waits: bool = False) -> AsyncGenerator[bytes, None]:
        """Return the pieces of the PDF of a document, when it is ready. Cancelling ends its process.

        With `waits` it is never refused for others that wait: a file has begun that it is part of.

        Raises:
            PdfNotInstalled: the package is not there, or a library that it needs.
            PdfTooLarge: it takes too much time or memory.
            ServerFull: too many wait already.
        """
        if not waits:
            self.check_room()
        async with self._take_place():
            made = await anyio.to_thread.run_sync(tempfile.TemporaryFile)
            try:
                await self._print(html, made)
            except BaseException:
                made.close()
                raise
        return _read(made)

    @asynccontextmanager
    async def _take_place(self) -> AsyncIterator[None]:
        self._asked += 1
        try:
            async with self._places:
                yield
        finally:
            self._asked -= 1

    async def _print(self, html: AsyncIterator[bytes], made: BinaryIO) -> None:
        """Write the document to disk, and let another process read it there."""
        with await anyio.to_thread.run_sync(tempfile.TemporaryFile) as source:
            size = 0
            async for piece in html:
                size += len(piece)
                if size > MAX_HTML_BYTES:
                    raise PdfTooLarge(
                        f"a PDF is made of at most {MAX_HTML_BYTES >> 20} MiB of HTML, and this is more; export HTML"
                    )
                await anyio.to_thread.run_sync(source.write, piece)
            await pdf.make_pdf(
                source,
                made,
                longest_s=self._settings.pdf_s,
                memory_bytes=self._settings.pdf_memory_mb << 20,
            )


async def _read(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    with file:
        file.seek(0)
        while piece := await anyio.to_thread.run_sync(file.read, PIECE_BYTES):
            yield piece
