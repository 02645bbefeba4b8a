"""Turns failures of upstreams into our own errors: what the transport raises, and what an error answer says."""

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
    UpstreamReason,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnauthorized,
)
from app.core.notes import Note, NoteCode
from app.providers.upstream.codec import EventTooLong
from app.providers.upstream.tool_call_normalizer import TooManyToolCalls
from app.providers.upstream.transport import Reply, UnknownHost

CONNECT_ERRORS = (httpcore2.NetworkError, httpcore2.RemoteProtocolError, ssl.SSLError, anyio.EndOfStream)
"""The connection failed or was dropped. Trying again is safe while nothing of an answer has come."""

_TIMEOUTS = (httpcore2.TimeoutException, TimeoutError)
_BROKEN = (
    *CONNECT_ERRORS,
    httpcore2.ProtocolError,
    OSError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
_RETRY_WHEN_LOADING_S = 5.0
_RETRY_WHEN_FULL_S = 5.0
_MAX_ERROR_BODY_BYTES = 64 << 10


@contextmanager
def upstream_errors(host: str, *, answer_begun: bool = False) -> Iterator[None]:
    """Turn what the transport raises into UpstreamError, UpstreamTimeout or ServerFull; our own errors pass.

    `answer_begun`: part of an answer has come, so a broken connection leaves it incomplete (UpstreamTruncated).
    """
    try:
        yield
    except httpcore2.PoolTimeout as error:
        raise ServerFull(
            f"all connections to {host!r} are in use by other answers; try again in {_RETRY_WHEN_FULL_S:g} s",
            retry_after_s=_RETRY_WHEN_FULL_S,
        ) from error
    except _TIMEOUTS as error:
        raise UpstreamTimeout(
            f"the upstream {host!r} did not answer in time; try again, or raise the limit",
            note=Note(NoteCode.NOT_ANSWERED_IN_TIME, {"host": host}),
        ) from error
    except _BROKEN as error:
        if answer_begun:
            raise make_truncated_error(host) from error
        raise UpstreamError(
            f"the upstream {host!r} cannot be reached or broke off ({type(error).__name__}); "
            "check base_url and that it runs",
            reason=_find_reason(error),
            note=Note(NoteCode.NOT_REACHED, {"host": host}),
        ) from error
    except EventTooLong as error:
        raise UpstreamError(f"the upstream {host!r} sent an event without end") from error
    except TooManyToolCalls as error:
        raise UpstreamError(f"the upstream {host!r} sent tool calls without end") from error
    except (httpcore2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise UpstreamError(
            f"the upstream {host!r} cannot be asked; check base_url", note=Note(NoteCode.SETTINGS_WRONG)
        ) from error


def _find_reason(error: BaseException) -> UpstreamReason | None:
    """Why no connection was made, None where one broke off."""
    if isinstance(error, UnknownHost):
        return "unknown_host"
    causes: list[BaseException] = [error]
    for cause in causes:
        causes += [each for each in (cause.__cause__, cause.__context__) if each and each not in causes]
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls"
    return "refused" if isinstance(error, httpcore2.ConnectError) else None


def make_truncated_error(host: str) -> UpstreamTruncated:
    """Return the error of an answer that ended before it was finished."""
    return UpstreamTruncated(
        f"the upstream {host!r} broke off: its answer is incomplete (upstream_truncated); ask again",
        note=Note(NoteCode.ANSWER_CUT, {"host": host}),
    )


def make_no_api_error(host: str) -> UpstreamError:
    """Return the error of an address that answers with something else than an API does, such as a web page."""
    return UpstreamError(
        f"the upstream {host!r} answered with a page or a text: there is no API there; check base_url, which usually "
        "ends in /v1",
        reason="no_api",
        note=Note(NoteCode.NO_API_THERE, {"host": host}),
    )


# -- what error messages must not hold

_DETAIL_CHARS = 300
_QUOTE_CHARS = 16
_SHORT_CHARS = 4
_KEYS = re.compile(r"\b(?:sk|pk|gsk|hf|key|Bearer)[-_ ](?=[\w*.\-]*[\d*])[\w*.\-]{6,}")
"""What looks like an API key, whole or partly replaced by stars, whoever it belongs to: words have no digit."""
_LONG_KEY_CHARS = 16
"""A key of this length stands in no text by chance."""
_SHORT_KEY_CHARS = 8
_PLACE = r"(?:\b(?:key|token)[ :=]{1,2}|\bprovided: |\bbearer )['\"`]?"
_KEY_PLACE = re.compile(rf"{_PLACE}$", re.IGNORECASE)
_KEYS_IN_PLACE = re.compile(
    rf"({_PLACE})(?:sk|pk|gsk|hf)[-_](?=[\w*.\-]{{6}})[\w*\-]+(?:\.[\w*\-]+)*", re.IGNORECASE
)
"""What looks like an API key where one stands, also of letters alone."""
_PLACE_CHARS = 16
_WORDS = re.compile(r"[A-Za-z]+(?:[-_. ][A-Za-z]+)*")
"""Keys such as `ollama` and `lm-studio`, which people invent for servers that want any. Others have passwords of
letters alone: a word of `_SHORT_KEY_CHARS` or more is a key in the place of one."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Removes from error messages what a request holds: its API key and the texts of its conversation."""

    key: str = ""
    texts: Sequence[str] = ()

    def __repr__(self) -> str:
        return "Redactor()"

    def redact(self, text: str) -> str:
        """Return an upstream's words in one short line without keys; withheld where they quote the conversation."""
        if self.key:
            text = _strike_key(text, self.key)
        text = _KEYS_IN_PLACE.sub(r"\1[key]", _KEYS.sub("[key]", text))
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_DETAIL_CHARS]
        if any(_is_quoted_in(line, quoted) for quoted in self.texts):
            return "(withheld: it quotes the request)"
        return line


def _strike_key(text: str, key: str) -> str:
    """Replace a key where one can stand: a long one anywhere, another alone, a short one or a word after `key:`."""
    if len(key) >= _LONG_KEY_CHARS:
        return text.replace(key, "[key]")
    is_short, is_word = len(key) < _SHORT_KEY_CHARS, bool(_WORDS.fullmatch(key))
    if is_short and is_word:
        return text
    struck, end = "", 0
    for start in _find_words(text, key):
        is_sure = not (is_short or is_word)
        if is_sure or _KEY_PLACE.search(text[max(0, start - _PLACE_CHARS) : start]):
            struck, end = f"{struck}{text[end:start]}[key]", start + len(key)
    return struck + text[end:]


def _is_quoted_in(line: str, text: str) -> bool:
    """Whether `line` repeats `text`: all of it, or any run of twice `_QUOTE_CHARS` characters.

    A short text counts as words of their own: inside other words it stands by chance.
    """
    text = " ".join(text.split())
    if len(text) >= _QUOTE_CHARS and text[:_DETAIL_CHARS] in line:
        return True
    if _SHORT_CHARS <= len(text) < _QUOTE_CHARS:
        return any(True for _ in _find_words(line, text))
    windows = range(0, len(line) - _QUOTE_CHARS + 1, _QUOTE_CHARS)
    return any(line[start : start + _QUOTE_CHARS] in text for start in windows)


def _find_words(text: str, words: str) -> Iterator[int]:
    """Yield where `words` stand in a text, without letters, digits, `_` or `-` directly beside them."""
    start = text.find(words)
    while start >= 0:
        end = start + len(words)
        around = text[start - 1 : start] + text[end : end + 1]
        if not any(char.isalnum() or char in "_-" for char in around):
            yield start
        start = text.find(words, start + 1)


# -- error answers


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with an error status, or an error event in the middle of an answer."""

    status: int
    """HTTP status of the answer; in the middle of one the `code` of the event, 200 where it has none."""
    detail: str
    """The upstream's message, redacted: safe to show."""
    words: str = field(default="", repr=False)
    """The upstream's message and codes as they came: to be searched, never shown."""
    retry_after_s: float | None = None
    is_midstream: bool = False
    param: str | None = None
    """The field of the request that is refused, where the upstream names one."""

    def to_error(self, host: str) -> PrompterError:
        """Return the error to raise for this refusal."""
        where = f"the upstream {host!r}"
        words = f": {self.detail}" if self.detail else ""
        status = self.status if self.status >= 300 else None
        details: dict[str, Any] = {"upstream_status": status, "param": self.param}
        if self.retry_after_s is not None:
            details["retry_after_s"] = self.retry_after_s
        if self.status in (401, 403):
            # The upstream's own words often quote half of the key.
            text = f"{where} did not accept the API key (status {self.status}); check api_key"
            return UpstreamUnauthorized(text, note=Note(NoteCode.KEY_REFUSED, {"host": host}), **details)
        if is_context_overflow(self.status, self.words):
            text = (
                f"{where} says that this is more than its model can read; send less, or give it more context"
            )
            return ContextTooLong(text + words)
        if 300 <= self.status < 400:
            text = f"{where} redirects (status {self.status}), which is not followed; give its final address"
            note = Note(NoteCode.NO_API_THERE, {"host": host})
            return UpstreamError(text, reason="redirects", note=note, **details)
        numbered = f" (status {self.status})" if status else ""
        if is_loading(self.status, self.words):
            details.setdefault("retry_after_s", _RETRY_WHEN_LOADING_S)
            return UpstreamLoading(
                f"{where} is still loading its model{numbered}; try again soon{words}", **details
            )
        if self.is_midstream:
            text = f"{where} failed in the middle of its answer{numbered}{words}"
        else:
            hint = "; base_url usually ends in /v1" if self.status == 404 else ""
            text = f"{where} answered with status {self.status}{hint}{words}"
        if self.status == 429:
            return UpstreamRateLimited(text, **details)
        refused = Note(NoteCode.REFUSED_THERE, {"host": host, "status": self.status})
        return UpstreamError(text, note=refused, **details)


async def read_refusal(reply: Reply, redactor: Redactor) -> Refusal | None:
    """Read the error of a reply, None where its status is a success."""
    if 200 <= reply.status < 300:
        return None
    body = await reply.read_body(_MAX_ERROR_BODY_BYTES)
    return Refusal(
        status=reply.status,
        detail=redactor.redact(read_error_message(body)),
        words=read_error_text(body),
        retry_after_s=parse_retry_after_s(reply.headers),
        param=read_refused_field(body),
    )


def read_midstream_refusal(data: dict[str, Any], redactor: Redactor) -> Refusal:
    """Read an error event that came in place of a chunk."""
    error = data.get("error")
    code = error.get("code") if isinstance(error, dict) else data.get("code")
    status = int(code) if isinstance(code, int | str) and _STATUS.fullmatch(str(code)) else 200
    return Refusal(
        status=status,
        detail=redactor.redact(read_error_message(data)),
        words=read_error_text(data),
        is_midstream=True,
    )


# -- reading error bodies and headers

_STATUS = re.compile(r"[45]\d\d", re.ASCII)
_FIELD = re.compile(r"[A-Za-z_][\w.\[\]]{0,63}")
_OVERFLOW_STATUSES = frozenset({200, 400, 413, 422})  # 200: an error event without a code
_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|context[ ](?:length|window|size)|maximum context|too many tokens"
    r"|prompt is too long|input is too long|exceeds the maximum number of tokens|maximum (?:prompt|input) length"
    r"|tokens.{1,40} must be <=",
    re.IGNORECASE,
)
_RATE_LIMIT = re.compile(r"rate.?limit", re.IGNORECASE)
_LOADING = re.compile(
    r"loading|is being loaded|not (?:yet )?loaded|warming up|starting up|not ready", re.IGNORECASE
)
_MAX_RETRY_AFTER_S = 24 * 3600.0
"""A longer time is taken for a mistake of the upstream."""


def read_error_message(body: bytes | dict[str, Any]) -> str:
    """Return the message of an error body: OpenAI's shape, a similar one, or plain text; empty for an HTML page."""
    parsed: Any = body
    if isinstance(body, bytes):
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            text = body.decode("utf-8", "replace")
            return "" if text.lstrip().startswith("<") else text
    while isinstance(parsed, dict):
        parsed = next((parsed[key] for key in ("error", "message", "detail") if parsed.get(key)), "")
    return parsed if isinstance(parsed, str) else ""


def read_error_text(body: bytes | dict[str, Any]) -> str:
    """Return the message of an error body with its codes, to be searched for known words."""
    message = read_error_message(body)
    parsed = _parse(body) if isinstance(body, bytes) else body
    error = parsed.get("error") or parsed if isinstance(parsed, dict) else None
    if not isinstance(error, dict):
        return message
    if isinstance(detail := error.get("detail"), list):  # FastAPI's list of faults
        return orjson.dumps(detail).decode()
    codes = (error.get(key) for key in ("code", "type", "param"))
    return " ".join([message, *(code for code in codes if isinstance(code, str))])


def read_refused_field(body: bytes) -> str | None:
    """Return the name of the request field that an error body blames, None where it names none."""
    parsed = _parse(body)
    error = parsed.get("error") if isinstance(parsed, dict) else None
    name = error.get("param") if isinstance(error, dict) else None
    return name if isinstance(name, str) and _FIELD.fullmatch(name) else None


def is_context_overflow(status: int, words: str) -> bool:
    """Whether a refusal says that the conversation is longer than the model can read."""
    return status in _OVERFLOW_STATUSES and bool(_OVERFLOW.search(words)) and not _RATE_LIMIT.search(words)


def is_loading(status: int, words: str) -> bool:
    """Whether a refusal says that the server runs and its model is still loading."""
    return status == 503 and bool(_LOADING.search(words))


def parse_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which an answer's headers ask to try again, at most a day, None where they do not."""
    if (milliseconds := _parse_number(headers.get("retry-after-ms"))) is not None:
        return min(milliseconds / 1000, _MAX_RETRY_AFTER_S)
    value = headers.get("retry-after")
    if not value:
        return None
    if (seconds := _parse_number(value)) is not None:
        return min(seconds, _MAX_RETRY_AFTER_S)
    try:
        moment_s = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment_s - time.time()), _MAX_RETRY_AFTER_S)


def _parse(body: bytes) -> Any:
    """Return the JSON value of a body, None where it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _parse_number(text: str | None) -> float | None:
    """Return a finite number that is not negative, None for anything else."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
