"""The token of a request or socket. Parsed strictly: a header that two parsers read differently is a vulnerability."""

import re
from urllib.parse import parse_qsl

from starlette.types import Scope

from app.api.errors import is_under_v1
from app.core.errors import BadRequest, Unauthorized

MAX_TOKEN_LENGTH = 4096
"""Characters of a token."""
PROTOCOL = "prompter"
"""The subprotocol of this server's own socket, the only one that its handshake answers with."""
CARRIERS = ("bearer.", "openai-insecure-api-key.")
"""Prefixes of subprotocols that carry a token: browsers cannot set headers of a socket. They are never echoed."""
KEY_HEADER = b"x-api-key"
"""The header in which clients of Anthropic's API send a key, under /v1."""
QUERY_NAMES = frozenset({"token", "access_token", "refresh_token", "api_key", "apikey", "authorization"})

_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{1,{MAX_TOKEN_LENGTH}}}", re.ASCII)
_HEADER = re.compile(r"bearer +(\S+)", re.ASCII | re.IGNORECASE)
_UNREADABLE = (
    "`Authorization` must stand once, as `Bearer` and an access token or an API key; under /v1 the key may be in "
    "`x-api-key` instead"
)


def read_token(scope: Scope) -> str | None:
    """Return the token of a request or handshake; None if it carries none.

    Raises:
        Unauthorized: the token cannot be parsed, or there are several.
        BadRequest: the URL contains a token.
    """
    _refuse_in_url(scope)
    found = [_parse_header(value) for name, value in scope["headers"] if name == b"authorization"]
    keys = [value for name, value in scope["headers"] if name == KEY_HEADER]
    if keys and scope["type"] == "http" and is_under_v1(scope["path"]):
        given = [_check_form(value.decode("latin-1").strip(" \t")) for value in keys]
        found += [key for key in given if [key] != found]  # a client with both settings sends its key in both
    for protocol in scope.get("subprotocols", ()):  # only sockets have them
        found += [
            _check_form(protocol[len(carrier) :]) for carrier in CARRIERS if protocol.startswith(carrier)
        ]
    if len(found) > 1:
        raise Unauthorized(_UNREADABLE)
    return found[0] if found else None


def choose_subprotocol(scope: Scope, protocol: str = PROTOCOL) -> str | None:
    """Return the subprotocol to answer with, which is never one that carries a token."""
    return protocol if protocol in scope.get("subprotocols", ()) else None


def _parse_header(value: bytes) -> str:
    match = _HEADER.fullmatch(value.decode("latin-1").strip(" \t"))
    if match is None:
        raise Unauthorized(_UNREADABLE)
    return _check_form(match[1])


def _check_form(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise Unauthorized(_UNREADABLE)
    return token


def _refuse_in_url(scope: Scope) -> None:
    names = {
        name.lower() for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    }
    if names & QUERY_NAMES:
        raise BadRequest(
            "a token or key must not be part of a URL, which logs and histories keep; make a new one, and send it as "
            "`Authorization: Bearer`"
        )
