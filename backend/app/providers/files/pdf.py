"""Reads PDF in the reader process: its text, and its first pages as pictures."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

from app.providers.files.texts import TextBuffer
from app.providers.files.wire import ABOUT, TEXT, THUMBNAIL, VIEW, Job, ReadingRefused, Send

MOST_PAGES = 5000
VIEWS = 4
"""Pages that a model that sees is sent as pictures."""
VIEW_SIDE, THUMBNAIL_SIDE = 1568, 480
TEXT_S, VIEWS_S = 2.0, 1.2
"""Processor time for the text of all pages, and for pictures of the first ones (s)."""


def load_pdf_reader() -> Callable[[Any, Job, Send], None]:
    """Load what reads PDF, while files can still be opened."""
    import pypdfium2  # noqa: F401  # loaded before the limits
    from PIL import Image

    Image.init()
    Image.new("RGB", (1, 1)).save(io.BytesIO(), "JPEG")
    return read_pdf


def read_pdf(file: Any, job: Job, send: Send) -> None:
    """Send the text of a PDF as far as it fits, then pictures of its first pages."""
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(file.read())
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise ReadingRefused("the PDF is locked with a password; send it without one") from None
        raise ReadingRefused("the PDF is damaged") from None
    pages = len(document)
    if not 0 < pages <= MOST_PAGES:
        raise ReadingRefused(
            f"the PDF has {pages} pages, and one may have 1 to {MOST_PAGES}; send a part of it"
        )
    text, read = _read_pages(document, pages, job.text_bytes)
    views = min(VIEWS, pages)
    about = {"pages": pages, "views": views}
    if text.kept_bytes:
        # What was not read is guessed from what was.
        total = text.total_bytes * pages // read
        send(ABOUT, json.dumps({**about, "total_bytes": max(total, text.total_bytes)}).encode())
        send(TEXT, text.read())
    else:
        send(ABOUT, json.dumps(about).encode())
    _send_views(document, views, send)


def _read_pages(document: Any, pages: int, most_bytes: int) -> tuple[TextBuffer, int]:
    """The text of the first pages, and how many those are: no more than fit, nor than there is time for."""
    text, until_s = TextBuffer(most_bytes), time.process_time() + TEXT_S
    for number in range(pages):
        page = document[number]
        words = page.get_textpage()
        piece = words.get_text_range().replace("\r\n", "\n").strip()
        words.close()
        page.close()
        if piece:
            text.add(f"{piece}\n\n")
        if text.is_full or time.process_time() > until_s:
            return text, number + 1
    return text, pages


def _send_views(document: Any, views: int, send: Send) -> None:
    from PIL import Image

    until_s = time.process_time() + VIEWS_S
    for number in range(views):
        page = document[number]
        scale = VIEW_SIDE / max(*page.get_size(), 1.0)
        picture = page.render(scale=min(scale, 4.0)).to_pil().convert("RGB")
        if number == 0:
            small = picture.copy()
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC)
            send(THUMBNAIL, _encode(small))
        send(VIEW, _encode(picture))
        page.close()
        if time.process_time() > until_s:
            return


def _encode(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
