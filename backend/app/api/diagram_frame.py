"""The policy of the page that draws diagrams, which the web app shows in a sandboxed frame."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import anyio

DIAGRAM_PAGE = "diagram.html"
"""The file among those of the web app: one page with its script and its style in it."""

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class DiagramFrame:
    """The headers of the page, which are made once for each build of it.

    The page has no origin, loads nothing, sends nothing, and runs its own script alone: the policy names the script by
    its hash, so that no text of a diagram can become one. Only this server's pages may frame it.
    """

    def __init__(self, folder: Path) -> None:
        self._page = anyio.Path(folder) / DIAGRAM_PAGE
        self._known: tuple[int, str] = (0, "")
        """When the file was written, and the hash of its script."""

    async def make_headers(self) -> dict[str, str]:
        """Return the headers in which the page differs from all other answers.

        Raises:
            OSError: there is no page.
        """
        written_ns = (await self._page.stat()).st_mtime_ns
        if self._known[0] != written_ns:
            digest = await anyio.to_thread.run_sync(hash_script, Path(self._page))
            self._known = (written_ns, digest)
        return {
            "Content-Security-Policy": make_frame_policy(self._known[1]),
            "X-Frame-Options": "SAMEORIGIN",
        }


def hash_script(page: Path) -> str:
    """Hash of the one script of a page, as policies write it."""
    script = _INLINE_SCRIPT.search(page.read_bytes())
    return b64encode(sha256(script[1] if script else b"").digest()).decode()


def make_frame_policy(digest: str) -> str:
    """The policy of the frame: its script, styles that a picture carries in it, and nothing from anywhere."""
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
    )
