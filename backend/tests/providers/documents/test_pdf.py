"""PDF files: what they show, what they never load, and what ends their process."""

import base64
import io
import tempfile
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from PIL import Image
from pypdf import PdfReader

from app.core.errors import PdfNotInstalled, PdfTooLarge
from app.providers.documents import pdf
from tests.fakes.local_http import QuietHandler, serve_http

pytestmark = pytest.mark.once

MEMORY_BYTES = 2 << 30


class Recording(QuietHandler):
    """Notes what is asked for."""

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
        cast("list[str]", self.owner).append(self.path)
        self.send_error(404)


async def print_html(html: str, *, longest_s: float = 60, memory_bytes: int = MEMORY_BYTES) -> PdfReader:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as made:
        source.write(html.encode())
        await pdf.make_pdf(source, made, longest_s=longest_s, memory_bytes=memory_bytes)
        made.seek(0)
        return PdfReader(io.BytesIO(made.read()))


def make_image(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return f'<img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'


async def test_all_scripts_are_shown() -> None:
    read = await print_html(
        f"<html lang='es'><p>año Ωμέγα привет</p><p dir='rtl'>שלום</p><p>🎉 ☑</p>{make_image(8, 8)}"
    )
    text = read.pages[0].extract_text()
    assert "año Ωμέγα привет" in text
    assert len(read.pages[0].images) >= 1
    assert "/StructTreeRoot" in read.root_object
    assert str(read.root_object["/Lang"]) == "es"


async def test_nothing_is_loaded(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary")
    picture = tmp_path / "secret.png"
    Image.new("RGB", (8, 8)).save(picture)
    asked: list[str] = []

    with serve_http(Recording, asked) as url:
        read = await print_html(
            f'<link rel="stylesheet" href="{url}/a.css"><style>@import "{url}/b.css"; '
            f"@font-face {{ font-family: x; src: url({url}/c.woff) }} body {{ font-family: x }}</style>"
            f'<img src="{url}/d.png"><img src="{picture}"><img src="file://{picture}"><object data="file://{secret}">'
            f'</object><link rel="attachment" href="file://{secret}"><iframe src="file://{secret}"></iframe><p>text</p>'
            f'<img src="data:image/svg+xml;base64,PHN2Zz4="><p style="background: url({url}/e.png)">more</p>'
        )
    assert asked == []
    assert "text" in read.pages[0].extract_text()
    assert "canary" not in read.pages[0].extract_text()
    assert not read.attachments
    assert len(read.pages[0].images) == 0


async def test_a_process_that_takes_too_long_is_ended() -> None:
    rows = "<table><tr>" + "<td>word</td>" * 20
    with pytest.raises(PdfTooLarge, match=r"may take 5 s \(exports\.pdf_s\)"):
        await print_html(rows * 20_000, longest_s=5)


async def test_a_process_that_takes_too_much_memory_is_ended() -> None:
    with pytest.raises(PdfTooLarge, match=r"512 MiB of memory \(exports\.pdf_memory_mb\)"):
        await print_html("word " * 40_000_000, longest_s=120, memory_bytes=512 << 20)


async def test_an_image_of_billions_of_points_is_left_out() -> None:
    read = await print_html(make_image(30_000, 30_000) + "<p>text</p>")
    assert "text" in read.pages[0].extract_text()


async def test_a_cancelled_pdf_leaves_no_process() -> None:
    with anyio.move_on_after(1) as scope:
        await print_html("<p>word</p>" * 200_000)
    assert scope.cancelled_caught


async def test_without_the_package_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "find_spec", lambda _: None)
    with pytest.raises(PdfNotInstalled, match="prompter extras add pdf"):
        await print_html("<p>")


async def test_without_the_libraries_the_error_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package whose import fails, as WeasyPrint's does without Pango."""
    package = tmp_path / "weasyprint"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('cannot load library')")

    class Spec:
        origin = str(package / "__init__.py")

    def find(name: str) -> Any:
        return Spec()

    monkeypatch.setattr(pdf, "find_spec", find)
    with pytest.raises(PdfNotInstalled, match="libpango"):
        await print_html("<p>")
