"""Fetches files over HTTP: goes on where an earlier try broke off, and checks size and checksum.

Blocking: for the command line, and for a thread of the server.
"""

import errno
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx2

from app.utils.changing_folders import measure_file

BLOCK_BYTES = 1 << 20
MAX_ATTEMPTS = 5
"""Attempts in a row that bring no further bytes before a download is given up."""


class DownloadError(Exception):
    """A download that failed; the message says what was tried and how to go on."""

    code: ClassVar[str] = "fetch_failed"
    """Stable: clients word the failure by it."""

    def __init__(
        self, message: str = "", *, need_bytes: int | None = None, free_bytes: int | None = None
    ) -> None:
        super().__init__(message)
        self.need_bytes = need_bytes
        """Free space that the download needs, where the disk lacks it."""
        self.free_bytes = free_bytes


class SourceUnreachable(DownloadError):
    """The source does not answer, or the connection broke for good."""

    code = "source_unreachable"


class WeightsNotFound(DownloadError):
    """The source answers, and does not have these weights."""

    code = "weights_not_found"


class DamagedFile(DownloadError):
    """The bytes that came are not those that the source describes."""

    code = "damaged_file"


class DiskFull(DownloadError):
    """The disk has no room for the files."""

    code = "disk_full"


def check_space(folder: Path, need_bytes: int) -> None:
    """Check that the disk of a folder has room.

    Raises:
        DiskFull: less is free.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < need_bytes:
        raise DiskFull(
            f"{folder} needs {need_bytes >> 20} MB of free space for this, and has {free_bytes >> 20} MB",
            need_bytes=need_bytes,
            free_bytes=free_bytes,
        )


class FetchedElsewhere(DownloadError):
    """Another command, or another server, fetches the same weights."""

    code = "fetched_elsewhere"


class FolderNotWritable(DownloadError):
    """Nothing can be written into the models folder."""

    code = "folder_not_writable"


@dataclass(frozen=True, slots=True)
class Source:
    """Where weights come from, as error messages name it."""

    title: str
    """Such as "model hub"."""
    url: str
    package_kind: str
    """What the source calls a set of files, such as "repository"."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a source."""

    name: str
    url: str
    package: str
    """The set of files that it belongs to; error messages name it."""
    size_bytes: int
    sha256: str | None
    """Of its content, where the source gives it."""
    git_sha1: str = ""
    """Of its content as a git blob, where there is no `sha256`."""


class Fetcher:
    """A connection to one source."""

    def __init__(self, source: Source, *, read_timeout_s: float = 30.0, retry_wait_s: float = 0.5) -> None:
        self._source = source
        self._retry_wait_s = retry_wait_s
        self._client = httpx2.Client(
            follow_redirects=True,  # large files lie on other hosts
            timeout=httpx2.Timeout(read_timeout_s, connect=10.0),
            headers={"Accept-Encoding": "identity"},  # ranges count bytes of the file itself
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch_json(self, path: str, package: str) -> Any:
        """Return the JSON answer at a path of the source.

        Raises:
            SourceUnreachable, WeightsNotFound
        """
        source = self._source
        try:
            answer = self._client.get(source.url + path)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise SourceUnreachable(
                f"the {source.title} at {source.url} cannot be reached: {error}"
            ) from error
        self._check_status(answer, package)
        try:
            return answer.json()
        except ValueError as error:
            raise SourceUnreachable(f"what answers at {source.url} is not a {source.title}") from error

    def fetch_file(self, file: RemoteFile, folder: Path, on_bytes: Callable[[int], None]) -> None:
        """Bring one file into `folder`, going on where an earlier try broke off.

        `on_bytes` gets the size of each piece, and a negative size when bytes have to be fetched again.

        Raises:
            SourceUnreachable, WeightsNotFound, DamagedFile, DiskFull
        """
        target = folder / file.name
        # The name holds the checksum: what is left of another version is not continued.
        part = folder / f"{file.name}.{(file.sha256 or file.git_sha1)[:16]}.part"
        if target.is_file() and _has_checksum(target, file):
            on_bytes(file.size_bytes)
            return
        on_bytes(min(measure_file(part), file.size_bytes))
        failures = 0
        while measure_file(part) < file.size_bytes:
            before = measure_file(part)
            try:
                self._stream(file, part, on_bytes)
            except httpx2.RequestError as error:
                failures = failures + 1 if measure_file(part) <= before else 0
                if failures >= MAX_ATTEMPTS:
                    raise SourceUnreachable(
                        f"the download of {file.name!r} of {file.package!r} broke off after {measure_file(part)} of"
                        f" {file.size_bytes} bytes ({error}); the same command goes on from there"
                    ) from error
                time.sleep(failures * self._retry_wait_s)
        if not _has_checksum(part, file):
            part.unlink()
            raise DamagedFile(
                f"{file.name!r} of {file.package!r} came damaged (wrong checksum) and was removed; run it again"
            )
        part.replace(target)

    def _stream(self, file: RemoteFile, part: Path, on_bytes: Callable[[int], None]) -> None:
        """Append what is missing to `part`, as far as it comes."""
        have = measure_file(part)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._client.stream("GET", file.url, headers=headers) as answer:
            self._check_status(answer, file.package)
            if have and not _is_resumed_at(answer, have):
                on_bytes(-have)
                have = 0
            _check_size(answer, have, file)
            with disk_full_errors(file.name), part.open("ab" if have else "wb") as out:
                for block in answer.iter_raw():
                    out.write(block)
                    on_bytes(len(block))
        if not have and measure_file(part) < file.size_bytes:
            # An answer that is too short and ends without an error would be asked for without end.
            raise httpx2.RemoteProtocolError(f"the answer ended after {measure_file(part)} bytes")

    def _check_status(self, answer: httpx2.Response, package: str) -> None:
        source = self._source
        if answer.status_code in (401, 403, 404):  # the model hub answers 401 for what does not exist
            raise WeightsNotFound(
                f"the {source.title} has no {source.package_kind} {package!r}, or not for everybody"
            )
        if answer.status_code >= 400:
            raise SourceUnreachable(
                f"the {source.title} at {source.url} answered {answer.status_code}; try again later"
            )


@contextmanager
def disk_full_errors(name: str) -> Iterator[None]:
    """Turn the error of a full disk into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"the disk is full while writing {name!r}; free some space and run it again"
        ) from error


def _is_resumed_at(answer: httpx2.Response, offset: int) -> bool:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status_code == 206 and match is not None and int(match[1]) == offset


def _check_size(answer: httpx2.Response, have_bytes: int, file: RemoteFile) -> None:
    """
    Raises:
        DamagedFile: the source has a file of another size.
    """
    rest = answer.headers.get("Content-Length", "")
    if rest.isdecimal() and have_bytes + int(rest) != file.size_bytes:
        raise DamagedFile(
            f"{file.name!r} of {file.package!r} has {have_bytes + int(rest)} bytes, not {file.size_bytes}"
        )


def _has_checksum(path: Path, file: RemoteFile) -> bool:
    """Whether the content has the size and the checksum that the source gave."""
    if measure_file(path) != file.size_bytes:
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
