"""Fetching a checkpoint from the model hub: whole or not at all."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.checkpoints.files import NEEDED, WANTED, Checkpoint, read_checkpoint
from app.core.checkpoints.search import REPOSITORIES, list_checkpoints, short_name
from app.core.config import Settings
from app.core.hub import DiskFull, Hub, HubError, HubUnreachable, NotOnHub, RemoteFile, endpoint, offline


def pull(
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
    short = short_name(name)
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
        with Hub(read_timeout_s, retry_wait_s) as hub:
            return _fetch(hub, repo, short, target, on_progress)
    except HubUnreachable as error:
        raise HubUnreachable(f"{error}\n{_by_hand(repo, target)}") from error
    except OSError as error:
        raise HubError(f"cannot write into {settings.models_dir}: {error.strerror}") from error


def _fetch(
    hub: Hub, repo: str, name: str, target: Path, on_progress: Callable[[int, int], None] | None
) -> Checkpoint:
    """Fill a hidden folder beside `target`, and rename it once it is a checkpoint."""
    part = target.with_name(f".{target.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    with _alone(part, name):
        try:
            _download(hub, repo, part, on_progress)
        finally:
            if not any(part.iterdir()):
                part.rmdir()
        if read_checkpoint(name, part) is None:
            raise NotOnHub(f"{repo!r} holds no Whisper checkpoint for CTranslate2; its files are in {part}")
        part.rename(target)
    fetched = read_checkpoint(name, target)
    assert fetched is not None, "a complete folder was renamed"
    return fetched


def _download(hub: Hub, repo: str, part: Path, on_progress: Callable[[int, int], None] | None) -> None:
    if offline():
        raise HubUnreachable(f"HF_HUB_OFFLINE forbids asking the model hub at {endpoint()}")
    revision = hub.revision(repo)
    files = [file for file in hub.files(repo, revision) if file.name in WANTED]
    names = {file.name for file in files}
    if missing := [name for name in NEEDED if name not in names]:
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
def _alone(part: Path, name: str) -> Iterator[None]:
    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise HubError(f"{name!r} is being fetched by another command; wait for it to end") from error


def _by_hand(repo: str, target: Path) -> str:
    return (
        f"without it: elsewhere download {', '.join(NEEDED)}, vocabulary.json (or .txt)"
        f" and preprocessor_config.json (if any) of {repo!r}, and copy them into {target};"
        " or set HF_ENDPOINT to a mirror"
    )
