"""Whisper checkpoints on this machine: which folders hold one, what each one is, and which one is the default."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from huggingface_hub import constants

from app.core.config import Settings
from app.core.paths import resolve_path
from app.utils.changing_folders import list_folder, measure_file, read_mtime_ns
from app.weights.known_checkpoints import TEST_CHECKPOINT, default_rank, shorten_name

REQUIRED_FILES = ("config.json", "model.bin", "tokenizer.json")
"""Files of every checkpoint. Without tokenizer.json faster-whisper would download it; the server never downloads."""
VOCABULARY_FILES = ("vocabulary.json", "vocabulary.txt")
"""A checkpoint has one of these."""
MIN_WEIGHTS_BYTES = 100_000
"""A smaller model.bin is the pointer that git leaves where it has not fetched the large file."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One complete checkpoint on disk."""

    name: str
    path: Path
    size_bytes: int
    multilingual: bool
    test_only: bool


def list_checkpoints(settings: Settings) -> list[Checkpoint]:
    """Return all complete checkpoints.

    Of two with one name, a path in settings comes before the models folder, and that before the hub's cache.
    """
    found: dict[str, Checkpoint] = {}
    places = (*_find_in_settings(settings), *_find_in_models_folder(settings.models_dir), *_find_in_cache())
    for name, path in places:
        if name not in found and (checkpoint := read_checkpoint(name, path)):
            found[name] = checkpoint
    return list(found.values())


def find_checkpoint(name: str, settings: Settings) -> Checkpoint | None:
    """Return the complete checkpoint of a name, a repository or a path.

    For names that the operator gives. A client's name is looked up in `list_checkpoints` alone: a client must not make
    the server open any folder.
    """
    return _find_named(name, list_checkpoints(settings))


def find_default_checkpoint(settings: Settings) -> Checkpoint | None:
    """Return the checkpoint for dictations that name none: that of the settings, else the best one that is there."""
    return choose_default_checkpoint(settings, list_checkpoints(settings))


def choose_default_checkpoint(settings: Settings, found: Sequence[Checkpoint]) -> Checkpoint | None:
    """As `find_default_checkpoint`, among checkpoints that have been found."""
    if settings.stt.whisper_local.model:
        return _find_named(settings.stt.whisper_local.model, found)
    candidates = [checkpoint for checkpoint in found if not checkpoint.test_only]
    return min(candidates, key=lambda each: default_rank(each.name, each.size_bytes), default=None)


def _find_named(name: str, found: Sequence[Checkpoint]) -> Checkpoint | None:
    short = shorten_name(name)
    path = resolve_path(Path(name))
    return next((each for each in found if each.name == short), None) or read_checkpoint(path.name, path)


def read_checkpoint(name: str, folder: Path) -> Checkpoint | None:
    """Return the checkpoint in a folder, None where it is incomplete or no Whisper checkpoint."""
    try:
        if not is_complete(folder):
            return None
        config = folder / "config.json"
        vocabulary = next((path for path in map(folder.joinpath, VOCABULARY_FILES) if path.is_file()), None)
        if vocabulary is None:
            return None  # removed meanwhile
        stamp = (config.stat().st_mtime_ns, vocabulary.stat().st_mtime_ns)
        is_whisper, multilingual = _read_kind(config, vocabulary, stamp)
        size_bytes = sum(map(measure_file, list_folder(folder)))
    except (OSError, ValueError):
        return None
    if not is_whisper:
        return None
    return Checkpoint(
        name=name,
        path=folder,
        size_bytes=size_bytes,
        multilingual=multilingual,
        test_only=name == TEST_CHECKPOINT,
    )


def is_complete(folder: Path) -> bool:
    """Whether every file that the engine opens is there, and the weights are more than a pointer of git."""
    return (
        all((folder / name).is_file() for name in REQUIRED_FILES)
        and any((folder / name).is_file() for name in VOCABULARY_FILES)
        and measure_file(folder / "model.bin") >= MIN_WEIGHTS_BYTES
    )


@lru_cache(maxsize=256)
def _read_kind(config: Path, vocabulary: Path, stamp: tuple[int, int]) -> tuple[bool, bool]:  # noqa: ARG001  # a key
    """Return whether the files are Whisper's, and whether they are multilingual, which an empty token shows."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    text = vocabulary.read_text(encoding="utf-8")
    tokens = json.loads(text) if vocabulary.suffix == ".json" else text.split("\n")[:-1]
    return isinstance(settings, dict) and "suppress_ids" in settings, "" in tokens


def _find_in_settings(settings: Settings) -> Iterator[tuple[str, Path]]:
    name = settings.stt.whisper_local.model
    if name and (path := resolve_path(Path(name))).is_dir():
        yield path.name, path


def _find_in_models_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _list_folders(folder):
        yield shorten_name(path.name.replace("--", "/")), path


def _find_in_cache() -> Iterator[tuple[str, Path]]:
    """Yield the current snapshot of every model repository in the Hugging Face cache."""
    home = os.environ.get("HF_HOME")
    root = os.environ.get("HF_HUB_CACHE") or (Path(home) / "hub" if home else constants.HF_HUB_CACHE)
    for folder in _list_folders(Path(root).expanduser()):
        if not folder.name.startswith("models--"):
            continue
        repo = folder.name.removeprefix("models--").replace("--", "/", 1)
        complete = (path for path in _list_snapshots(folder) if is_complete(path))
        if path := next(complete, None):
            yield shorten_name(repo), path


def _list_snapshots(folder: Path) -> list[Path]:
    """Return the snapshots of a repository in the cache: the current one, then the others, the newest first."""
    main = folder / "refs" / "main"
    try:
        current = main.read_text().strip()
    except OSError:
        current = ""
    snapshots = _list_folders(folder / "snapshots")
    return sorted(snapshots, key=lambda path: (path.name == current, read_mtime_ns(path)), reverse=True)


def _list_folders(root: Path) -> list[Path]:
    """Return the folders inside `root` by name, without hidden ones; none where it cannot be read."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
