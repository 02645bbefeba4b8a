"""Base URLs of upstreams: normalised, and judged by who named them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import httpx2

from app.core.config import Settings
from app.core.errors import BaseUrlNotAllowed
from app.providers.upstream.addresses import Reach, is_loopback_host

_PASTED = ("/chat/completions", "/audio/transcriptions", "/models")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A checked base URL, without a trailing slash."""

    url: str
    """Without its query."""
    origin: str
    """Scheme, host and port; `localhost` counts as 127.0.0.1."""
    host: str
    scheme: str
    path: str = ""
    """From its slash on, empty where there is none."""
    query: str = ""
    """Without the question mark: Azure's `api-version=…`."""

    def at(self, path: str) -> str:
        """The address of what lies under it, with its query."""
        return f"{self.url}{path}?{self.query}" if self.query else self.url + path

    def with_path(self, path: str) -> "BaseUrl":
        """The same place with another path."""
        return replace(self, url=self.url.removesuffix(self.path) + path, path=path)

    @property
    def forms(self) -> tuple["BaseUrl", ...]:
        """What may be meant, likeliest first. Many leave out `/v1`, and some services have none: one must ask."""
        return (self,) if self.path else (self.with_path("/v1"), self)


def parse(text: str, *, with_query: bool = False) -> BaseUrl:
    """Normalise a base URL: spaces, trailing slashes and a pasted `/chat/completions` or `/models` go.

    The parser is that of the HTTP client itself, so that no second opinion about the host can arise. A query is only
    for the operator's own addresses.

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
    _check(url, text, with_query=with_query)
    path, _, query = url.raw_path.decode("ascii").partition("?")
    path = path.rstrip("/")
    for suffix in _PASTED:
        path = path.removesuffix(suffix)
    path = path.rstrip("/")
    return BaseUrl(_authority(url) + path, _origin(url), url.host, url.scheme, path, query)


def reach_of_request(base: BaseUrl, settings: Settings) -> Reach:
    """How far a base URL that a request brought may go.

    Raises:
        BaseUrlNotAllowed: it is neither public https nor on the list of allowed origins.
    """
    on_loopback = is_loopback_host(settings.host)
    if base.origin in _origins(settings.llm.allowed_base_urls):
        if is_loopback_host(base.host.strip("[]")) and not on_loopback:
            raise BaseUrlNotAllowed(
                f"base_url {base.origin!r} is this server's own machine, and the server is open to others; "
                "set it as PROMPTER_LLM__OPENAI_COMPAT__BASE_URL instead"
            )
        return Reach.LISTED_LOOPBACK if on_loopback else Reach.LISTED
    if base.scheme == "https":
        return Reach.PUBLIC
    raise BaseUrlNotAllowed(
        f"base_url {base.origin!r} is not allowed; expected public https, "
        "or an origin on PROMPTER_LLM__ALLOWED_BASE_URLS"
    )


def _check(url: httpx2.URL, text: str, *, with_query: bool) -> None:
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


def _authority(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _origin(url: httpx2.URL) -> str:
    host = url.host.rstrip(".").lower()
    host = "127.0.0.1" if host == "localhost" else host
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://[{host}]:{port}" if ":" in host else f"{url.scheme}://{host}:{port}"


def _origins(allowed: Sequence[str]) -> set[str]:
    origins = set()
    for entry in allowed:
        try:
            origins.add(parse(entry).origin)
        except BaseUrlNotAllowed:
            logger.warning("an entry of PROMPTER_LLM__ALLOWED_BASE_URLS is no address and is left out")
    return origins
