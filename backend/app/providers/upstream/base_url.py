"""Base URLs of upstreams: normalised, and judged by who named them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

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
    origin: str
    """Scheme, host and port; `localhost` counts as 127.0.0.1."""
    host: str
    scheme: str


def parse(text: str) -> BaseUrl:
    """Normalise a base URL: spaces, trailing slashes and a pasted `/chat/completions` or `/models` go.

    The parser is that of the HTTP client itself, so that no second opinion about the host can arise.

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
    _check(url, text)
    path = url.raw_path.decode("ascii").rstrip("/")
    for suffix in _PASTED:
        path = path.removesuffix(suffix)
    origin = _origin(url)
    return BaseUrl(url=_authority(url) + path.rstrip("/"), origin=origin, host=url.host, scheme=url.scheme)


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


def _check(url: httpx2.URL, text: str) -> None:
    if url.scheme not in ("http", "https"):
        raise BaseUrlNotAllowed("base_url has another scheme; expected https, or http for an allowed origin")
    if url.port is not None and not 0 < url.port < 65536:
        raise BaseUrlNotAllowed("base_url has a port that does not exist; expected 1 to 65535")
    if not url.host:
        raise BaseUrlNotAllowed("base_url has no host; expected something like 'https://host/v1'")
    authority = text.partition("//")[2].partition("/")[0]
    if url.userinfo or "@" in authority:
        raise BaseUrlNotAllowed("base_url holds a user name or password; put the key in api_key")
    if "%" in authority:
        raise BaseUrlNotAllowed("base_url has an escape or a zone id in its host; write a plain host name")
    if url.query or url.fragment or "?" in text or "#" in text:
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
