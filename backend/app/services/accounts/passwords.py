"""User names and passwords: their rules, and argon2id hashes made in worker threads, few at a time."""

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
"""The second recommendation of RFC 9106: for machines that have other things to do with their memory."""
SALT_BYTES, HASH_BYTES = 16, 32
AT_ONCE = 2
"""Hashes computed at the same time: 128 MiB."""
WAITING = 32
"""Log-ins that wait for their turn; one more is sent away."""
SHORTEST, LONGEST = 10, 1024
"""Characters of a password."""


class Passwords:
    """Hash and check passwords without holding up the event loop."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES, lanes: int = LANES) -> None:
        hasher = Argon2Hasher(passes, memory_kib, lanes, HASH_BYTES, SALT_BYTES)
        self._hash = PasswordHash((hasher,))
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._waiting = 0
        # Costs what a real one costs to check, and no password has it: nobody knows one for random bytes.
        salt, tail = (_unpadded(secrets.token_bytes(n)) for n in (SALT_BYTES, HASH_BYTES))
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${tail}"

    async def hash(self, password: str) -> str:
        """The hash of a new password.

        Raises:
            BadRequest: too short or too long.
            TooManyAttempts: too many are being computed.
        """
        check_password_length(password)
        return await self._in_thread(self._hash.hash, _plain(password))

    async def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether it is the one; and a new hash where the stored one is of older parameters.

        Without a stored hash (an unknown user, one without a password) the answer is no, after the same time.

        Raises:
            TooManyAttempts: too many are being computed.
        """
        if len(password) > LONGEST:
            password, stored = "", None
        try:
            return await self._in_thread(
                self._hash.verify_and_update, _plain(password), stored or self._nobody
            )
        except UnknownHashError:
            return False, None

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        if self._waiting >= WAITING:
            raise TooManyAttempts("too many log-ins at once; try again in 2 s", retry_after_s=2.0)
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(function, *arguments, limiter=self._limiter)
        finally:
            self._waiting -= 1


def check_password_length(password: str) -> None:
    """
    Raises:
        BadRequest: the password is too short or too long to be taken.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadRequest(f"a password has {SHORTEST} to {LONGEST} characters")


def _plain(password: str) -> bytes:
    """The same bytes however a keyboard composes its accents; a half character is no reason to fail."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


LONGEST_NAME = 64
_NAME = re.compile(rf"[^\W_][\w.@+-]{{0,{LONGEST_NAME - 1}}}")


def make_name_key(name: str) -> str:
    """By which a name is found: `Ana`, `ana` and `ANA` are one user."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def normalize_name(name: str) -> str:
    """The name in its usual composition.

    Raises:
        BadRequest: it is not one.
    """
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"a user's name has 1 to {LONGEST_NAME} letters, digits or `.@+-_`, and begins with a letter or digit"
        )
    return name
