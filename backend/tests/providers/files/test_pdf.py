"""PDF: text and pages in bounded memory and time; what is made to harm is refused."""

import io
import zlib
from pathlib import Path

import pytest
from PIL import Image

from app.core.errors import FileNotReadable
from tests.support.files import make_pdf, measure_harm, read_bytes, say


async def test_a_pdf_has_its_text_and_its_first_pages() -> None:
    read = await read_bytes(make_pdf(*(say(f"Page {number}") for number in range(1, 7))))
    assert read.pages == 6
    assert read.text == b"".join(b"Page %d\n\n" % number for number in range(1, 7))
    assert len(read.views) == 4
    assert max(Image.open(io.BytesIO(read.views[0])).size) == 1568
    assert read.thumbnail is not None


async def test_a_pdf_of_pictures_alone_has_no_text() -> None:
    read = await read_bytes(make_pdf(b"0 0 100 100 re f"))
    assert (read.text, read.pages, len(read.views)) == (None, 1, 1)


async def test_a_long_pdf_is_cut_and_the_rest_is_estimated() -> None:
    read = await read_bytes(make_pdf(say("word " * 200), pages=100), text_bytes=3000)
    assert read.text is not None
    assert len(read.text) <= 3000
    assert read.total_bytes == pytest.approx(100_000, rel=0.1)


async def test_a_damaged_pdf_is_refused() -> None:
    with pytest.raises(FileNotReadable, match="damaged"):
        await read_bytes(b"%PDF-1.4\nrubbish")


def test_a_pdf_of_20_000_pages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pages.pdf"
    path.write_bytes(make_pdf(say("x"), pages=20_000))
    harm = measure_harm(path)
    assert "20000 pages" in harm.refusal
    assert harm.peak_mb < 200
    assert harm.cpu_s < 6


def test_a_pdf_that_unpacks_to_a_gigabyte_is_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    block = b"0 0 m " * (1 << 18)
    packed = b"".join([*(packer.compress(block) for _ in range((1 << 30) // len(block))), packer.flush()])
    path = tmp_path / "bomb.pdf"
    path.write_bytes(make_pdf(packed, packed=True))
    harm = measure_harm(path)
    assert "more time or memory" in harm.refusal
    assert harm.peak_mb < 200
    assert harm.cpu_s < 6
