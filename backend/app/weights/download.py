"""Downloads a Whisper checkpoint into the models folder: whole or not at all.

Blocking: for the command line, never for the server.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.config import Settings
from app.weights.checkpoints import (
    REQUIRED_FILES,
    VOCABULARY_FILES,
    Checkpoint,
    list_checkpoints,
    read_checkpoint,
)
from app.weights.fetch import (
    DiskFull,
    DownloadError,
    Fetcher,
    RemoteFile,
    SourceUnreachable,
    WeightsNotFound,
)
from app.weights.hub import hub_source, is_offline, list_hub_files, read_hub_url
from app.weights.known_checkpoints import REPOSITORIES, shorten_name

DOWNLOADED_FILES = (*REQUIRED_FILES, *VOCABULARY_FILES, "preprocessor_config.json")

OnProgress = Callable[[int, int], None]
"""Gets the bytes that are there, and the bytes in all."""


def download_checkpoint(
    name: str,
    settings: Settings,
    on_progress: OnProgress | None = None,
    *,
    read_timeout_s: float = 30.0,
    retry_wait_s: float = 0.5,
) -> Checkpoint:
    """Download a checkpoint into the models folder and return it; at once if it is there already.

    `name` is a short name or the hub's `owner/repository`. The folder appears only when it is complete; the next call
    continues with the bytes that a broken download brought.

    Raises:
        DownloadError: the message says what was tried and how to go on.
    """
    short = shorten_name(name)
    repo = REPOSITORIES.get(short, name)
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
        raise WeightsNotFound(
            f"no checkpoint is called {name!r}; known: {', '.join(REPOSITORIES)}, or owner/repository"
        )
    for present in list_checkpoints(settings):
        if present.name == short:
            return present
    target = settings.models_dir / short.replace("/", "--")
    if target.exists():
        raise DownloadError(
            f"{target} is in the way: it holds no complete checkpoint; move it and run this again"
        )
    try:
        with Fetcher(hub_source(), read_timeout_s=read_timeout_s, retry_wait_s=retry_wait_s) as fetcher:
            return _install(fetcher, repo, short, target, on_progress)
    except SourceUnreachable as error:
        raise SourceUnreachable(f"{error}\n{_explain_manual_download(repo, target)}") from error
    except OSError as error:
        raise DownloadError(f"cannot write into {settings.models_dir}: {error.strerror}") from error


def _install(
    fetcher: Fetcher, repo: str, name: str, target: Path, on_progress: OnProgress | None
) -> Checkpoint:
    """Fill a hidden folder beside `target`, and rename it once it is a checkpoint."""
    part = target.with_name(f".{target.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    with _download_lock(part, name):
        try:
            _download_files(fetcher, repo, part, on_progress)
        finally:
            if not any(part.iterdir()):
                part.rmdir()
        if read_checkpoint(name, part) is None:
            raise WeightsNotFound(
                f"{repo!r} holds no Whisper checkpoint for CTranslate2; its files are in {part}"
            )
        part.rename(target)
    installed = read_checkpoint(name, target)
    assert installed is not None, "a complete folder was renamed"
    return installed


def _download_files(fetcher: Fetcher, repo: str, part: Path, on_progress: OnProgress | None) -> None:
    if is_offline():
        raise SourceUnreachable(f"HF_HUB_OFFLINE forbids asking the model hub at {read_hub_url()}")
    files = [file for file in list_hub_files(fetcher, repo) if file.name in DOWNLOADED_FILES]
    names = {file.name for file in files}
    if missing := [name for name in REQUIRED_FILES if name not in names]:
        raise WeightsNotFound(
            f"{repo!r} is no Whisper checkpoint for CTranslate2: it has no {', '.join(missing)}"
        )
    total_bytes = sum(file.size_bytes for file in files)
    _check_space(part, files)
    done_bytes = 0

    def count(piece_bytes: int) -> None:
        nonlocal done_bytes
        done_bytes += piece_bytes
        if on_progress:
            on_progress(done_bytes, total_bytes)

    for file in sorted(files, key=lambda file: file.size_bytes):
        fetcher.fetch_file(file, part, count)


def _check_space(part: Path, files: list[RemoteFile]) -> None:
    """
    Raises:
        DiskFull: the missing bytes are more than the disk has free.
    """
    have_bytes = sum(path.stat().st_size for path in part.iterdir() if path.is_file())
    need_bytes = sum(file.size_bytes for file in files) - have_bytes
    free_bytes = shutil.disk_usage(part).free
    if need_bytes > free_bytes:
        raise DiskFull(
            f"{need_bytes >> 20} MB are to be fetched into {part.parent}, {free_bytes >> 20} MB are free"
        )


@contextmanager
def _download_lock(part: Path, name: str) -> Iterator[None]:
    """Keep other commands from downloading the same checkpoint.

    Raises:
        DownloadError: another command does so already.
    """
    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise DownloadError(f"{name!r} is being fetched by another command; wait for it to end") from error


def _explain_manual_download(repo: str, target: Path) -> str:
    return (
        f"without it: elsewhere download {', '.join(REQUIRED_FILES)}, vocabulary.json (or .txt)"
        f" and preprocessor_config.json (if any) of {repo!r}, and copy them into {target};"
        " or set HF_ENDPOINT to a mirror"
    )
