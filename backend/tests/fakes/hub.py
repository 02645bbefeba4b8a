"""A fake model hub: the routes for downloading a checkpoint, served from memory on a free port."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from tests.fakes.local_http import QuietHandler, serve_http

REVISION = "5f1c0de0000000000000000000000000000000aa"


class FakeHub:
    """Repositories of files, and the faults that the hub shows."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.breaks_after: list[int] = []
        """For each of the next answers of a large file: bytes after which the connection breaks."""
        self.damages = ""
        """Name of a file that is served with a wrong byte."""
        self.status = 200
        """Status of every response."""
        self.ignores_ranges = False
        self.claims_bytes = 0
        """Size of large files as the hub describes them, if it is not their own."""
        self.requests: list[tuple[str, str]] = []
        """(path, Range header) of every GET."""
        self.address = ""

    def add(self, repo: str, files: dict[str, bytes]) -> None:
        self.repositories[repo] = files

    @contextmanager
    def serve(self) -> Iterator["FakeHub"]:
        """Serve until the block ends."""
        with serve_http(_Handler, self) as self.address:
            yield self


class _Handler(QuietHandler):
    def do_HEAD(self) -> None:  # noqa: N802  # the name that http.server calls
        self._answer(self._hub.status, b"", {})

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
        hub = self._hub
        hub.requests.append((self.path, self.headers.get("Range", "")))
        if hub.status != 200:
            return self._answer(hub.status, b"{}", {})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/\w+", self.path):
            return self._describe(match[1], match[2])
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(\w+)/(.+)", self.path):
            return self._answer(302, b"", {"Location": f"/elsewhere/{match[1]}/{match[3]}"})
        if match := re.fullmatch(r"/elsewhere/([^/]+/[^/]+)/(.+)", self.path):
            return self._content(match[1], match[2])
        return self._answer(404, b"", {})

    @property
    def _hub(self) -> FakeHub:
        return cast("FakeHub", self.owner)

    def _describe(self, repo: str, what: str) -> None:
        files = self._hub.repositories.get(repo)
        if files is None:
            return self._answer(401, b'{"error":"Invalid username or password."}', {})
        answer: object = {"id": repo, "sha": REVISION}
        if what == "tree":
            answer = [{"type": "directory", "oid": "0", "size": 0, "path": "onnx"}]
            answer += [_entry(name, content, self._hub.claims_bytes) for name, content in files.items()]
        return self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _content(self, repo: str, name: str) -> None:
        content = self._hub.repositories[repo][name]
        if name == self._hub.damages:
            content = bytes([content[0] ^ 1]) + content[1:]
        start, status, headers = 0, 200, {}
        if (
            match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        ) and not self._hub.ignores_ranges:
            start, status = int(match[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        breaks = self._hub.breaks_after.pop(0) if name == "model.bin" and self._hub.breaks_after else None
        self._answer(status, content[start:], headers, breaks)

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str], breaks_after: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:breaks_after])
        if breaks_after is not None:
            self.close_connection = True


def _entry(name: str, content: bytes, claims_bytes: int) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    entry: dict[str, object] = {"type": "file", "oid": blob, "size": len(content), "path": name}
    if name == "model.bin":
        entry["size"] = claims_bytes or len(content)
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry
