"""The headers of every answer, and those of CORS for pages of other origins that the settings allow."""

import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

from starlette.datastructures import MutableHeaders
from starlette.types import Message

from app import __version__
from app.core.config import Settings
from app.core.security import SECURITY_HEADERS

SERVER_HEADER = "X-Prompter"
"""The header by which a PROMPTer recognises another one, and does not take it for a model server."""
OMITTED_TOOLS_HEADER = "X-Prompter-Omitted-Tools"
"""The header that names the tools of a request that the model was not offered."""
ANTHROPIC_ID_HEADER = "Request-Id"
"""The header in which clients of Anthropic's API look for the id of a request."""
EXPOSED_HEADERS = (
    "Content-Disposition",
    "Content-Range",
    "Link",
    ANTHROPIC_ID_HEADER,
    "Retry-After",
    "WWW-Authenticate",
    SERVER_HEADER,
    OMITTED_TOOLS_HEADER,
    "X-Request-ID",
    "X-Should-Retry",
    "X-Total-Count",
)
"""Headers that a page of an allowed origin can read, besides those that every page can."""

PageLanguage = Literal["en", "es"]
"""The languages of what the server itself shows to people."""
_MOST_PARTS = 64
"""Entries of `Accept-Language` that are read."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_CHARS = 64
_MOST_NAMES = 32


def write_tool_names(names: Sequence[str]) -> str:
    """Names of tools, as a client wrote them, in a form that a header can carry."""
    safe = [_UNSAFE.sub("_", each[:_NAME_CHARS]) or "_" for each in names[:_MOST_NAMES]]
    return ", ".join(safe + ["..."] * (len(names) > _MOST_NAMES))


def add_common_headers(message: Message, request_id: str) -> None:
    """Add what every answer has to the message that begins one; a header that it has already stays."""
    headers = MutableHeaders(scope=message)
    headers.setdefault("X-Request-ID", request_id)
    headers[SERVER_HEADER] = __version__
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)


def choose_language(accepted: str) -> PageLanguage:
    """The first of our languages in an `Accept-Language` header, which browsers write in order; English if none is."""
    for entry in accepted.lower().split(",")[:_MOST_PARTS]:
        tag = entry.partition(";")[0].strip().partition("-")[0]
        for language in get_args(PageLanguage):
            if tag == language:
                return language  # type: ignore[no-any-return]  # one of the literal's values
    return "en"


def make_cors_options(settings: Settings) -> dict[str, Any]:
    """Return the options of CORS for the origins in the settings; other origins are never allowed.

    SDKs send headers of their own (`x-stainless-*`), so an allowed page may send any. A page of a public site may also
    use a server on a private address: its origin was allowed by name.
    """
    return {
        "allow_origins": settings.allowed_origins,
        "allow_credentials": True,
        "allow_methods": ["GET", "POST", "PATCH", "DELETE"],
        "allow_headers": ["*"],
        "allow_private_network": True,
        "expose_headers": EXPOSED_HEADERS,
        "max_age": 600,
    }
