"""Whisper checkpoints on this machine: which folders hold one, what each is, and which one is used."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from huggingface_hub import constants

from app.core.config import Settings
from app.core.paths import resolve_path

REQUIRED_FILES = ("config.json", "model.bin", "tokenizer.json")
"""Without tokenizer.json faster-whisper would ask the hub for it, and the server never downloads."""
VOCABULARY_FILES = ("vocabulary.json", "vocabulary.txt")
DOWNLOADED_FILES = (*REQUIRED_FILES, *VOCABULARY_FILES, "preprocessor_config.json")

TEST_CHECKPOINT = "whisper-samples"
"""The project's own tiny checkpoint knows only the sentences of `samples/`: it is never chosen unasked."""

MIN_WEIGHTS_BYTES = 100_000
"""A smaller model.bin is what git leaves when it has not fetched the large file."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One complete checkpoint on disk."""

    name: str
    path: Path
    size_bytes: int
    multilingual: bool
    test_only: bool


def read_checkpoint(name: str, folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder; None where it is half there, or something else than Whisper."""
    try:
        if not is_complete(folder):
            return None
        config = folder / "config.json"
        vocabulary = next(folder / name for name in VOCABULARY_FILES if (folder / name).is_file())
        stamp = (config.stat().st_mtime_ns, vocabulary.stat().st_mtime_ns)
        is_whisper, multilingual = _read_kind(config, vocabulary, stamp)
        size_bytes = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    except (OSError, ValueError):
        return None
    return Checkpoint(name, folder, size_bytes, multilingual, name == TEST_CHECKPOINT) if is_whisper else None


def is_complete(folder: Path) -> bool:
    """Whether every file that the engine opens is there, the weights in full size."""
    return (
        all((folder / name).is_file() for name in REQUIRED_FILES)
        and any((folder / name).is_file() for name in VOCABULARY_FILES)
        and (folder / "model.bin").stat().st_size >= MIN_WEIGHTS_BYTES
    )


@lru_cache(maxsize=256)
def _read_kind(config: Path, vocabulary: Path, stamp: tuple[int, int]) -> tuple[bool, bool]:  # noqa: ARG001 (a key)
    """Whether it is Whisper; and multilingual, i.e. with the empty token, as CTranslate2 tells it."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    text = vocabulary.read_text(encoding="utf-8")
    tokens = json.loads(text) if vocabulary.suffix == ".json" else text.split("\n")[:-1]
    return isinstance(settings, dict) and "suppress_ids" in settings, "" in tokens


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
DEFAULT_ORDER = ("base", "small", "tiny", "base.en", "small.en", "tiny.en")
"""Which one is used when several are there: the first of these, then the smallest of the others."""


def list_checkpoints(settings: Settings) -> list[Checkpoint]:
    """All complete checkpoints. Of two with one name: a path in settings, models folder, hub's cache."""
    found: dict[str, Checkpoint] = {}
    for name, path in (
        *_find_in_settings(settings),
        *_find_in_models_folder(settings.models_dir),
        *_find_in_cache(),
    ):
        if name not in found and (checkpoint := read_checkpoint(name, path)):
            found[name] = checkpoint
    return list(found.values())


def find_checkpoint(name: str, settings: Settings) -> Checkpoint | None:
    """The checkpoint of this name, repository or path, where it is complete.

    For names that the operator gives. A client's name is looked up in `list_checkpoints` alone, or a client
    could make the server open any folder.
    """
    known = {checkpoint.name: checkpoint for checkpoint in list_checkpoints(settings)}
    if found := known.get(shorten_name(name)):
        return found
    path = resolve_path(Path(name))
    return read_checkpoint(path.name, path)


def find_default_checkpoint(settings: Settings) -> Checkpoint | None:
    """The one that is used when a dictation names none: the one in settings, else the best that is there."""
    if settings.stt.whisper_local.model:
        return find_checkpoint(settings.stt.whisper_local.model, settings)
    candidates = [checkpoint for checkpoint in list_checkpoints(settings) if not checkpoint.test_only]
    return min(candidates, key=_rank, default=None)


def shorten_name(name: str) -> str:
    """ "base" for "base" and for its repository; "large-v3" for "large"; any other name as it is."""
    by_repository = {repo: short for short, repo in REPOSITORIES.items()}
    return by_repository.get(name) or ALIASES.get(name, name)


def _rank(checkpoint: Checkpoint) -> tuple[int, int]:
    known = checkpoint.name in DEFAULT_ORDER
    return (DEFAULT_ORDER.index(checkpoint.name) if known else len(DEFAULT_ORDER), checkpoint.size_bytes)


def _find_in_models_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in _list_folders(folder):
        yield shorten_name(path.name.replace("--", "/")), path


def _find_in_cache() -> Iterator[tuple[str, Path]]:
    """The current snapshot of every model repository in the Hugging Face cache."""
    home = os.environ.get("HF_HOME")
    root = os.environ.get("HF_HUB_CACHE") or (Path(home) / "hub" if home else constants.HF_HUB_CACHE)
    for folder in _list_folders(Path(root).expanduser()):
        if not folder.name.startswith("models--"):
            continue
        repo = folder.name.removeprefix("models--").replace("--", "/", 1)
        main = folder / "refs" / "main"
        snapshots = sorted(
            _list_folders(folder / "snapshots"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        if main.is_file():
            snapshots.sort(key=lambda path: path.name != main.read_text().strip())
        complete = (path for path in snapshots if is_complete(path))
        if path := next(complete, None):
            yield shorten_name(repo), path


def _find_in_settings(settings: Settings) -> Iterator[tuple[str, Path]]:
    name = settings.stt.whisper_local.model
    if name and (path := resolve_path(Path(name))).is_dir():
        yield path.name, path


def _list_folders(root: Path) -> list[Path]:
    """Folders inside `root` by name, without hidden ones; none where it cannot be read."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
