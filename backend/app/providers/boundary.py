"""The boundary around provider code, which may be anybody's: what it raises becomes one of our errors."""

import logging
from collections.abc import Awaitable
from contextlib import suppress
from types import TracebackType
from typing import Literal

import anyio

from app.core.errors import EngineFailed, PrompterError
from app.core.logging import log_failure
from app.core.supervision import reraise_cancellation

logger = logging.getLogger(__name__)

_MESSAGES = {
    "engine": "the engine {name!r} failed; start again, or name another provider",
    "provider": "provider {name!r} failed ({error}); see its documentation",
}


class ProviderBoundary:
    """Context manager around calls into a speech engine or a language-model provider.

    Our own errors and cancellation pass; anything else, of whatever class, becomes `EngineFailed`. The log has the
    place and not the words: a message of foreign code may quote a transcript or a prompt. An instance can be entered
    again and again, and costs next to nothing where nothing fails.
    """

    __slots__ = ("_kind", "_name")

    def __init__(self, name: str, kind: Literal["engine", "provider"] = "engine") -> None:
        self._name = name
        self._kind = kind

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, PrompterError):
            return
        reraise_cancellation(error)
        log_failure(logger, f"{self._kind} {self._name!r} failed", error)
        message = _MESSAGES[self._kind].format(name=self._name, error=type(error).__name__)
        raise EngineFailed(message) from None


async def close_provider(name: str, closing: Awaitable[None]) -> None:
    """Let a provider close something, also while we are being cancelled.

    A failure is logged and not raised: the client already has its answer.
    """
    with anyio.CancelScope(shield=True), suppress(PrompterError), ProviderBoundary(name):
        await closing
