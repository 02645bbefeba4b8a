"""Whisper checkpoints on disk: which are there, which one is used, and how another one is fetched."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from huggingface_hub import constants

from app.core.checkpoint_files import NEEDED, WANTED, Checkpoint, is_complete, read_checkpoint
from app.core.config import Settings
from app.core.hub import (
    DiskFull,
    Hub,
    HubError,
    HubUnreachable,
    NotOnHub,
    RemoteFile,
    endpoint,
    hub_answers,
    offline,
)
from app.core.paths import resolve

__all__ = ["Checkpoint", "HubError", "default", "find", "hub_answers", "list_checkpoints", "pull"]

_SYSTRAN = ("tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3")
REPOSITORIES = {
    **{name: f"Systran/faster-whisper-{name}" for name in _SYSTRAN},
    **{f"{name}.en": f"Systran/faster-whisper-{name}.en" for name in ("tiny", "base", "small", "medium")},
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Short names and the hub's repositories they stand for (those of faster-whisper)."""

ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}
PREFERENCE = ("base", "small", "tiny", "base.en", "small.en", "tiny.en")
"""Which one is used when several are there: the first of these, then the smallest of the others."""


def list_checkpoints(settings: Settings) -> list[Checkpoint]:
    """All complete checkpoints. Of two with one name: a path in settings, models folder, hub's cache."""
    found: dict[str, Checkpoint] = {}
    for name, path in (*_in_settings(settings), *_in_models_folder(settings.models_dir), *_in_cache()):
        if name not in found and (checkpoint := read_checkpoint(name, path)):
            found[name] = checkpoint
    return list(found.values())


def find(name: str, settings: Settings) -> Checkpoint | None:
    """The checkpoint of this name, repository or path, where it is complete.

    For names that the operator gives. A client's name is looked up in `list_checkpoints` alone, or a client
    could make the server open any folder.
    """
    known = {checkpoint.name: checkpoint for checkpoint in list_checkpoints(settings)}
    if found := known.get(_short_name(name)):
        return found
    path = resolve(Path(name))
    return read_checkpoint(path.name, path)


def default(settings: Settings) -> Checkpoint | None:
    """The one that is used when a dictation names none: the one in settings, else the best that is there."""
    if settings.stt.whisper_local.model:
        return find(settings.stt.whisper_local.model, settings)
    candidates = [checkpoint for checkpoint in list_checkpoints(settings) if not checkpoint.test_only]
    return min(candidates, key=_rank, default=None)


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
    short = _short_name(name)
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


def _short_name(name: str) -> str:
    """ "base" for "base" and for its repository; "large-v3" for "large"; any other name as it is."""
    by_repository = {repo: short for short, repo in REPOSITORIES.items()}
    return by_repository.get(name) or ALIASES.get(name, name)


def _rank(checkpoint: Checkpoint) -> tuple[int, int]:
    known = checkpoint.name in PREFERENCE
    return (PREFERENCE.index(checkpoint.name) if known else len(PREFERENCE), checkpoint.size_bytes)


def _in_models_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _folders(folder):
        yield _short_name(path.name.replace("--", "/")), path


def _in_cache() -> Iterator[tuple[str, Path]]:
    """The current snapshot of every model repository in the Hugging Face cache."""
    home = os.environ.get("HF_HOME")
    root = os.environ.get("HF_HUB_CACHE") or (Path(home) / "hub" if home else constants.HF_HUB_CACHE)
    for folder in _folders(Path(root).expanduser()):
        if not folder.name.startswith("models--"):
            continue
        repo = folder.name.removeprefix("models--").replace("--", "/", 1)
        main = folder / "refs" / "main"
        snapshots = sorted(
            _folders(folder / "snapshots"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        if main.is_file():
            snapshots.sort(key=lambda path: path.name != main.read_text().strip())
        complete = (path for path in snapshots if is_complete(path))
        if path := next(complete, None):
            yield _short_name(repo), path


def _in_settings(settings: Settings) -> Iterator[tuple[str, Path]]:
    name = settings.stt.whisper_local.model
    if name and (path := resolve(Path(name))).is_dir():
        yield path.name, path


def _folders(root: Path) -> list[Path]:
    """Folders inside `root` by name, without hidden ones; none where it cannot be read."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
