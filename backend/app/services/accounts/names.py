"""What a user may be called, and when two names are the same."""

import re
import unicodedata

from app.core.errors import BadRequest

LONGEST = 64
_NAME = re.compile(rf"[^\W_][\w.@+-]{{0,{LONGEST - 1}}}")


def name_key(name: str) -> str:
    """By which a name is found: `Ana`, `ana` and `ANA` are one user."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def checked_name(name: str) -> str:
    """The name in its usual composition.

    Raises:
        BadRequest: it is not one.
    """
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"a user's name has 1 to {LONGEST} letters, digits or `.@+-_`, and begins with a letter or digit"
        )
    return name
