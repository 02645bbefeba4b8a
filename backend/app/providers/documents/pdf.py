"""Makes a PDF of one HTML document by WeasyPrint, in a process of its own that ends with it."""

import os
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL
from typing import BinaryIO

import anyio

from app.core.errors import PdfNotInstalled, PdfTooLarge
from app.core.extras import advise_extra
from app.providers.documents import pdf_worker

LIBRARIES = "libpango-1.0-0, libpangoft2-1.0-0 and fonts-dejavu-core"
"""What WeasyPrint needs of the system, as Debian names it."""
_KEPT = (
    *("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LANG"),
    *("FONTCONFIG_FILE", "FONTCONFIG_PATH", "TMPDIR", "TEMP", "TMP"),
)
"""The part of the environment that Python and the fonts need: no key and no setting reaches the process."""


def check_installed() -> None:
    """Look for the package, before anything is written.

    Raises:
        PdfNotInstalled: it is not there.
    """
    if find_spec("weasyprint") is None:
        raise PdfNotInstalled(
            f"PDF needs a package that is not installed; install it with {advise_extra('pdf')}"
        )


async def make_pdf(html: BinaryIO, pdf: BinaryIO, *, longest_s: float, memory_bytes: int) -> None:
    """Read a document from its beginning, and write its PDF. Both files have descriptors, and stay the caller's.

    A process is cheap (1 s, 100 MB), and a hostile document harms only its own. Cancelling kills it.

    Raises:
        PdfNotInstalled: WeasyPrint, or a library of the system that it needs, is not there.
        PdfTooLarge: the document takes more time or memory than these.
    """
    check_installed()
    html.flush()
    html.seek(0)
    async with await anyio.open_process(
        [sys.executable, "-P", pdf_worker.__file__, f"{longest_s:.0f}", f"{memory_bytes}"],
        stdin=html,
        stdout=pdf,
        stderr=DEVNULL,
        env=_make_environment(os.environ),
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # Ctrl-C is for the server alone
    ) as process:
        with anyio.move_on_after(longest_s):
            await process.wait()
        code = process.returncode
        if code is None:
            process.kill()
    if code == pdf_worker.UNUSABLE:
        raise PdfNotInstalled(f"PDF needs libraries of the system: {LIBRARIES} on Debian; install them")
    if code != pdf_worker.READY:
        raise PdfTooLarge(
            f"a PDF may take {longest_s:g} s (exports.pdf_s) and {memory_bytes >> 20} MiB of memory "
            "(exports.pdf_memory_mb), and this one takes more; export HTML, and print it"
        )


def _make_environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if name.upper() in _KEPT}
    spec = find_spec("weasyprint")
    origin = spec.origin if spec else None
    return kept | ({"PYTHONPATH": str(Path(origin).resolve().parents[1])} if origin else {})
