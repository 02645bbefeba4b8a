"""Who calls: the caller of a request, and which peers and hosts may talk to a server without accounts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Literal, get_args
from uuid import UUID

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own loopback; IPv4 inside IPv6 counts as IPv4."""
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
    """The name in a Host header, lower-case, without port and brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.rpartition(":")[0].lower() if ":" in netloc else netloc.lower()


def is_origin_allowed(origin: str, scheme: str, netloc: str, allowed: Iterable[str]) -> bool:
    """Whether a page of `origin` may talk to the server it addressed as `scheme://netloc`.

    Strings are compared whole: no patterns, no prefixes. `null` (a sandboxed page, a file) is never the server's own.
    """
    own = f"{ {'ws': 'http', 'wss': 'https'}.get(scheme, scheme) }://{netloc}"
    return origin.lower() == own.lower() or origin in allowed


Role = Literal["admin", "user"]
Scope = Literal["stt", "llm", "chat", "metrics"]
Via = Literal["local", "session", "key"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
LOCAL_USER_ID = UUID("00000000-0000-7000-8000-000000000001")
"""Owns everything while there are no accounts; the first admin becomes this user."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, or a program that acts for one."""

    user_id: UUID
    name: str
    role: Role
    via: Via
    """`local`: there are no accounts. `session`: logged in. `key`: an API key."""
    scopes: frozenset[Scope] = SCOPES
    """What a key may be used for; a person may do all."""
    credential_id: UUID | None = None
    """Of the session or the key: what can be revoked."""
    expires_at: datetime | None = None


LOCAL_CALLER = Caller(LOCAL_USER_ID, "local", "admin", "local")
"""The one user of a server without accounts."""
