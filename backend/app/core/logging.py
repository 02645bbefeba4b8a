"""What the server writes to its log: plain lines, and never a transcript, a prompt or a key."""

import logging


def configure(level: str) -> None:
    """Send this application's log to standard error at `level`; other libraries keep their own settings."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("app")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
