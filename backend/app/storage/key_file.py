"""The key file of connected models: encrypts their API keys, so that the database alone gives none away."""

import base64
import hashlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.errors import StorageUnavailable
from app.utils.private_files import can_others_read, create_secret

CONNECTIONS_KEY_FILE = "connections.key"
"""Its name in the data folder."""
MIN_KEY_CHARS = 32
"""A shorter key can be guessed from a copy of the database."""
_VERSION = "v1:"
_NONCE_BYTES = 12


class KeyFile:
    """Seals and opens secrets with the key of the settings, or with the file, which is made when first needed.

    All methods read files, and belong into a thread.
    """

    def __init__(self, data_dir: Path, configured: str = "") -> None:
        self.path = data_dir / CONNECTIONS_KEY_FILE
        self._configured = configured

    def __repr__(self) -> str:
        return "KeyFile()"

    def seal(self, secret: str, context: bytes) -> str:
        """Encrypt a secret with AES-GCM; it opens with the same `context` alone.

        Raises:
            StorageUnavailable: the key is too short, or its file cannot be read or written, or other users can read it.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        key = self._read() or self._create()
        sealed = AESGCM(key).encrypt(nonce, secret.encode(), context)
        return _VERSION + base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, sealed: str, context: bytes) -> str | None:
        """Decrypt a secret; None where this key, or this context, is not the one that it was sealed with.

        Raises:
            StorageUnavailable: the key is too short, or its file cannot be read, or other users can read it.
        """
        key = self._read()
        if key is None or not sealed.startswith(_VERSION):
            return None
        try:
            data = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
            return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context).decode()
        except (InvalidTag, ValueError):
            return None

    def _read(self) -> bytes | None:
        """Return the key, None where there is no file yet."""
        if self._configured:
            return _derive(self._configured.encode(), "llm.connections_key")
        try:
            if can_others_read(self.path):
                raise StorageUnavailable(
                    f"other users can read {self.path.name!r} in the data folder, which opens the keys of connected "
                    "models: take it from them (mode 600), and renew those keys"
                )
            return _derive(self.path.read_bytes(), f"the key file {self.path.name!r} of the data folder")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _make_unusable(self.path, error) from error

    def _create(self) -> bytes:
        """Create the file, unless another server has just done so."""
        try:
            create_secret(self.path)
        except OSError as error:
            raise _make_unusable(self.path, error) from error
        if (key := self._read()) is None:
            raise StorageUnavailable(f"the key file {self.path.name!r} was removed as it was made; try again")
        return key


def _derive(material: bytes, source: str) -> bytes:
    """The AES key: the material is random already, and only brought to its length."""
    if len(material.strip()) < MIN_KEY_CHARS:
        raise StorageUnavailable(
            f"{source} is too short to encrypt the keys of connected models: expected {MIN_KEY_CHARS} characters or "
            "more; whoever runs the server puts the right one there, or removes it so that the server makes another one"
        )
    return hashlib.sha256(b"prompter connections\0" + material.strip()).digest()


def _make_unusable(path: Path, error: OSError) -> StorageUnavailable:
    reason = (error.strerror or type(error).__name__).lower()
    return StorageUnavailable(
        f"the key file {path.name!r} of the data folder cannot be used ({reason}): give it to the user that runs "
        "the server"
    )
