"""The log: plain lines that never hold a transcript, a prompt or a key, and the place of an error without its words."""

import logging
import traceback

from app.core.errors import PrompterError


def configure_logging(level: str) -> None:
    """Send this application's log to standard error at `level`; other libraries keep their own settings."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("app")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def log_failure(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log `what` failed, the kind of error and its traceback without the message, which may quote private text."""
    logger.error("%s: %s\n%s", what, type(error).__name__, _traceback(error))


def report_fault(logger: logging.Logger, where: str, error: BaseException) -> PrompterError:
    """Log a fault of the server itself in the same way; the error that a client may be shown for it."""
    logger.error("unexpected %s %s\n%s", type(error).__name__, where, _traceback(error))
    return PrompterError("something failed on the server; its log has the place")


def _traceback(error: BaseException) -> str:
    """The lines of code that led to the error; of a group, those of its members too."""
    lines = traceback.format_tb(error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        lines += [f"{type(each).__name__} inside:\n{_traceback(each)}" for each in error.exceptions]
    return "".join(lines)
