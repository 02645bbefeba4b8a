"""What error answers say, pure: their words in any shape, what kind of failure they mean, when to try again."""

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

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


def marks(body: bytes | dict[str, Any]) -> str:
    """The message with the codes around it, to be looked through."""
    words = told(body)
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


def field_in(body: bytes) -> str | None:
    """The field of the request that the error names, where that is the name of one."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = parsed.get("error") if isinstance(parsed, dict) else None
    name = error.get("param") if isinstance(error, dict) else None
    return name if isinstance(name, str) and _FIELD.fullmatch(name) else None


def is_overflow(status: int, words: str) -> bool:
    """Whether the conversation is longer than the model can read."""
    return status in _OVERFLOW_STATUSES and bool(_OVERFLOW.search(words)) and not _RATE.search(words)


def is_loading(status: int, words: str) -> bool:
    """Whether the server is there and its model not yet."""
    return status == 503 and bool(_LOADING.search(words))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds after which the answer's headers say to try again."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return min(milliseconds / 1000, _LONGEST_S)
    value = headers.get("retry-after")
    if not value:
        return None
    if (seconds := _number(value)) is not None:
        return min(seconds, _LONGEST_S)
    try:
        moment_s = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment_s - time.time()), _LONGEST_S)


def _number(text: str | None) -> float | None:
    """A finite number that is not below zero."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
