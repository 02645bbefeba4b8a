"""Failures of upstreams as our own errors: one context manager, and a reader of error answers."""

import email.utils
import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpcore2
import httpx2
import orjson

from app.core.errors import (
    ContextTooLong,
    PrompterError,
    ServerFull,
    UpstreamError,
    UpstreamLoading,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnauthorized,
)
from app.providers.upstream.codec import EventTooLong
from app.providers.upstream.fields import TooManyToolCalls
from app.providers.upstream.transport import Reply

_OVERFLOW_STATUSES = frozenset(
    {200, 400, 413, 422}
)  # 200: an error in the middle of an answer, without a code
_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|context[ ](?:length|window|size)|maximum context|too many tokens"
    r"|prompt is too long|input is too long|exceeds the maximum number of tokens|maximum (?:prompt|input) length"
    r"|tokens.{1,40} must be <=",
    re.IGNORECASE,
)
_LONGEST_S = 24 * 3600.0
"""Nobody waits longer; what says so is a mistake."""
_FIELD = re.compile(r"[A-Za-z_][\w.\[\]]{0,63}")
_RATE = re.compile(r"rate.?limit", re.IGNORECASE)
_LOADING = re.compile(
    r"loading|is being loaded|not (?:yet )?loaded|warming up|starting up|not ready", re.IGNORECASE
)


def read_error_message(body: bytes | dict[str, Any]) -> str:
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


def read_error_text(body: bytes | dict[str, Any]) -> str:
    """The message with the codes around it, to be looked through."""
    words = read_error_message(body)
    if isinstance(body, bytes):
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            return words
    else:
        parsed = body
    error = parsed.get("error") or parsed if isinstance(parsed, dict) else None
    if not isinstance(error, dict):
        return words
    if isinstance(detail := error.get("detail"), list):  # FastAPI's list of what was wrong
        return orjson.dumps(detail).decode()
    codes = (error.get(key) for key in ("code", "type", "param"))
    return " ".join([words, *(code for code in codes if isinstance(code, str))])


def read_refused_field(body: bytes) -> str | None:
    """The field of the request that the error names, where that is the name of one."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = parsed.get("error") if isinstance(parsed, dict) else None
    name = error.get("param") if isinstance(error, dict) else None
    return name if isinstance(name, str) and _FIELD.fullmatch(name) else None


def is_context_overflow(status: int, words: str) -> bool:
    """Whether the conversation is longer than the model can read."""
    return status in _OVERFLOW_STATUSES and bool(_OVERFLOW.search(words)) and not _RATE.search(words)


def is_loading(status: int, words: str) -> bool:
    """Whether the server is there and its model not yet."""
    return status == 503 and bool(_LOADING.search(words))


def parse_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds after which the answer's headers say to try again."""
    if (milliseconds := _parse_number(headers.get("retry-after-ms"))) is not None:
        return min(milliseconds / 1000, _LONGEST_S)
    value = headers.get("retry-after")
    if not value:
        return None
    if (seconds := _parse_number(value)) is not None:
        return min(seconds, _LONGEST_S)
    try:
        moment_s = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment_s - time.time()), _LONGEST_S)


def _parse_number(text: str | None) -> float | None:
    """A finite number that is not below zero."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


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
_LOADING_S = 5.0
_FULL_S = 5.0
_ERROR_BYTES = 64 << 10
_QUOTE_CHARS = 16
_SHORT_CHARS = 4
_STATUS = re.compile(r"[45]\d\d", re.ASCII)
_KEYS = re.compile(r"\b(?:sk|pk|gsk|hf|key|Bearer)[-_ ][\w*.\-]{6,}")
"""What looks like a key, whole or half starred out, also one that is not ours."""


@contextmanager
def upstream_errors(host: str, *, answer_begun: bool = False) -> Iterator[None]:
    """Turn what the transport raises into UpstreamError, UpstreamTimeout or ServerFull; our own errors pass.

    `answer_begun`: an answer is on its way, so what breaks leaves it incomplete (UpstreamTruncated).
    """
    try:
        yield
    except httpcore2.PoolTimeout as error:
        raise ServerFull(
            f"as many answers of {host!r} are under way as there are connections; try again in {_FULL_S:g} s",
            retry_after_s=_FULL_S,
        ) from error
    except _TIMEOUTS as error:
        raise UpstreamTimeout(
            f"the upstream {host!r} did not answer in time; try again, or raise the limit"
        ) from error
    except _BROKEN as error:
        if answer_begun:
            raise make_truncated_error(host) from error
        raise UpstreamError(
            f"the upstream {host!r} cannot be reached or broke off ({type(error).__name__}); "
            "check base_url and that it runs"
        ) from error
    except EventTooLong as error:
        raise UpstreamError(f"the upstream {host!r} sent an event without end") from error
    except TooManyToolCalls as error:
        raise UpstreamError(f"the upstream {host!r} sent tool calls without end") from error
    except (httpcore2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise UpstreamError(f"the upstream {host!r} cannot be asked; check base_url") from error


def make_truncated_error(host: str) -> UpstreamTruncated:
    """The error of an answer that ended before it was finished."""
    return UpstreamTruncated(
        f"the upstream {host!r} broke off: its answer is incomplete (upstream_truncated); ask again"
    )


@dataclass(frozen=True, slots=True)
class Redactor:
    """What one request holds that its error messages must not: the key, and what was said."""

    key: str = ""
    texts: Sequence[str] = ()

    def __repr__(self) -> str:
        return "Private()"

    def redact(self, text: str) -> str:
        """An upstream's own words in one short line, without keys; withheld where they quote the request."""
        if self.key:
            text = text.replace(self.key, "[key]")
        text = _KEYS.sub("[key]", text)
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_DETAIL_CHARS]
        return (
            "(withheld: it quotes the request)"
            if any(_is_quoted_in(line, said) for said in self.texts)
            else line
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with an error status, or an error in the middle of an answer."""

    status: int
    """Of the answer; in the middle of one its `code`, 200 where that is none."""
    detail: str
    """The upstream's own words, made safe."""
    words: str = field(default="", repr=False)
    """The same as they were, with its codes: to be looked through, never shown."""
    retry_after_s: float | None = None
    is_midstream: bool = False
    param: str | None = None
    """The field that it refuses, where it names one."""

    def to_error(self, host: str) -> PrompterError:
        """The error to raise for it."""
        where = f"the upstream {host!r}"
        words = f": {self.detail}" if self.detail else ""
        status = self.status if self.status >= 300 else None
        details: dict[str, Any] = {"upstream_status": status, "param": self.param}
        if self.retry_after_s is not None:
            details["retry_after_s"] = self.retry_after_s
        if self.status in (401, 403):
            # Its own words often quote half of the key.
            text = f"{where} did not accept the API key (status {self.status}); check api_key"
            return UpstreamUnauthorized(text, **details)
        if is_context_overflow(self.status, self.words):
            text = (
                f"{where} says that this is more than its model can read; send less, or give it more context"
            )
            return ContextTooLong(text + words)
        if 300 <= self.status < 400:
            text = f"{where} redirects (status {self.status}), which is not followed; give its final address"
            return UpstreamError(text, **details)
        numbered = f" (status {self.status})" if status else ""
        if is_loading(self.status, self.words):
            details.setdefault("retry_after_s", _LOADING_S)
            return UpstreamLoading(
                f"{where} is still loading its model{numbered}; try again soon{words}", **details
            )
        if self.is_midstream:
            text = f"{where} failed in the middle of its answer{numbered}{words}"
        else:
            hint = "; base_url usually ends in /v1" if self.status == 404 else ""
            text = f"{where} answered with status {self.status}{hint}{words}"
        return (UpstreamRateLimited if self.status == 429 else UpstreamError)(text, **details)


async def read_refusal(reply: Reply, redactor: Redactor) -> Refusal | None:
    """What an answer refuses, or None where it is a success."""
    if 200 <= reply.status < 300:
        return None
    body = await reply.read_body(_ERROR_BYTES)
    words = read_error_message(body)
    wait_s = parse_retry_after_s(reply.headers)
    return Refusal(
        reply.status, redactor.redact(words), read_error_text(body), wait_s, param=read_refused_field(body)
    )


def read_midstream_refusal(data: dict[str, Any], redactor: Redactor) -> Refusal:
    """What an event refuses that came instead of a chunk."""
    error = data.get("error")
    code = error.get("code") if isinstance(error, dict) else data.get("code")
    status = int(code) if isinstance(code, int | str) and _STATUS.fullmatch(str(code)) else 200
    return Refusal(
        status, redactor.redact(read_error_message(data)), read_error_text(data), is_midstream=True
    )


def _is_quoted_in(line: str, said: str) -> bool:
    """Whether `line` repeats a part of `said`: all of it, or any run of twice `_QUOTE_CHARS` characters."""
    said = " ".join(said.split())
    if len(said) >= _SHORT_CHARS and said[:_DETAIL_CHARS] in line:
        return True
    windows = range(0, len(line) - _QUOTE_CHARS + 1, _QUOTE_CHARS)
    return any(line[start : start + _QUOTE_CHARS] in said for start in windows)
