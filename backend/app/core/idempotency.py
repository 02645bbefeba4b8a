"""Keys by which a request that arrives twice is recognised: `Idempotency-Key`, checked and hashed. Pure."""

import hashlib
import hmac
from dataclasses import dataclass, replace

import orjson

from app.core.errors import BadRequest

HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The key of one request, and what it was sent with. Hashes: what is stored shows neither key nor body."""

    key_hash: str
    request_hash: str


def make_request_key(key: str, method: str, path: str, body: bytes) -> RequestKey:
    """Make the key of a request from its header. Spaces and the order of fields make no other body.

    Raises:
        BadRequest: the header is empty, too long, or not plain ASCII.
    """
    if not key.strip() or len(key) > MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise BadRequest(
            f"`{HEADER}` is malformed: expected 1 to {MAX_KEY_CHARS} characters of ASCII, such as a UUID"
        )
    return RequestKey(
        key_hash=hashlib.sha256(key.encode()).hexdigest(),
        # Keyed with what is stored as a hash alone: whoever reads the database cannot try out bodies with secrets.
        request_hash=hmac.digest(
            key.encode(), f"{method} {path}\n".encode() + _normalize(body), "sha256"
        ).hex(),
    )


def bind_key(key: RequestKey, credential: str) -> RequestKey:
    """The key together with a credential: with another one it is another key."""
    return replace(key, key_hash=hashlib.sha256(f"{key.key_hash} {credential}".encode()).hexdigest())


def _normalize(body: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body  # empty, no JSON, or too deep to be written again: the route decides
