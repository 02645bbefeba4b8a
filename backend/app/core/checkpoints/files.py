"""What makes a folder a Whisper checkpoint for CTranslate2, and what can be told of it without loading it."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

NEEDED = ("config.json", "model.bin", "tokenizer.json")
"""Without tokenizer.json faster-whisper would ask the hub for it, and the server never downloads."""
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
WANTED = (*NEEDED, *VOCABULARIES, "preprocessor_config.json")

TEST_CHECKPOINT = "whisper-samples"
"""The project's own tiny checkpoint knows only the sentences of `samples/`: it is never chosen unasked."""

LEAST_WEIGHTS_BYTES = 100_000
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
        vocabulary = next(folder / name for name in VOCABULARIES if (folder / name).is_file())
        stamp = (config.stat().st_mtime_ns, vocabulary.stat().st_mtime_ns)
        is_whisper, multilingual = _kind(config, vocabulary, stamp)
        size_bytes = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    except (OSError, ValueError):
        return None
    return Checkpoint(name, folder, size_bytes, multilingual, name == TEST_CHECKPOINT) if is_whisper else None


def is_complete(folder: Path) -> bool:
    """Whether every file that the engine opens is there, the weights in full size."""
    return (
        all((folder / name).is_file() for name in NEEDED)
        and any((folder / name).is_file() for name in VOCABULARIES)
        and (folder / "model.bin").stat().st_size >= LEAST_WEIGHTS_BYTES
    )


@lru_cache(maxsize=256)
def _kind(config: Path, vocabulary: Path, stamp: tuple[int, int]) -> tuple[bool, bool]:  # noqa: ARG001 (a key)
    """Whether it is Whisper; and multilingual, i.e. with the empty token, as CTranslate2 tells it."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    text = vocabulary.read_text(encoding="utf-8")
    tokens = json.loads(text) if vocabulary.suffix == ".json" else text.split("\n")[:-1]
    return isinstance(settings, dict) and "suppress_ids" in settings, "" in tokens
