"""A fake provider that knows only text, and registrations of several."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import anyio

from app.core.config import LlmSettings, Settings
from app.providers.base import ChatMessage, LlmChunk, LlmConfig, ProviderStatus
from app.providers.registry import Registration
from app.schemas.providers import ProviderState
from app.services.llm.providers import LlmProviders


class FakeModel:
    """Says how many messages it was sent, or fails in the way it was made for."""

    name = "fake"
    type = "test"

    def __init__(self, *, fails: Exception | None = None, slow: bool = False, endless: bool = False) -> None:
        self._fails = fails
        self._slow = slow
        self._endless = endless
        self.sent: Sequence[ChatMessage] = ()
        self.closed = False

    async def status(self) -> ProviderStatus:
        if self._fails:
            raise self._fails
        if self._slow:
            await anyio.sleep_forever()
        return ProviderStatus(ProviderState.READY, "a fake")

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        self.sent = messages
        try:
            yield LlmChunk("so many: ")
            if self._fails:
                raise self._fails
            while self._endless:
                yield LlmChunk("x" * 1_000_000)
            yield LlmChunk(str(len(messages)), "stop", model="fake-1")
        finally:
            self.closed = True

    async def aclose(self) -> None:
        if self._fails:
            raise self._fails


def _registrations(**models: Any) -> dict[str, Registration]:
    """Registrations of these models; an exception instead of one is raised when it is loaded."""

    def loader(model: Any) -> Callable[[], Callable[[Settings], Any]]:
        def load() -> Callable[[Settings], Any]:
            if isinstance(model, Exception):
                raise model
            return lambda _settings: model

        return load

    return {name: Registration(name, loader(model), "fake-package") for name, model in models.items()}


def make_providers(llm: LlmSettings | None = None, **models: Any) -> LlmProviders:
    settings = Settings(_env_file=None, llm=llm or LlmSettings(discover=False))
    return LlmProviders(settings, _registrations(**models) if models else None)
