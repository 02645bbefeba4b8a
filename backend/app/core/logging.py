"""The log, as text or as JSON: it never holds a transcript, a prompt or a key; of an error its place, not its words."""

import json
import logging
import re
import traceback
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal

from app.core.errors import PrompterError

LogFormat = Literal["text", "json"]

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The request that the running code works for, as in `X-Request-ID`. The tasks that it starts inherit it."""

_FAILURE, _SUMMARY = "failure", "summary"
"""Attributes of a record that `log_failure` or `report_fault` makes: the error, and the message without its place."""

_SECRET_PATH = re.compile(r"(/s/)[^\s\"'<>]+")
"""The address of a shared page, down to its end: whoever knows it can read what somebody shares."""
_WEB_LOGGERS = ("uvicorn.access", "uvicorn.error", "uvicorn.asgi")


def redact_path(text: str) -> str:
    """Replace the token in the address of each shared page, wherever it stands in a text."""
    return _SECRET_PATH.sub(r"\1…", text)


def _redact_record(record: logging.LogRecord) -> bool:
    """Redact what the web server logs of a request. Its own formatter expects the arguments where they are."""
    if isinstance(record.args, tuple):
        record.args = tuple(_redact_value(value) for value in record.args)
    record.msg = _redact_value(record.msg)
    return True


def _redact_value(value: object) -> object:
    if isinstance(value, (int, float)) or value is None:
        return value
    text = str(value)
    redacted = redact_path(text)
    return value if redacted == text else redacted


def configure_logging(level: str, log_format: LogFormat = "text") -> None:
    """Send this application's log to standard error at `level`.

    As text, other libraries keep their own settings. As JSON, their warnings become objects too, so that every line
    that Python writes can be parsed. A web server that logs each request, as plain uvicorn does, logs no address of a
    shared page.
    """
    for name in _WEB_LOGGERS:
        logging.getLogger(name).addFilter(_redact_record)
    root, logger = logging.getLogger(), logging.getLogger("app")
    handler = _OwnHandler()
    is_json = log_format == "json"
    handler.setFormatter(
        JsonFormatter() if is_json else logging.Formatter("%(levelname)s %(name)s: %(message)s")
    )
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    root.handlers = [each for each in root.handlers if not isinstance(each, _OwnHandler)]
    if is_json:
        root.addHandler(handler)
        logging.captureWarnings(capture=True)


class _OwnHandler(logging.StreamHandler):  # type: ignore[type-arg]  # its stream is whatever sys.stderr is
    """A handler that `configure_logging` has made, and may replace."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line, in ASCII.

    It has `time` (ISO 8601 with the offset), `level`, `logger` and `message`; `request_id` where the record belongs to
    a request; and `exception` where there is one: its type and the lines of code that led to it, without its words.
    """

    def format(self, record: logging.LogRecord) -> str:
        error = getattr(record, _FAILURE, None) or (record.exc_info[1] if record.exc_info else None)
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": getattr(record, _SUMMARY, None) or record.getMessage().strip(),
        }
        if request_id := REQUEST_ID.get():
            entry["request_id"] = request_id
        if error is not None:
            entry["exception"] = _describe_error(error)
        return json.dumps(entry)


def log_failure(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log `what` failed, the kind of error and its traceback without the message, which may quote private text."""
    _log_error(logger, f"{what}: {type(error).__name__}", error)


def report_fault(logger: logging.Logger, where: str, error: BaseException) -> PrompterError:
    """Log a fault of the server itself in the same way; the error that a client may be shown for it."""
    _log_error(logger, f"unexpected {type(error).__name__} {where}", error)
    return PrompterError("something failed on the server; its log has the place")


def _log_error(logger: logging.Logger, summary: str, error: BaseException) -> None:
    logger.error("%s\n%s", summary, _traceback(error), extra={_SUMMARY: summary, _FAILURE: error})


def _traceback(error: BaseException) -> str:
    """The lines of code that led to the error; of a group, those of its members too."""
    lines = traceback.format_tb(error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        lines += [f"{type(each).__name__} inside:\n{_traceback(each)}" for each in error.exceptions]
    return "".join(lines)


def _describe_error(error: BaseException) -> dict[str, Any]:
    """The type of an error and its place, the innermost line last; of a group, those of its members too."""
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, Any] = {
        "type": type(error).__name__,
        "place": [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames],
    }
    if isinstance(error, BaseExceptionGroup):
        described["inside"] = [_describe_error(each) for each in error.exceptions]
    return described
