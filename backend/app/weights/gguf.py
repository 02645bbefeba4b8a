"""GGUF files on this machine: which ones there are, and which one is the default."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.config import Settings
from app.core.notes import NoteCode
from app.core.paths import resolve_path
from app.utils.changing_folders import list_readable
from app.weights.catalog import SMOLLM2_FILE
from app.weights.gguf_header import is_whole_gguf

SETTING = "PROMPTER_LLM__LLAMA_LOCAL__MODEL"

_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}$")
_FIRST_PART = re.compile(r"-00001-of-(\d{5})$")


VERY_SMALL_BYTES = 400_000_000
"""A language model up to this size is told to be one for trying out."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """One model file; for a model in several parts, its first part."""

    name: str
    path: Path
    size_bytes: int

    @property
    def is_very_small(self) -> bool:
        """Whether it is one for trying out: half a billion parameters or fewer."""
        return self.size_bytes <= VERY_SMALL_BYTES


@dataclass(frozen=True, slots=True)
class MissingGguf:
    """Why no file is the default, and how to go on."""

    reason: str
    code: NoteCode


def list_gguf(settings: Settings) -> list[GgufFile]:
    """Return the file in settings, then those in the models folder and its folders; of two with one name, the first."""
    found: dict[str, GgufFile] = {}
    for path in (*_find_in_settings(settings), *_find_in_models_folder(settings.models_dir)):
        if (file := read_gguf(path)) and file.name not in found:
            found[file.name] = file
    return list(found.values())


def find_default_gguf(settings: Settings) -> GgufFile | MissingGguf:
    """Return the file for requests that name none: the file in settings, else the only one that is there.

    SmolLM2, which a first start fetches, gives way to any other file.
    """
    files = list_gguf(settings)
    if asked := settings.llm.llama_local.model.strip():
        named = next((file for file in files if asked in (file.name, file.path.name)), None)
        return named or next(
            (file for file in files if file.path == resolve_path(Path(asked))),
            _describe_missing(asked, files),
        )
    files = [file for file in files if file.path.name != SMOLLM2_FILE] or files
    if len(files) == 1:
        return files[0]
    if files:
        return MissingGguf(
            reason=f"several GGUF files are there: {_join_names(files)}; set {SETTING} to one of them",
            code=NoteCode.SEVERAL_MODEL_FILES,
        )
    return MissingGguf(
        reason=f"run `prompter models pull smollm2`, put a GGUF file into {settings.models_dir}, "
        f"or set {SETTING} to its path",
        code=NoteCode.NO_MODEL_FILE,
    )


def read_gguf(path: Path) -> GgufFile | None:
    """Return what a file is without loading it, None where it is no GGUF file, or not all of one yet."""
    stem = path.name.removesuffix(".gguf")
    try:
        if not all(is_whole_gguf(part) for part in _list_parts(path)):
            return None
        return GgufFile(_FIRST_PART.sub("", stem), path, path.stat().st_size)
    except OSError:
        return None


def _list_parts(path: Path) -> list[Path]:
    """Return all files of a model, given its only one or its first; they may not be there yet."""
    stem = path.name.removesuffix(".gguf")
    if (match := _FIRST_PART.search(stem)) is None:
        return [path]
    base, count = stem[: match.start()], match[1]
    return [path.with_name(f"{base}-{part:05}-of-{count}.gguf") for part in range(1, int(count) + 1)]


def _find_in_settings(settings: Settings) -> Iterator[Path]:
    asked = settings.llm.llama_local.model.strip()
    if asked and (path := resolve_path(Path(asked))).is_file():
        yield path


def _find_in_models_folder(folder: Path) -> Iterator[Path]:
    """Yield GGUF files by name, without the later parts of a model and without image encoders (`mmproj`)."""
    here = list_readable(folder)
    for path in sorted((*here, *(path for inner in here for path in list_readable(inner)))):
        if path.suffix != ".gguf":
            continue
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not (hidden or path.name.startswith("mmproj") or _LATER_PART.search(path.stem)):
            yield path


def _describe_missing(asked: str, files: list[GgufFile]) -> MissingGguf:
    there = f"; there are {_join_names(files)}" if files else ""
    return MissingGguf(
        reason=f"{SETTING} names {asked!r}, which is no GGUF file{there}", code=NoteCode.MODEL_FILE_MISSING
    )


def _join_names(files: list[GgufFile]) -> str:
    return ", ".join(repr(file.name) for file in files)
