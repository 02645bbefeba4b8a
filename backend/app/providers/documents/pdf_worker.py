"""The PDF process: reads one HTML document from standard input, writes a PDF to standard output.

It is a script that imports nothing of the server. It gets no path, no key and no environment, fetches nothing from the
net or the disk, has limits of time and memory, and ends with the document.
"""

import base64
import io
import os
import re
import sys
import warnings
from typing import Any

READY, UNUSABLE, TOO_LARGE, FAILED = 0, 10, 11, 12
"""Exit codes: the PDF is written; WeasyPrint or a library that it needs is not there; no memory; another error."""
MAX_PDF_BYTES = 256 << 20
MAX_PIXELS = 20_000_000
"""Pixels of one image. Twice as many are an error in Pillow."""
NICE = 10
_IMAGE = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=]+)", re.I)


def limit(cpu_s: int, memory_bytes: int) -> None:
    """Limit this process, where the system can enforce that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wanted = {
        "RLIMIT_CPU": cpu_s,
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_FSIZE": MAX_PDF_BYTES,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (least, least))
        except (OSError, ValueError):
            continue  # some systems have a limit that they cannot set
    os.nice(NICE)


def make_fetcher() -> Any:
    """Make what WeasyPrint asks for each address: it gives images that the document contains, and nothing else."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class Fetcher(URLFetcher):  # type: ignore[misc]  # the package has no types
        def fetch(self, url: str, headers: object = None) -> Any:  # noqa: ARG002  # the signature of the library
            if (found := _IMAGE.fullmatch(url)) is None:
                raise ValueError("only images of the document itself are shown")
            body = io.BytesIO(base64.b64decode(found[2]))
            return URLFetcherResponse("data:", body, {"Content-Type": found[1].lower()})

    return Fetcher()


def make_pdf(html: bytes) -> bytes:
    """Make the PDF of a document in UTF-8."""
    from PIL import Image
    from weasyprint import HTML

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    document = HTML(
        string=html.decode(), encoding="utf-8", url_fetcher=make_fetcher(), base_url="about:blank"
    )
    made: bytes = document.write_pdf(
        pdf_variant=None, pdf_tags=True, custom_metadata=False, optimize_images=True, dpi=150
    )
    return made


def main() -> int:
    """Make the PDF of standard input. The arguments are the limits: processor time (s) and memory (bytes)."""
    warnings.simplefilter("ignore")
    try:
        import weasyprint  # noqa: F401  # its libraries are loaded before memory is limited
    except (ImportError, OSError):
        return UNUSABLE
    limit(int(sys.argv[1]), int(sys.argv[2]))
    try:
        made = memoryview(make_pdf(sys.stdin.buffer.read()))
        while made:
            made = made[os.write(1, made) :]
    except (MemoryError, OSError):
        return TOO_LARGE
    except Exception:  # noqa: BLE001  # what a library raises says nothing to the reader
        return FAILED
    return READY


if __name__ == "__main__":
    os._exit(main())  # nothing is left to flush, and cleanup in a library could only fail
