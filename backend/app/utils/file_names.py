"""File names made of titles: safe on every system, and in the header that suggests them."""

import re
import unicodedata
from urllib.parse import quote

_FORBIDDEN = re.compile(r'[\\/:*?"<>|]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_CHARS, _BYTES = 80, 180
"""A name is at most so long without its ending; file systems take 255 bytes."""


def make_stem(title: str) -> str:
    """What of a title can name a file: no separators, no signs that are unseen or turn the text around; may be ""."""
    seen = "".join(
        " " if sign.isspace() else sign
        for sign in unicodedata.normalize("NFC", title)
        if sign.isspace() or unicodedata.category(sign)[0] != "C"
    )
    name = " ".join(_FORBIDDEN.sub("-", seen).split())[:_CHARS]
    name = name.encode()[:_BYTES].decode("utf-8", "ignore").strip(" .-")
    return f"_{name}" if _RESERVED.match(name) else name


def make_content_disposition(title: str, ending: str, *, unnamed: str) -> str:
    """A `Content-Disposition` (RFC 6266): the name in ASCII for old clients, and whole for all others (RFC 8187)."""
    name = make_stem(title) or unnamed
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = make_stem(plain.replace("%", "-")) or unnamed
    header = f'attachment; filename="{plain}.{ending}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(f'{name}.{ending}', safe='')}"
