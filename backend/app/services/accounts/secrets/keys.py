"""API keys: `pk_` and 256 random bits, shown once; what is stored is their hash and the beginning."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

PREFIX = "pk_"
SECRET_BYTES = 32
SHOWN_CHARACTERS = 8
"""Of the secret: enough to find a key among one's own, too few to guess the rest (48 of 256 bits)."""
_FORM = re.compile(r"pk_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that nobody has seen yet."""

    secret: str = field(repr=False)
    prefix: str
    """Stored in the clear, indexed, and shown in lists."""
    hash: str


def new_key() -> NewKey:
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return NewKey(secret, prefix_of(secret), hash_of(secret))


def looks_like_key(token: str) -> bool:
    """Whether it has the form of a key; anything else is not looked up."""
    return _FORM.fullmatch(token) is not None


def prefix_of(key: str) -> str:
    return key[: len(PREFIX) + SHOWN_CHARACTERS]


def hash_of(secret: str) -> str:
    """SHA-256 in hex. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same(left: str, right: str) -> bool:
    """Whether two hashes are equal, in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
