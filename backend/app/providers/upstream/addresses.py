"""Base URLs and IP addresses of upstreams: parsed, normalized, and allowed or refused. Nothing here does I/O."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx2

from app.core.config import Settings
from app.core.errors import BaseUrlNotAllowed

Address = IPv4Address | IPv6Address
logger = logging.getLogger(__name__)

_PASTED_PATHS = ("/chat/completions", "/audio/transcriptions", "/models")


class Reach(Enum):
    """Which addresses a request may connect to; it depends on who named the address."""

    PUBLIC = "public"
    """A client named it: addresses of the public internet alone."""
    LISTED = "listed"
    """A client named it and the operator listed it: any address but loopback and cloud metadata."""
    LISTED_LOOPBACK = "listed_loopback"
    """As `LISTED`, on a server that only this machine can reach: loopback as well."""
    OPERATOR = "operator"
    """The settings named it: any address but cloud metadata."""


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A checked base URL without a trailing slash."""

    url: str
    """Without its query."""
    origin: str
    """Scheme, host and port; `localhost` counts as 127.0.0.1."""
    host: str
    scheme: str
    path: str = ""
    """With its leading slash; empty where there is none."""
    query: str = ""
    """Without the question mark, such as Azure's `api-version=…`."""

    def join(self, path: str) -> str:
        """Return the URL of `path` under this base, with its query."""
        return f"{self.url}{path}?{self.query}" if self.query else self.url + path

    def with_path(self, path: str) -> "BaseUrl":
        """Return this base URL with another path."""
        return replace(self, url=self.url.removesuffix(self.path) + path, path=path)

    @property
    def candidates(self) -> tuple["BaseUrl", ...]:
        """The base URLs to try, likeliest first: people leave out `/v1`, and some services have no `/v1`."""
        return (self,) if self.path else (self.with_path("/v1"), self)


def parse_base_url(text: str, *, with_query: bool = False) -> BaseUrl:
    """Parse a base URL, without spaces, trailing slashes and a pasted `/chat/completions` or `/models`.

    The parser is the HTTP client's own: two parsers could disagree about the host. `with_query` allows a query, which
    only the operator's addresses may have.

    Raises:
        BaseUrlNotAllowed: it is not a plain http or https address.
    """
    text = text.strip(" ")
    if not text.isascii() or any(char.isspace() or not char.isprintable() or char == "\\" for char in text):
        raise BaseUrlNotAllowed("base_url holds a character that no address has; write it in plain ASCII")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BaseUrlNotAllowed(
            "base_url is no address; expected something like 'https://host/v1'"
        ) from error
    _check_url(url, text, with_query=with_query)
    path, _, query = url.raw_path.decode("ascii").partition("?")
    path = path.rstrip("/")
    for suffix in _PASTED_PATHS:
        path = path.removesuffix(suffix)
    path = path.rstrip("/")
    authority = f"{url.scheme}://{url.netloc.decode('ascii')}"
    return BaseUrl(
        url=authority + path,
        origin=_read_origin(url),
        host=url.host,
        scheme=url.scheme,
        path=path,
        query=query,
    )


def decide_reach(base: BaseUrl, settings: Settings) -> Reach:
    """Return the reach of a base URL that a client named.

    Raises:
        BaseUrlNotAllowed: it is neither public https nor on the list of allowed origins.
    """
    on_loopback = is_loopback_host(settings.host)
    if base.origin in _parse_origins(settings.llm.allowed_base_urls):
        if is_loopback_host(base.host.strip("[]")) and not on_loopback:
            raise BaseUrlNotAllowed(
                f"base_url {base.origin!r} is this server's own machine, and the server is open to others; "
                "set it as PROMPTER_LLM__OPENAI_COMPAT__BASE_URL instead"
            )
        return Reach.LISTED_LOOPBACK if on_loopback else Reach.LISTED
    if base.scheme == "https":
        return Reach.PUBLIC
    raise BaseUrlNotAllowed(
        "base_url is not allowed; expected public https, or an origin on PROMPTER_LLM__ALLOWED_BASE_URLS"
    )


def is_loopback_host(host: str) -> bool:
    """Whether `host`, as written in a setting or an origin, is this machine."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(url: httpx2.URL, text: str, *, with_query: bool) -> None:
    """
    Raises:
        BaseUrlNotAllowed: a part of the URL is missing, or must not be there.
    """
    if url.scheme not in ("http", "https"):
        raise BaseUrlNotAllowed("base_url has another scheme; expected https, or http for an allowed origin")
    if url.port is not None and not 0 < url.port < 65536:
        raise BaseUrlNotAllowed("base_url has a port that does not exist; expected 1 to 65535")
    if not url.host:
        raise BaseUrlNotAllowed("base_url has no host; expected something like 'https://host/v1'")
    authority = text.partition("//")[2].partition("/")[0].partition("?")[0]
    if url.userinfo or "@" in authority:
        raise BaseUrlNotAllowed("base_url holds a user name or password; put the key in api_key")
    if "%" in authority:
        raise BaseUrlNotAllowed("base_url has an escape or a zone id in its host; write a plain host name")
    if url.fragment or "#" in text or (not with_query and (url.query or "?" in text)):
        raise BaseUrlNotAllowed(
            "base_url has a query or a fragment; expected an address that ends in its path"
        )


def _read_origin(url: httpx2.URL) -> str:
    host = url.host.rstrip(".").lower()
    host = "127.0.0.1" if host == "localhost" else host
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://[{host}]:{port}" if ":" in host else f"{url.scheme}://{host}:{port}"


def _parse_origins(allowed: Sequence[str]) -> set[str]:
    origins = set()
    for entry in allowed:
        try:
            origins.add(parse_base_url(entry).origin)
        except BaseUrlNotAllowed:
            logger.warning("an entry of PROMPTER_LLM__ALLOWED_BASE_URLS is no address and is left out")
    return origins


# -- IP addresses

# Where clouds hand out credentials to their machines: AWS, ECS, Alibaba, Azure, Oracle, Scaleway, Google.
_METADATA_NETWORKS = [
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


def may_reach(address: Address, reach: Reach) -> bool:
    """Whether a connection to `address` is allowed."""
    forms = [address, *find_embedded_ipv4(address)]
    if any(form in net for form in forms for net in _METADATA_NETWORKS if form.version == net.version):
        return False
    if reach is Reach.PUBLIC:
        return all(_is_public(form) for form in forms)
    if reach is Reach.LISTED:
        # Connecting to the unspecified address reaches this machine on most systems.
        return not any(form.is_loopback or form.is_unspecified for form in forms)
    return True


def find_embedded_ipv4(address: Address) -> list[IPv4Address]:
    """Return every IPv4 address that the network may translate an IPv6 address to."""
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
            # Newer Pythons judge the mapped address by itself, older ones do not.
            return _is_public(address.ipv4_mapped)
        if (
            address.is_site_local
            or address in _NAT64_LOCAL
            or address in _TRANSLATED
            or address in _COMPATIBLE
        ):
            return False
    return address.is_global and not address.is_multicast
