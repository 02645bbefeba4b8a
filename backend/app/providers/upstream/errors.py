"""Failures of upstreams told in our own words: one context manager, and one reader of error answers."""

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpcore2
import httpx2
import orjson

from app.core.errors import UpstreamError, UpstreamTimeout, UpstreamUnauthorized
from app.providers.upstream.transport import Reply
from app.providers.upstream.wire.sse import EventTooLong

CONNECT_ERRORS = (httpcore2.NetworkError, httpcore2.RemoteProtocolError, ssl.SSLError, anyio.EndOfStream)
"""The connection failed or was dropped: safe to try again while nothing has been answered."""

_TIMEOUTS = (httpcore2.TimeoutException, TimeoutError)
_BROKEN = (
    *CONNECT_ERRORS,
    httpcore2.ProtocolError,
    OSError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
_DETAIL_CHARS = 300
_ERROR_BYTES = 64 << 10
_QUOTE_CHARS = 16
_SHORT_CHARS = 4
_KEYS = re.compile(r"\b(?:sk|pk|gsk|hf|key|Bearer)[-_ ][\w*.\-]{6,}")
"""What looks like a key, whole or half starred out, also one that is not ours."""


@contextmanager
def upstream_errors(host: str) -> Iterator[None]:
    """Turn what the transport raises into UpstreamError and UpstreamTimeout; our own errors pass."""
    try:
        yield
    except _TIMEOUTS as error:
        raise UpstreamTimeout(
            f"the upstream {host!r} did not answer in time; try again, or raise the limit"
        ) from error
    except _BROKEN as error:
        raise UpstreamError(
            f"the upstream {host!r} cannot be reached or broke off ({type(error).__name__}); "
            "check base_url and that it runs"
        ) from error
    except EventTooLong as error:
        raise UpstreamError(f"the upstream {host!r} sent an event without end") from error
    except (httpcore2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise UpstreamError(f"the upstream {host!r} cannot be asked; check base_url") from error


@dataclass(frozen=True, slots=True)
class Private:
    """What one request holds that its error messages must not: the key, and what was said."""

    key: str = ""
    texts: Sequence[str] = ()

    def __repr__(self) -> str:
        return "Private()"

    def safe(self, text: str) -> str:
        """An upstream's own words in one short line, without keys; withheld where they quote the request."""
        if self.key:
            text = text.replace(self.key, "[key]")
        text = _KEYS.sub("[key]", text)
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_DETAIL_CHARS]
        return (
            "(withheld: it quotes the request)" if any(_quotes(line, said) for said in self.texts) else line
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with an error status."""

    status: int
    detail: str
    """The upstream's own words, made safe."""

    def error(self, host: str) -> UpstreamError:
        """The error to raise for it."""
        if self.status in (401, 403):
            # Its own words often quote half of the key.
            return UpstreamUnauthorized(
                f"the upstream {host!r} did not accept the API key (status {self.status}); check api_key"
            )
        if 300 <= self.status < 400:
            return UpstreamError(
                f"the upstream {host!r} redirects (status {self.status}), which is not followed; "
                "give its final address"
            )
        hint = "; base_url usually ends in /v1" if self.status == 404 else ""
        words = f": {self.detail}" if self.detail else ""
        return UpstreamError(f"the upstream {host!r} answered with status {self.status}{hint}{words}")


async def read_refusal(reply: Reply, private: Private) -> Refusal | None:
    """What an answer refuses, or None where it is a success."""
    if 200 <= reply.status < 300:
        return None
    return Refusal(reply.status, private.safe(told(await reply.body(_ERROR_BYTES))))


def told(body: bytes | dict[str, Any]) -> str:
    """The message inside an error body: OpenAI's shape, those of its imitators, or the plain text."""
    if isinstance(body, bytes):
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            text = body.decode("utf-8", "replace")
            return "" if text.lstrip().startswith("<") else text  # an HTML page tells nobody anything
    else:
        parsed = body
    while isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("error", "message", "detail") if parsed.get(key)), "")
    return parsed if isinstance(parsed, str) else ""


def _quotes(line: str, said: str) -> bool:
    """Whether `line` repeats a part of `said`: all of it, or any run of twice `_QUOTE_CHARS` characters."""
    said = " ".join(said.split())
    if len(said) >= _SHORT_CHARS and said[:_DETAIL_CHARS] in line:
        return True
    windows = range(0, len(line) - _QUOTE_CHARS + 1, _QUOTE_CHARS)
    return any(line[start : start + _QUOTE_CHARS] in said for start in windows)
