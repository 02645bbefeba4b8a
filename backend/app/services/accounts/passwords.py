"""User names and passwords: rules for both, and argon2id hashes that worker threads compute, a few at a time."""

import base64
import re
import secrets
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.errors import BadRequest, TooManyAttempts

T = TypeVar("T")

MEMORY_KIB, PASSES, LANES = 65_536, 3, 4
"""The second recommendation of RFC 9106, for machines with little memory to spare."""
SALT_BYTES, HASH_BYTES = 16, 32
CONCURRENT_HASHES = 2
"""Hashes computed at the same time; each takes `MEMORY_KIB`."""
MAX_WAITING = 32
"""Passwords that may wait for their turn; one more is refused."""
MIN_LENGTH, MAX_LENGTH = 10, 1024
"""Characters of a password."""
MAX_NAME_LENGTH = 64
"""Characters of a user name."""


_NAME = re.compile(rf"[^\W_][\w.@+-]{{0,{MAX_NAME_LENGTH - 1}}}")


class Passwords:
    """Hashes and checks passwords without blocking the event loop."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES, lanes: int = LANES) -> None:
        hasher = Argon2Hasher(passes, memory_kib, lanes, HASH_BYTES, SALT_BYTES)
        self._hash = PasswordHash((hasher,))
        self._limiter = anyio.CapacityLimiter(CONCURRENT_HASHES)
        self._waiting = 0
        # A hash that takes as long to check as a real one, and that no password matches: its bytes are random.
        salt, tail = (_encode_base64(secrets.token_bytes(n)) for n in (SALT_BYTES, HASH_BYTES))
        self._dummy_hash = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${tail}"

    async def hash(self, password: str) -> str:
        """Hash a new password.

        Raises:
            BadRequest: the password is too short or too long.
            TooManyAttempts: too many passwords wait for their turn.
        """
        check_password_length(password)
        return await self._run_in_thread(self._hash.hash, _encode(password))

    async def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Return whether a password is right, and a new hash if the stored one has outdated parameters.

        Without a stored hash (the user is unknown or has no password) it is wrong, after the same time.

        Raises:
            TooManyAttempts: too many passwords wait for their turn.
        """
        if len(password) > MAX_LENGTH:
            password, stored = "", None
        try:
            return await self._run_in_thread(
                self._hash.verify_and_update, _encode(password), stored or self._dummy_hash
            )
        except UnknownHashError:
            return False, None

    async def _run_in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        if self._waiting >= MAX_WAITING:
            raise TooManyAttempts("too many log-ins at once; try again in 2 s", retry_after_s=2.0)
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(function, *arguments, limiter=self._limiter)
        finally:
            self._waiting -= 1


def check_password_length(password: str) -> None:
    """Check the length of a new password.

    Raises:
        BadRequest: the password is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise BadRequest(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters; choose another one")


def _encode(password: str) -> bytes:
    """Encode a password to the same bytes however its accents are composed; unpaired surrogates are allowed."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _encode_base64(data: bytes) -> str:
    """Encode as argon2 does: Base64 without padding."""
    return base64.b64encode(data).decode().rstrip("=")


def make_name_key(name: str) -> str:
    """Fold a name for comparison: `Ana`, `ana` and `ANA` are the same user."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def normalize_name(name: str) -> str:
    """Return a new user's name in Unicode's composed form (NFC).

    Raises:
        BadRequest: the name is empty or too long, or has a character that names must not have.
    """
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"a user's name has 1 to {MAX_NAME_LENGTH} letters, digits or `.@+-_`, and begins with a letter or digit"
        )
    return name
