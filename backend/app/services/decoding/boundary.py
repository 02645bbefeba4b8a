"""Engines are foreign code: what they raise becomes one of our errors, logged without its words."""

import logging
import traceback
from collections.abc import Awaitable
from contextlib import suppress
from types import TracebackType

import anyio

from app.core.errors import EngineFailed, PrompterError

logger = logging.getLogger(__name__)


async def release(provider: str, closing: Awaitable[None]) -> None:
    """Let an engine close something, also while we are being cancelled.

    Its failure is logged and goes no further: the client has had its answer.
    """
    with anyio.CancelScope(shield=True), suppress(PrompterError), Foreign(provider):
        await closing


class Foreign:
    """Context manager around calls into an engine, reusable: it costs next to nothing where nothing fails.

    Our own errors pass; any other becomes EngineFailed. The log tells where it happened and not what it says: a
    foreign message may quote a transcript.
    """

    __slots__ = ("_provider",)

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, PrompterError) or not isinstance(error, Exception):
            return
        place = "".join(traceback.format_tb(where))
        logger.error("engine %r failed: %s\n%s", self._provider, type(error).__name__, place)
        raise EngineFailed(
            f"the engine {self._provider!r} failed; start again, or name another provider"
        ) from None
