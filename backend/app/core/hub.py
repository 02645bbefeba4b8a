"""The model hub's wire: what a repository holds, and its files fetched with resume and checksum."""

import errno
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
from huggingface_hub import constants

BLOCK_BYTES = 1 << 20
ATTEMPTS = 5
"""Times in a row that a download may break off without having got any further."""


class HubError(Exception):
    """A fetch that failed; the message says what was tried and how to go on."""


class HubUnreachable(HubError):
    """Nobody answers, or the connection broke for good."""


class NotOnHub(HubError):
    """The hub answers, and has no such thing."""


class Damaged(HubError):
    """What came is not what the hub says it holds."""


class DiskFull(HubError):
    """No room for the files."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository."""

    name: str
    size_bytes: int
    sha256: str | None
    """Of its content, for large files."""
    git_sha1: str
    """Of its content as a git blob, for the others."""


def endpoint() -> str:
    """Address of the hub: `HF_ENDPOINT`, else the library's own."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def offline() -> bool:
    """Whether the user has forbidden the network (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES


def hub_answers(timeout_s: float = 3.0) -> bool:
    """Whether the hub answers at all, within `timeout_s` seconds, name lookup included."""
    if offline():
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            if httpx2.head(endpoint(), timeout=timeout_s).status_code < 500:
                answered.set()
        except (httpx2.HTTPError, httpx2.InvalidURL):
            pass  # the answer is no

    # A name lookup has no timeout of its own, so the wait is ours and the thread is left behind.
    thread = threading.Thread(target=ask, name="hub-probe", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answered.is_set()


class Hub:
    """A connection to the hub. Blocking: for the command line, never for the server."""

    def __init__(self, read_timeout_s: float = 30.0, retry_wait_s: float = 0.5) -> None:
        self.base_url = endpoint()
        self._retry_wait_s = retry_wait_s
        self._client = httpx2.Client(
            follow_redirects=True,  # large files lie elsewhere
            timeout=httpx2.Timeout(read_timeout_s, connect=10.0),
            headers={"Accept-Encoding": "identity"},  # ranges count bytes of the file itself
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def revision(self, repo: str) -> str:
        """The commit that `main` stands for now."""
        return str(self._json(f"/api/models/{repo}/revision/main", repo)["sha"])

    def files(self, repo: str, revision: str) -> list[RemoteFile]:
        """Files at the top of a repository."""
        found = []
        for entry in self._json(f"/api/models/{repo}/tree/{revision}", repo):
            if entry["type"] == "file":
                lfs = entry.get("lfs") or {}
                found.append(RemoteFile(entry["path"], entry["size"], lfs.get("oid"), entry["oid"]))
        return found

    def fetch(
        self, repo: str, revision: str, file: RemoteFile, folder: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """Bring one file into `folder`, going on where an earlier try broke off.

        `on_bytes` is given the size of each piece, and a negative one when a piece has to be fetched again.

        Raises:
            HubUnreachable, NotOnHub, Damaged, DiskFull
        """
        target = folder / file.name
        # The name holds the checksum: what is left of another version is never gone on with.
        part = folder / f"{file.name}.{(file.sha256 or file.git_sha1)[:16]}.part"
        if target.is_file() and _matches(target, file):
            on_bytes(file.size_bytes)
            return
        on_bytes(min(_size(part), file.size_bytes))
        url = f"{self.base_url}/{repo}/resolve/{revision}/{file.name}"
        failures = 0
        while _size(part) < file.size_bytes:
            before = _size(part)
            try:
                self._stream(url, repo, part, file, on_bytes)
            except httpx2.RequestError as error:
                failures = failures + 1 if _size(part) <= before else 0
                if failures >= ATTEMPTS:
                    raise self._broke_off(repo, part, file, error) from error
                time.sleep(failures * self._retry_wait_s)
        if not _matches(part, file):
            part.unlink()
            raise Damaged(
                f"{file.name!r} of {repo!r} came damaged (wrong checksum) and was removed; run it again"
            )
        part.replace(target)

    def _stream(
        self, url: str, repo: str, part: Path, file: RemoteFile, on_bytes: Callable[[int], None]
    ) -> None:
        have = _size(part)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._client.stream("GET", url, headers=headers) as answer:
            self._check(answer, repo)
            if have and not _goes_on_at(answer, have):
                on_bytes(-have)
                have = 0
            with _disk_full_told(file.name), part.open("ab" if have else "wb") as out:
                for block in answer.iter_raw():
                    out.write(block)
                    on_bytes(len(block))
        if not have and _size(part) < file.size_bytes:
            # A short answer that ended politely would otherwise be asked for without end.
            raise httpx2.RemoteProtocolError(f"the answer ended after {_size(part)} bytes")

    def _json(self, path: str, repo: str) -> Any:
        try:
            answer = self._client.get(self.base_url + path)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise HubUnreachable(f"the model hub at {self.base_url} cannot be reached: {error}") from error
        self._check(answer, repo)
        try:
            return answer.json()
        except ValueError as error:
            raise HubUnreachable(f"what answers at {self.base_url} is not a model hub") from error

    def _check(self, answer: httpx2.Response, repo: str) -> None:
        if answer.status_code in (401, 403, 404):  # the hub says 401 for what does not exist
            raise NotOnHub(f"the model hub has no repository {repo!r}, or not for everybody")
        if answer.status_code >= 400:
            raise HubUnreachable(
                f"the model hub at {self.base_url} answered {answer.status_code}; try again later"
            )

    def _broke_off(self, repo: str, part: Path, file: RemoteFile, error: Exception) -> HubUnreachable:
        return HubUnreachable(
            f"the download of {file.name!r} of {repo!r} broke off after {_size(part)} of"
            f" {file.size_bytes} bytes ({error}); the same command goes on from there"
        )


@contextmanager
def _disk_full_told(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"the disk is full while writing {name!r}; free some space and run it again"
        ) from error


def _goes_on_at(answer: httpx2.Response, offset: int) -> bool:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status_code == 206 and match is not None and int(match[1]) == offset


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _matches(path: Path, file: RemoteFile) -> bool:
    """Whether the content has the size and checksum that the hub gave."""
    if _size(path) != file.size_bytes:
        return False
    digest = (
        hashlib.sha256()
        if file.sha256
        else hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
    )
    with path.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest() == (file.sha256 or file.git_sha1)
