"""Checkpoints fetched from the model hub: resumed, checked, and installed whole or not at all."""

import errno
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import constants

from app.core.config import Settings
from app.weights.checkpoints import (
    DOWNLOADED_FILES,
    REPOSITORIES,
    REQUIRED_FILES,
    Checkpoint,
    list_checkpoints,
    read_checkpoint,
    shorten_name,
)

BLOCK_BYTES = 1 << 20
ATTEMPTS = 5
"""Times in a row that a download may break off without having got any further."""


class HubError(Exception):
    """A fetch that failed; the message says what was tried and how to go on."""


class HubUnreachable(HubError):
    """Nobody answers, or the connection broke for good."""


class NotOnHub(HubError):
    """The hub answers, and has no such thing."""


class DamagedFile(HubError):
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


def read_hub_url() -> str:
    """Address of the hub: `HF_ENDPOINT`, else the library's own."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Whether the user has forbidden the network (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES


def is_hub_reachable(timeout_s: float = 3.0) -> bool:
    """Whether the hub answers at all, within `timeout_s` seconds, name lookup included."""
    if is_offline():
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            if httpx2.head(read_hub_url(), timeout=timeout_s).status_code < 500:
                answered.set()
        except (httpx2.HTTPError, httpx2.InvalidURL):
            pass  # the answer is no

    # A name lookup has no timeout of its own, so the wait is ours and the thread is left behind.
    thread = threading.Thread(target=ask, name="hub-probe", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answered.is_set()


class HubClient:
    """A connection to the hub. Blocking: for the command line, never for the server."""

    def __init__(self, read_timeout_s: float = 30.0, retry_wait_s: float = 0.5) -> None:
        self.base_url = read_hub_url()
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
        if target.is_file() and _has_checksum(target, file):
            on_bytes(file.size_bytes)
            return
        on_bytes(min(_size_of(part), file.size_bytes))
        url = f"{self.base_url}/{repo}/resolve/{revision}/{file.name}"
        failures = 0
        while _size_of(part) < file.size_bytes:
            before = _size_of(part)
            try:
                self._stream(url, repo, part, file, on_bytes)
            except httpx2.RequestError as error:
                failures = failures + 1 if _size_of(part) <= before else 0
                if failures >= ATTEMPTS:
                    raise self._broke_off(repo, part, file, error) from error
                time.sleep(failures * self._retry_wait_s)
        if not _has_checksum(part, file):
            part.unlink()
            raise DamagedFile(
                f"{file.name!r} of {repo!r} came damaged (wrong checksum) and was removed; run it again"
            )
        part.replace(target)

    def _stream(
        self, url: str, repo: str, part: Path, file: RemoteFile, on_bytes: Callable[[int], None]
    ) -> None:
        have = _size_of(part)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._client.stream("GET", url, headers=headers) as answer:
            self._check(answer, repo)
            if have and not _is_resumed_at(answer, have):
                on_bytes(-have)
                have = 0
            with _disk_full_errors(file.name), part.open("ab" if have else "wb") as out:
                for block in answer.iter_raw():
                    out.write(block)
                    on_bytes(len(block))
        if not have and _size_of(part) < file.size_bytes:
            # A short answer that ended politely would otherwise be asked for without end.
            raise httpx2.RemoteProtocolError(f"the answer ended after {_size_of(part)} bytes")

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
            f"the download of {file.name!r} of {repo!r} broke off after {_size_of(part)} of"
            f" {file.size_bytes} bytes ({error}); the same command goes on from there"
        )


@contextmanager
def _disk_full_errors(name: str) -> Iterator[None]:
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


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _has_checksum(path: Path, file: RemoteFile) -> bool:
    """Whether the content has the size and checksum that the hub gave."""
    if _size_of(path) != file.size_bytes:
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


def download_checkpoint(
    name: str,
    settings: Settings,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    read_timeout_s: float = 30.0,
    retry_wait_s: float = 0.5,
) -> Checkpoint:
    """Fetch a checkpoint into the models folder, and give it; at once if it is there already.

    `name` is a short name or the hub's `owner/repository`; `on_progress` is given done and total bytes. The
    folder appears only when it is complete; the next call goes on with what a broken download has brought.
    Blocking: for the command line, never for the server.

    Raises:
        HubError: and its kinds; the message says what was tried and how to go on.
    """
    short = shorten_name(name)
    repo = REPOSITORIES.get(short, name)
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
        raise NotOnHub(
            f"no checkpoint is called {name!r}; known: {', '.join(REPOSITORIES)}, or owner/repository"
        )
    for there in list_checkpoints(settings):
        if there.name == short:
            return there
    target = settings.models_dir / short.replace("/", "--")
    if target.exists():
        raise HubError(f"{target} is in the way: it holds no complete checkpoint; move it and run this again")
    try:
        with HubClient(read_timeout_s, retry_wait_s) as hub:
            return _fetch_into(hub, repo, short, target, on_progress)
    except HubUnreachable as error:
        raise HubUnreachable(f"{error}\n{_explain_manual_download(repo, target)}") from error
    except OSError as error:
        raise HubError(f"cannot write into {settings.models_dir}: {error.strerror}") from error


def _fetch_into(
    hub: HubClient, repo: str, name: str, target: Path, on_progress: Callable[[int, int], None] | None
) -> Checkpoint:
    """Fill a hidden folder beside `target`, and rename it once it is a checkpoint."""
    part = target.with_name(f".{target.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    with _download_lock(part, name):
        try:
            _download_files(hub, repo, part, on_progress)
        finally:
            if not any(part.iterdir()):
                part.rmdir()
        if read_checkpoint(name, part) is None:
            raise NotOnHub(f"{repo!r} holds no Whisper checkpoint for CTranslate2; its files are in {part}")
        part.rename(target)
    fetched = read_checkpoint(name, target)
    assert fetched is not None, "a complete folder was renamed"
    return fetched


def _download_files(
    hub: HubClient, repo: str, part: Path, on_progress: Callable[[int, int], None] | None
) -> None:
    if is_offline():
        raise HubUnreachable(f"HF_HUB_OFFLINE forbids asking the model hub at {read_hub_url()}")
    revision = hub.revision(repo)
    files = [file for file in hub.files(repo, revision) if file.name in DOWNLOADED_FILES]
    names = {file.name for file in files}
    if missing := [name for name in REQUIRED_FILES if name not in names]:
        raise NotOnHub(f"{repo!r} is no Whisper checkpoint for CTranslate2: it has no {', '.join(missing)}")
    total_bytes = sum(file.size_bytes for file in files)
    _check_space(part, files)
    done_bytes = 0

    def count(piece_bytes: int) -> None:
        nonlocal done_bytes
        done_bytes += piece_bytes
        if on_progress:
            on_progress(done_bytes, total_bytes)

    for file in sorted(files, key=lambda file: file.size_bytes):
        hub.fetch(repo, revision, file, part, count)


def _check_space(part: Path, files: list[RemoteFile]) -> None:
    have_bytes = sum(path.stat().st_size for path in part.iterdir() if path.is_file())
    need_bytes = sum(file.size_bytes for file in files) - have_bytes
    free_bytes = shutil.disk_usage(part).free
    if need_bytes > free_bytes:
        raise DiskFull(
            f"{need_bytes >> 20} MB are to be fetched into {part.parent}, {free_bytes >> 20} MB are free"
        )


@contextmanager
def _download_lock(part: Path, name: str) -> Iterator[None]:
    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise HubError(f"{name!r} is being fetched by another command; wait for it to end") from error


def _explain_manual_download(repo: str, target: Path) -> str:
    return (
        f"without it: elsewhere download {', '.join(REQUIRED_FILES)}, vocabulary.json (or .txt)"
        f" and preprocessor_config.json (if any) of {repo!r}, and copy them into {target};"
        " or set HF_ENDPOINT to a mirror"
    )
