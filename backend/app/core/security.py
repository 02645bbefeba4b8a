"""Who may talk to a server without accounts: loopback peers, from pages that the server itself serves."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

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


def host_name(netloc: str) -> str:
    """The name in a Host header, lower-case, without port and brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.rpartition(":")[0].lower() if ":" in netloc else netloc.lower()


def origin_allowed(origin: str, scheme: str, netloc: str, allowed: Iterable[str]) -> bool:
    """Whether a page of `origin` may talk to the server it addressed as `scheme://netloc`.

    Strings are compared whole: no patterns, no prefixes. `null` (a sandboxed page, a file) is never the server's own.
    """
    own = f"{ {'ws': 'http', 'wss': 'https'}.get(scheme, scheme) }://{netloc}"
    return origin.lower() == own.lower() or origin in allowed
