"""The places for PDF files: some are made, some wait, and the next one is refused."""

from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import anyio
import pytest

from app.core.config import ExportSettings
from app.core.errors import PdfTooLarge, ServerFull
from app.providers.documents import pdf
from app.services.history import export_pdf
from app.services.history.export_pdf import PdfMaker
from tests.support.speech_client import wait_until


async def give(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Printer:
    """Stands for the process: it copies the document when it is told to."""

    def __init__(self) -> None:
        self.gate = anyio.Event()
        self.begun = 0

    async def make_pdf(self, html: BinaryIO, made: BinaryIO, **_: Any) -> None:
        self.begun += 1
        await self.gate.wait()
        html.seek(0)
        made.write(html.read())


@pytest.fixture
def printer(monkeypatch: pytest.MonkeyPatch) -> Printer:
    printer = Printer()
    monkeypatch.setattr(pdf, "make_pdf", printer.make_pdf)
    return printer


async def test_one_is_made_one_waits_and_one_is_refused(printer: Printer) -> None:
    maker = PdfMaker(ExportSettings(pdf_at_once=1, pdf_waiting=1))
    made: list[bytes] = []

    async def ask(text: bytes) -> None:
        made.append(b"".join([piece async for piece in await maker.make(give(text))]))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, b"first")
        await wait_until(lambda: printer.begun == 1)
        group.start_soon(ask, b"second")
        await anyio.wait_all_tasks_blocked()
        assert printer.begun == 1
        with pytest.raises(ServerFull, match=r"exports\.pdf_waiting") as refused:
            await ask(b"third")
        assert refused.value.retry_after_s
        printer.gate.set()
    assert sorted(made) == [b"first", b"second"], "made one after the other; either may be read first"
    await ask(b"fourth")
    assert made[-1] == b"fourth"


async def test_what_is_part_of_a_begun_file_waits_instead_of_being_refused(printer: Printer) -> None:
    maker = PdfMaker(ExportSettings(pdf_at_once=1, pdf_waiting=0))
    made: list[bytes] = []

    async def ask(text: bytes) -> None:
        made.append(b"".join([piece async for piece in await maker.make(give(text), waits=True)]))

    maker.check_room()
    async with anyio.create_task_group() as group:
        for text in (b"first", b"second"):
            group.start_soon(ask, text)
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(ServerFull):
            maker.check_room()
        printer.gate.set()
    assert sorted(made) == [b"first", b"second"], "made one after the other; either may be read first"


async def test_who_leaves_frees_its_place(printer: Printer) -> None:
    maker = PdfMaker(ExportSettings(pdf_at_once=1, pdf_waiting=0))
    with anyio.move_on_after(0.05):
        await maker.make(give(b"text"))
    assert printer.begun == 1
    printer.gate.set()
    assert [piece async for piece in await maker.make(give(b"te", b"xt"))] == [b"text"]


async def test_too_much_text_is_refused_before_it_is_printed(
    printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_pdf, "MAX_HTML_BYTES", 5)
    with pytest.raises(PdfTooLarge, match="export HTML"):
        await PdfMaker(ExportSettings()).make(give(b"123", b"456"))
    assert printer.begun == 0
