"""File names from titles, safe on every operating system and in the header of a download."""

import re
import unicodedata
from urllib.parse import quote

_FORBIDDEN = re.compile(r'[\\/:*?"<>|]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_CHARS, _BYTES = 80, 180
"""Longest name without its extension; file systems allow 255 bytes."""


def make_stem(title: str) -> str:
    """Make a file name from a title, without separators and invisible characters; the result may be empty."""
    visible = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", title)
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    name = " ".join(_FORBIDDEN.sub("-", visible).split())[:_CHARS]
    name = name.encode()[:_BYTES].decode("utf-8", "ignore").strip(" .-")
    return f"_{name}" if _RESERVED.match(name) else name


def make_content_disposition(title: str, ending: str, *, unnamed: str) -> str:
    """Make a `Content-Disposition` (RFC 6266) with the name in ASCII for old clients, and in UTF-8 (RFC 8187)."""
    name = make_stem(title) or unnamed
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = make_stem(plain.replace("%", "-")) or unnamed
    header = f'attachment; filename="{plain}.{ending}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(f'{name}.{ending}', safe='')}"
