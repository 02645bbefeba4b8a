"""Where a request or a socket may carry its token: read strictly, for what is read in two ways is a hole."""

import re
from urllib.parse import parse_qsl

from starlette.types import Scope

from app.core.errors import BadRequest, Unauthorized

LONGEST = 4096
"""Characters of a token."""
PROTOCOL = "prompter"
"""The subprotocol of our sockets: the one that is echoed."""
CARRIERS = ("bearer.", "openai-insecure-api-key.")
"""Subprotocols that carry a token, for browsers, whose sockets have no headers; these are never echoed."""
IN_ADDRESS = frozenset({"token", "access_token", "refresh_token", "api_key", "apikey", "authorization"})

_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{1,{LONGEST}}}", re.ASCII)
_HEADER = re.compile(r"bearer +(\S+)", re.ASCII | re.IGNORECASE)
_UNREADABLE = "`Authorization` must stand once, as `Bearer` and an access token or an API key"


def read_token(scope: Scope) -> str | None:
    """The token of a request or a handshake; None where it carries none.

    Raises:
        Unauthorized: it cannot be read, or there are several.
        BadRequest: it stands in the address.
    """
    _refuse_in_address(scope)
    found = [_in_header(value) for name, value in scope["headers"] if name == b"authorization"]
    for protocol in scope.get("subprotocols", ()):  # a socket's
        found += [_checked(protocol[len(carrier) :]) for carrier in CARRIERS if protocol.startswith(carrier)]
    if len(found) > 1:
        raise Unauthorized(_UNREADABLE)
    return found[0] if found else None


def choose_subprotocol(scope: Scope) -> str | None:
    """The subprotocol to answer with: never one that carries a token."""
    return PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None


def _in_header(value: bytes) -> str:
    match = _HEADER.fullmatch(value.decode("latin-1").strip(" \t"))
    if match is None:
        raise Unauthorized(_UNREADABLE)
    return _checked(match[1])


def _checked(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise Unauthorized(_UNREADABLE)
    return token


def _refuse_in_address(scope: Scope) -> None:
    names = {
        name.lower() for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    }
    if names & IN_ADDRESS:
        raise BadRequest(
            "a token or key never stands in an address, where logs and histories keep it; send it as "
            "`Authorization: Bearer`, and make a new one"
        )
