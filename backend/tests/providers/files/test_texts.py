"""Texts and DOCX: decoded, cut at a bound, and never expanded beyond it."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.errors import FileNotReadable
from tests.support.files import WORD, make_docx, measure_harm, read_bytes


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
async def test_a_text_is_decoded_whatever_its_encoding(encoding: str) -> None:
    text = "Año: 20 €\nÄrger und Verdruß\n"
    if encoding == "utf-32":
        data = b"\xff\xfe\x00\x00" + text.encode("utf-32-le")
    else:
        data = text.replace("\n", "\r\n").encode(encoding)
    read = await read_bytes(data, "x.txt")
    assert read.text == text.encode()
    assert read.total_bytes == len(text.encode())


async def test_a_long_text_is_cut_between_characters_and_counted_whole() -> None:
    read = await read_bytes("ñ".encode() * 100_000, "x.txt", text_bytes=1001)
    assert read.text == "ñ".encode() * 500
    assert read.total_bytes == 200_000


async def test_bytes_that_are_no_text_are_refused_wherever_they_stand() -> None:
    with pytest.raises(FileNotReadable, match="no text"):
        await read_bytes(b"text " * 10_000 + b"\x00\x01", "x.txt")
    with pytest.raises(FileNotReadable, match="no text"):
        await read_bytes(b"text " * 10_000 + b"\x81\x8d", "x.txt")


async def test_a_document_has_its_paragraphs_headings_lists_and_tables() -> None:
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    body = (
        '<w:p><w:pPr><w:pStyle w:val="Heading2"/></w:pPr><w:r><w:t>Plan</w:t></w:r></w:p>'
        "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>first </w:t></w:r><w:r><w:t>point</w:t></w:r></w:p>"
        f"<w:tbl><w:tr>{cell.format('a')}{cell.format('1 &amp; 2')}</w:tr></w:tbl>"
        "<w:p><w:r><w:t>one</w:t><w:tab/><w:t>two</w:t><w:br/><w:t>three</w:t></w:r></w:p>"
        '<other xmlns="urn:x"><t>hidden</t></other>'
    )
    read = await read_bytes(make_docx(body))
    assert read.text == b"## Plan\n- first point\na \t1 & 2\none\ttwo\nthree\n"


async def test_a_document_with_a_document_type_is_refused() -> None:
    prolog = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    with pytest.raises(FileNotReadable, match="document type"):
        await read_bytes(make_docx("<w:p><w:r><w:t>&b;</w:t></w:r></w:p>", prolog=prolog))


async def test_a_text_in_another_encoding_is_refused_and_the_way_out_is_told() -> None:
    with pytest.raises(FileNotReadable, match="save it as UTF-8"):
        await read_bytes("これは試験です。\n".encode("shift_jis"), "x.txt")


@pytest.mark.parametrize(
    ("part", "way_out"),
    [("xl/workbook.xml", "CSV"), ("ppt/presentation.xml", "PDF"), ("META-INF/manifest.xml", "DOCX")],
)
async def test_other_office_files_are_refused_and_the_way_out_is_told(part: str, way_out: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(part, "<x/>")
    with pytest.raises(FileNotReadable, match=f"save .* {way_out}"):
        await read_bytes(buffer.getvalue())


async def test_other_archives_are_refused() -> None:
    with pytest.raises(FileNotReadable, match="damaged"):
        await read_bytes(make_docx("<w:p>")[:-30])
    with pytest.raises(FileNotReadable, match="damaged"):
        await read_bytes(make_docx("<w:p>"))
    with pytest.raises(FileNotReadable, match="no Word document"):
        await read_bytes(make_docx("").replace(b"word/document.xml", b"word/anothers.xml"))


def fill_with(piece: bytes, megabytes: int) -> Iterator[bytes]:
    yield f'<w:document xmlns:w="{WORD}"><w:body>'.encode()
    block = piece * ((1 << 20) // len(piece))
    for _ in range(megabytes):
        yield block
    yield b"</w:body></w:document>"


@pytest.mark.parametrize(
    "piece", [b"<w:p><w:r><w:t>bomb</w:t></w:r></w:p>", b"<w:p/>" + b" " * 4090], ids=["text", "space"]
)
def test_a_document_of_400_megabytes_is_refused_in_bounded_memory(tmp_path: Path, piece: bytes) -> None:
    path = tmp_path / "bomb.docx"
    path.write_bytes(make_docx(fill_with(piece, 400)))
    harm = measure_harm(path)
    assert "unpacks to more than 64 MB" in harm.refusal
    assert harm.peak_mb < 200
    assert harm.cpu_s < 6


def test_a_document_that_claims_less_than_it_holds_is_refused(tmp_path: Path) -> None:
    made = make_docx(fill_with(b"<w:p/>", 400))
    path = tmp_path / "liar.docx"
    at = made.rindex(b"PK\x01\x02")  # the entry of the main part in the directory
    path.write_bytes(made[: at + 24] + (1000).to_bytes(4, "little") + made[at + 28 :])
    harm = measure_harm(path)
    assert "damaged" in harm.refusal
    assert harm.peak_mb < 200
    assert harm.cpu_s < 6


def test_a_text_of_100_megabytes_takes_bounded_memory(tmp_path: Path) -> None:
    """It is refused by its size before; a larger limit must not take more memory."""
    path = tmp_path / "long.txt"
    path.write_bytes(b"0123456789abcde\n" * (100 << 16))
    harm = measure_harm(path)
    assert (harm.refusal, harm.peak_mb < 200, harm.cpu_s < 6) == ("", True, True)
