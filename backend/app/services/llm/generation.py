"""Prompts to answers: picks the provider, adds the dictated text, opens the answer, lists who can answer."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import (
    BadRequest,
    ProviderNotReady,
    UnknownProvider,
)
from app.providers.base import ChatMessage, LlmConfig, LlmProvider, ProviderStatus
from app.providers.registry import Registration, llm_registrations
from app.schemas.providers import ProviderOut, ProviderState
from app.services.llm.answer import Answer
from app.services.transcripts import Label, Transcripts

_PROBE_S = 3.0
_NAMED_IN_REQUEST = "openai_compat"
_FALLBACK = "echo"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one request asks, as the door understood it."""

    messages: Sequence[ChatMessage] = field(repr=False)
    provider: str | None = None
    session_id: str | None = None
    owner: UUID | None = None
    """Whose dictation `session_id` names."""
    config: LlmConfig = field(default_factory=LlmConfig)


class Generation:
    """The language models of one application, built when first asked for."""

    def __init__(
        self,
        settings: Settings,
        transcripts: Transcripts,
        registrations: Callable[[], dict[str, Registration]] = llm_registrations,
    ) -> None:
        self._settings = settings
        self._transcripts = transcripts
        self._registered = registrations()
        self._providers: dict[str, LlmProvider] = {}
        self._building: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    @property
    def default(self) -> str:
        """The provider of a request that names none and brings no address or key of its own."""
        own = self._settings.llm.openai_compat
        configured = own.base_url.strip() and own.api_key.get_secret_value() and own.model
        return self._settings.llm.provider or (_NAMED_IN_REQUEST if configured else _FALLBACK)

    async def answer(self, prompt: Prompt) -> Answer:
        """An answer that is not open yet.

        Raises:
            BadRequest, UnknownProvider, NotFound, NothingFinalYet, ProviderNotReady
        """
        messages = list(prompt.messages)
        if prompt.session_id is not None:
            assert prompt.owner is not None, "a dictation is always somebody's"
            said = self._transcripts.text(Label(prompt.owner, prompt.session_id))
            messages.append(ChatMessage("user", said))
        if not messages:
            raise BadRequest("nothing to send: expected `messages`, or the `session_id` of a dictation")
        # Who brings an address or a key means the one provider that uses them; an echo would hide a mistake.
        brought = _NAMED_IN_REQUEST if prompt.config.base_url or prompt.config.api_key else None
        name = prompt.provider or brought or self.default
        provider = await self._provider(name)
        return Answer(name, provider.generate(messages, prompt.config))

    async def list_providers(self) -> list[ProviderOut]:
        """All providers with their states, asked in parallel; none delays the list beyond 3 s."""
        found: dict[str, ProviderOut] = {}

        async def ask(name: str) -> None:
            found[name] = await self._listed(name)

        async with anyio.create_task_group() as group:
            for name in self._registered:
                group.start_soon(ask, name)
        return [found[name] for name in self._registered]

    async def aclose(self) -> None:
        for name, provider in self._providers.items():
            try:
                await provider.aclose()
            except Exception as error:  # noqa: BLE001  # one that fails must not keep the others open
                logger.warning("provider %s did not close: %s", name, type(error).__name__)

    async def _provider(self, name: str) -> LlmProvider:
        registration = self._registered.get(name)
        if registration is None:
            raise UnknownProvider(
                f"unknown provider {name!r}; known are {', '.join(sorted(self._registered))}"
            )
        async with self._building[name]:
            if name not in self._providers:
                try:
                    factory = await anyio.to_thread.run_sync(registration.load, abandon_on_cancel=True)
                    self._providers[name] = factory(self._settings)
                except Exception as error:  # a package of others may fail in any way
                    raise ProviderNotReady(
                        f"provider {name!r} of {registration.origin!r} cannot be loaded "
                        f"({type(error).__name__}); install it again"
                    ) from error
        return self._providers[name]

    async def _listed(self, name: str) -> ProviderOut:
        kind = "unknown"
        try:
            with anyio.fail_after(_PROBE_S):
                provider = await self._provider(name)
                kind = provider.type
                status = await provider.status()
        except TimeoutError:
            status = ProviderStatus(
                ProviderState.UNREACHABLE, f"did not tell its state within {_PROBE_S:.0f} s"
            )
        except ProviderNotReady as error:
            status = ProviderStatus(ProviderState.NOT_INSTALLED, error.message)
        except Exception as error:  # noqa: BLE001  # a provider of others must not break the list
            status = ProviderStatus(ProviderState.UNREACHABLE, f"its check failed ({type(error).__name__})")
        return ProviderOut(
            name=name,
            type=kind,
            status=status.state,
            description=status.description,
            default=name == self.default,
        )
