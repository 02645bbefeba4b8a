"""The log: plain lines that never hold a transcript, a prompt or a key, and the place of an error without its words."""

import logging
import traceback


def configure_logging(level: str) -> None:
    """Send this application's log to standard error at `level`; other libraries keep their own settings."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("app")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def place_of(error: BaseException) -> str:
    """` in function (file:line)` of the innermost place; nothing where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" in {last.name} ({last.filename}:{last.lineno})"
