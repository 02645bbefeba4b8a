"""Names of attached files: one line without folders, with the ending of what the file is."""

import unicodedata
from pathlib import PurePosixPath

MOST_CHARS = 200
ENDINGS = {
    "image/png": (".png",),
    "image/apng": (".png", ".apng"),
    "image/gif": (".gif",),
    "image/jpeg": (".jpg", ".jpeg", ".jfif"),
    "image/webp": (".webp",),
    "application/pdf": (".pdf",),
}
"""Endings of files that were made of another kind, or whose kind must be clear; the first is the usual one."""


def make_name(name: str, media_type: str) -> str:
    """The name of a file as its sender's machine had it, made safe to show and to store."""
    last = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(
        " " if each.isspace() else each
        for each in unicodedata.normalize("NFC", last.encode("utf-8", "replace").decode())
        if each.isspace() or unicodedata.category(each)[0] != "C"
    )
    path = PurePosixPath(" ".join(visible.split()).strip(". ") or "file")
    ending, allowed = path.suffix, ENDINGS.get(media_type, ())
    if allowed and ending.lower() not in allowed:
        ending = allowed[0]
    stem = path.name.removesuffix(path.suffix) or "file"
    return f"{stem[: MOST_CHARS - len(ending)]}{ending[:MOST_CHARS]}"
