"""The caller of a request, the checks of peers, hosts and origins, and the security headers of every answer."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Literal, get_args
from uuid import UUID

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; media-src 'self' blob:",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), screen-wake-lock=(self), camera=(), geolocation=()",
}
"""The headers of every answer, whatever it holds: no page may frame it, guess its type or load it without CORS."""

_HOST_HEADER = re.compile(
    r"(?:\[([0-9a-f:.]+)\]|([^\s:\[\]@/]+))(?::([0-9]{0,5}))?", re.ASCII | re.IGNORECASE
)
ORIGIN_PARTS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<name>\[[0-9a-f:.]+\]|[^\s:\[\]@/*?#,]+)(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
"""A web origin in lower case."""
_TCP_URI = re.compile(r"tcp://(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]@/?#]+)):([0-9]{1,5})/?", re.ASCII)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_loopback(host: str) -> bool:
    """Whether an address or name is loopback; an IPv4 address mapped into IPv6 counts as IPv4."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback


def parse_host(netloc: str) -> str:
    """Return the host name of a Host header in lower case, without port and brackets; empty if it is malformed."""
    match = _HOST_HEADER.fullmatch(netloc)
    return (match[1] or match[2]).lower() if match else ""


def read_origin(text: str) -> str:
    """Return an origin of the settings as browsers write it: in lower case, without a slash at its end.

    Raises:
        ValueError: it is no origin. The message does not repeat it.
    """
    origin = text.strip().lower().removesuffix("/")
    if origin != "null" and not ORIGIN_PARTS.fullmatch(origin):
        raise ValueError(
            "an origin is written as in https://app.example or http://localhost:5173: no path, no patterns"
        )
    return origin


def read_host_name(text: str) -> str:
    """Return a host name or address of the settings as `parse_host` returns it from a Host header.

    Raises:
        ValueError: it is none. The message does not repeat it.
    """
    with suppress(ValueError):
        return str(ip_address(text.strip()))
    name = parse_host(text.strip())
    if not name or "/" in name or "*" in name:
        raise ValueError(
            "a name is written as in prompter.example or 192.168.1.20: no scheme, no path, no patterns"
        )
    return name


def read_tcp_uri(text: str) -> tuple[str, int]:
    """Return host and port of an address such as tcp://127.0.0.1:10300; port 0 selects a free one.

    Raises:
        ValueError: it is none. The message does not repeat it.
    """
    if match := _TCP_URI.fullmatch(text.strip()):
        host, port = match[1] or match[2], int(match[3])
        if port < 1 << 16:
            return host, port
    raise ValueError("an address is written as in tcp://127.0.0.1:10300 or tcp://[::1]:10300")


def make_origin(scheme: str, netloc: str) -> str:
    """Return the origin of a page that was reached as `scheme://netloc`, as browsers write it: no default port."""
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return f"{scheme}://{netloc.lower()}".removesuffix(_DEFAULT_PORTS.get(scheme, ""))


def is_origin_allowed(origin: str, scheme: str, netloc: str, allowed: Iterable[str]) -> bool:
    """Whether a page of `origin` may use the server that it reached as `scheme://netloc`.

    Origins are compared as whole strings in lower case, without patterns. `null` (a sandboxed page, a file) is no
    server's own.
    """
    return origin.lower() == make_origin(scheme, netloc) or origin.lower() in allowed


Role = Literal["admin", "user"]
Scope = Literal["stt", "llm", "chat", "metrics"]
Via = Literal["local", "session", "key"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
LOCAL_USER_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The one user of a server without accounts. The first admin takes over this id with all its data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user of a request, and how the request was authenticated."""

    user_id: UUID
    name: str
    role: Role
    via: Via
    """`local`: the server has no accounts. `session`: a log-in. `key`: an API key."""
    scopes: frozenset[Scope] = SCOPES
    """What a key may be used for; a log-in has all scopes."""
    credential_id: UUID | None = None
    """The id of the log-in or key, which can be revoked."""
    expires_at: datetime | None = None


LOCAL_CALLER = Caller(user_id=LOCAL_USER_ID, name="local", role="admin", via="local")
"""The caller of every request to a server without accounts."""


RAY_AUTH_VARIABLE = "RAY_AUTH_MODE"
"""Ray's own: `token` lets in only who has the token of the cluster."""


_TOKEN_MISSING = "RAY_AUTH_MODE is token, and there is none: set the same RAY_AUTH_TOKEN on all machines"  # noqa: S105  # advice


def _has_ray_token(environ: Mapping[str, str]) -> bool:
    """Whether Ray finds a token: in the environment, in the file that is named there, or in this user's folder."""
    if environ.get("RAY_AUTH_TOKEN") or environ.get("RAY_AUTH_TOKEN_PATH"):
        return True
    return (Path.home() / ".ray" / "auth_token").is_file()


def tell_open_ray(environ: Mapping[str, str], *, is_trusted: bool) -> str:
    """What to do before this process may join a Ray cluster; empty where strangers are kept out.

    Ray listens at every address of the machine, whatever it is told, and runs what its peers send.
    """
    if environ.get(RAY_AUTH_VARIABLE, "").lower() == "token":
        return "" if _has_ray_token(environ) else _TOKEN_MISSING
    if is_trusted:
        return ""
    return (
        "Ray listens at all addresses and runs what it is sent: set RAY_AUTH_MODE=token and the same RAY_AUTH_TOKEN on "
        "all machines, or say PROMPTER_DECODE__TRUSTED_NETWORK=true where a firewall keeps strangers out"
    )
