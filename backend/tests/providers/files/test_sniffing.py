"""What a file is, told by its content: its name may say anything."""

import io

import pytest

from app.providers.files.sniffing import looks_like_text, sniff_file
from tests.support.attachments import make_picture

WAV = (
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"
    b"data"
)


@pytest.mark.parametrize(
    ("data", "name", "kind", "media_type"),
    [
        (make_picture("PNG"), "x.txt", "image", "image/png"),
        (make_picture("JPEG"), "x.exe", "image", "image/jpeg"),
        (make_picture("WEBP"), "x", "image", "image/webp"),
        (make_picture("GIF"), "x.pdf", "image", "image/gif"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "x.jpg", "image", "image/heic"),
        (b"%PDF-1.7\n", "x.txt", "document", "application/pdf"),
        (b"junk before\n%PDF-1.7\nstartxref\n9\n%%EOF\n", "x.txt", "document", "application/pdf"),
        (b"A file that begins with %PDF-1.7 is a PDF.\n", "x.md", "text", "text/markdown"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf", "x.jpg", "image", "image/avif"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", "x.jpg", "image", "image/avif"),
        (WAV + bytes(40), "x.txt", "audio", "audio/wav"),
        (b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00", "x", "audio", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00", "x", "video", "video/mp4"),
        (b"OggS\x00\x02" + bytes(30), "x", "audio", "audio/ogg"),
        (b"a,b\n1,2\n", "table.csv", "text", "text/csv"),
        (b'{"a": 1}', "x.json", "text", "application/json"),
        (b"# Title\n", "x.md", "text", "text/markdown"),
        (b"<script>alert(1)</script>", "x.html", "text", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.png", "text", "text/plain"),
        ("año".encode("utf-16"), "x.txt", "text", "text/plain"),
        ("日本語のテキスト".encode("utf-16"), "x.txt", "text", "text/plain"),
        ("name;año\n".encode("utf-16-le"), "x.csv", "text", "text/csv"),
        ("name;año\n".encode("utf-16-be"), "x.csv", "text", "text/csv"),
        (b"\xef\xbb\xbfhello", "x.py", "text", "text/plain"),
        ("ñandú".encode("cp1252"), "x.txt", "text", "text/plain"),
        (b"ID3 is a text too", "x.txt", "text", "text/plain"),
    ],
)  # fmt: skip
def test_content_tells_what_a_file_is(data: bytes, name: str, kind: str, media_type: str) -> None:
    found = sniff_file(io.BytesIO(data), name)
    assert found is not None
    assert (found.kind, found.media_type) == (kind, media_type)


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF\x02\x01\x01\x00" + bytes(64), b"MZ\x90\x00" + bytes(64), b"\x00" * 100]
)
def test_other_files_are_none_of_the_kinds(data: bytes) -> None:
    assert sniff_file(io.BytesIO(data), "x.png") is None


def test_control_characters_are_in_no_text_but_those_of_terminals() -> None:
    assert looks_like_text(b"tabs\tand\x1b[31mcolours\x1b[0m\r\n\x0c")
    assert looks_like_text(b"10 %\b\b\b\b20 %\x07\r\n\x1a")
    assert not looks_like_text(b"start of text\x02")
    assert not looks_like_text(b"text\x00text")
    assert not looks_like_text(bytes(range(256)) * 8)
