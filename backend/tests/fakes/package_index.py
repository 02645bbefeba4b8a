"""A stand-in package index: pages and wheels as pip and uv ask for them, served from memory on a free port."""

import base64
import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from tests.fakes.local_http import QuietHandler, serve_http


def make_wheel(name: str, version: str, files: dict[str, bytes], requires: tuple[str, ...] = ()) -> bytes:
    """Return a wheel with these files, which needs other packages."""
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    everything = {**files, **metadata}
    record = "".join(
        f"{path},sha256={_hash(content)},{len(content)}\n" for path, content in everything.items()
    )
    everything[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in everything.items():
            wheel.writestr(path, content)
    return buffer.getvalue()


class FakeIndex:
    """Wheels by package, and what goes wrong with them."""

    def __init__(self) -> None:
        self.wheels: dict[str, tuple[str, bytes]] = {}
        """package -> (version, wheel)"""
        self.yanked: set[str] = set()
        self.breaks_after: list[int] = []
        """For each of the next wheels: bytes after which the connection breaks."""
        self.damages = False
        """Whether wheels have other bytes than their page says."""
        self.credentials = ""
        """Of the addresses of wheels, which pip then hides."""
        self.status = 200
        """Answer to everything."""
        self.wheel_status = 200
        """Answer to a request for a wheel."""
        self.requests: list[str] = []
        self.ranges: list[str] = []
        """The header `Range` of each request for a wheel; empty where it asks for all of it."""
        self.address = ""
        self.paused = threading.Event()
        """Set while a wheel is held back after its first half, until `goes_on` is set."""
        self.goes_on: threading.Event | None = None

    @property
    def simple_url(self) -> str:
        return f"{self.address}/simple"

    def add(self, name: str, version: str, wheel: bytes) -> None:
        self.wheels[name] = (version, wheel)

    def count_wheels(self, name: str) -> int:
        """How often a wheel was asked for."""
        return sum(path.startswith(f"/files/{name}/") for path in self.requests)

    @contextmanager
    def serve(self) -> Iterator["FakeIndex"]:
        """Serve until the block ends."""
        with serve_http(_Handler, self) as self.address:
            yield self


class _Handler(QuietHandler):
    def do_HEAD(self) -> None:  # noqa: N802  # the name that http.server calls
        self._answer(405, b"")

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
        index = self._index
        index.requests.append(self.path)
        if index.status != 200:
            return self._answer(index.status, b"")
        if (match := re.fullmatch(r"/simple/([\w.-]+)/", self.path)) and match[1] in index.wheels:
            return self._page(match[1])
        if match := re.fullmatch(r"/files/([\w.-]+)/[\w.-]+\.whl", self.path):
            return self._wheel(match[1])
        return self._answer(404, b"")

    @property
    def _index(self) -> FakeIndex:
        return cast("FakeIndex", self.owner)

    def _page(self, name: str) -> None:
        version, wheel = self._index.wheels[name]
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        yanked = ' data-yanked="tests"' if name in self._index.yanked else ""
        where = (
            self._index.address.replace("://", f"://{self._index.credentials}@")
            if self._index.credentials
            else ""
        )
        link = f"{where}/files/{name}/{file}#sha256={hashlib.sha256(wheel).hexdigest()}"
        page = f'<!DOCTYPE html><html><body><a href="{link}"{yanked}>{file}</a></body></html>'
        self._answer(200, page.encode(), "text/html")

    def _wheel(self, name: str) -> None:
        index = self._index
        if index.wheel_status != 200:
            return self._answer(index.wheel_status, b"")
        wheel = index.wheels[name][1]
        if index.damages:
            wheel = wheel[:-1] + bytes([wheel[-1] ^ 1])
        breaks = index.breaks_after.pop(0) if index.breaks_after else None
        index.ranges.append(self.headers.get("Range", ""))
        if match := re.fullmatch(r"bytes=(\d+)-", index.ranges[-1]):
            start = int(match[1])
            place = f"bytes {start}-{len(wheel) - 1}/{len(wheel)}"
            return self._answer(206, wheel[start:], "application/octet-stream", breaks, place)
        return self._answer(200, wheel, "application/octet-stream", breaks)

    def _answer(
        self,
        status: int,
        body: bytes,
        kind: str = "text/plain",
        breaks_after: int | None = None,
        place: str = "",
    ) -> None:
        self.send_response(status)
        if place:
            self.send_header("Content-Range", place)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if breaks_after is not None:
            self.wfile.write(body[:breaks_after])
            self.close_connection = True
        elif self._index.goes_on and kind == "application/octet-stream":
            self.wfile.write(body[: len(body) // 2])
            self._index.paused.set()
            self._index.goes_on.wait(30)
            self.wfile.write(body[len(body) // 2 :])
        else:
            self.wfile.write(body)


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
