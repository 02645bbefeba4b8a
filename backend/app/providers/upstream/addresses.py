"""Which IP addresses an upstream may have: pure checks on the address really connected to."""

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Where clouds hand out credentials to whoever asks: AWS, ECS, Alibaba, Azure, Oracle, Scaleway, Google.
_METADATA = [
    ip_network(net)
    for net in (
        "169.254.169.254/32",
        "169.254.170.0/23",
        "169.254.42.42/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::254/128",
        "fd00:42::42/128",
        "fd20:ce::254/128",
    )
]
_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_TRANSLATED = ip_network("::ffff:0:0:0/96")  # SIIT, RFC 2765
_COMPATIBLE = ip_network("::/96")
_ISATAP = 0x5EFE


class Reach(Enum):
    """How far a request may go, by who named the address."""

    PUBLIC = "public"
    """A request named it: addresses of the open internet alone."""
    LISTED = "listed"
    """A request named it and the operator listed it: any address but loopback and metadata."""
    LISTED_LOOPBACK = "listed_loopback"
    """The same on a server that only this machine can reach: loopback as well."""
    OPERATOR = "operator"
    """The settings named it: any address but metadata."""


def may_reach(address: Address, reach: Reach) -> bool:
    """Whether a connection to `address` is allowed."""
    forms = [address, *embedded_ipv4(address)]
    if any(form in net for form in forms for net in _METADATA if form.version == net.version):
        return False
    if reach is Reach.PUBLIC:
        return all(_is_public(form) for form in forms)
    if reach is Reach.LISTED:
        # Connecting to the unspecified address reaches this machine on most systems.
        return not any(form.is_loopback or form.is_unspecified for form in forms)
    return True


def is_loopback_host(host: str) -> bool:
    """Whether `host`, as written in a setting or an origin, means this machine alone."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def embedded_ipv4(address: Address) -> list[IPv4Address]:
    """Every IPv4 address that an IPv6 address may be turned into on its way."""
    if isinstance(address, IPv4Address):
        return []
    found = []
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    low = int(address) & 0xFFFF_FFFF
    isatap = (int(address) >> 32) & 0xFDFF_FFFF == _ISATAP
    tunnels = (_NAT64, _NAT64_LOCAL, _TRANSLATED, _COMPATIBLE)
    if isatap or any(address in net for net in tunnels):
        found.append(IPv4Address(low))
    return found


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return _is_public(
                address.ipv4_mapped
            )  # newer Pythons judge the mapped form so, older ones do not
        if (
            address.is_site_local
            or address in _NAT64_LOCAL
            or address in _TRANSLATED
            or address in _COMPATIBLE
        ):
            return False
    return address.is_global and not address.is_multicast
