"""Engines are foreign code: what they raise becomes one of our errors, logged without its words."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from app.core.errors import EngineFailed, PrompterError

logger = logging.getLogger(__name__)


@contextmanager
def foreign(provider: str) -> Iterator[None]:
    """Let our own errors pass and turn any other into EngineFailed.

    The log tells where it happened and not what it says: a foreign message may quote a transcript.
    """
    try:
        yield
    except PrompterError:
        raise
    except Exception as error:  # noqa: BLE001  # any fault of an engine must end in an answer to the client
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("engine %r failed: %s\n%s", provider, type(error).__name__, where)
        raise EngineFailed(f"the engine {provider!r} failed; start again, or name another provider") from None
