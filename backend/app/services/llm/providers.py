"""The language-model providers of one application: built when first asked for, listed with their states."""

from collections.abc import Mapping
from typing import cast

import anyio

from app.core.config import Settings
from app.core.errors import ProviderNotReady, UnknownProvider
from app.core.notes import Note, NoteCode
from app.core.supervision import reraise_cancellation
from app.providers.base import ChatProvider, LlmProvider, NamedProvider, ProviderStatus
from app.providers.registry import (
    FOUND_HERE,
    CannotBuild,
    LazyRegistry,
    Registration,
    list_llm_registrations,
)
from app.providers.upstream.profiles import NAMED_IN_REQUEST
from app.schemas.errors import NoteOut
from app.schemas.providers import USABLE, LlmProviderOut, ProviderState
from app.services.llm.text_only import TextOnlyChat

PROBE_S = 3.0
"""Longest wait for a provider's state or its list of models (s)."""
_LOCAL = "llama_local"
FALLBACK = "echo"
"""The provider that is always there, and no model."""


class LlmProviders:
    """Language-model providers by name."""

    def __init__(self, settings: Settings, registrations: Mapping[str, Registration] | None = None) -> None:
        """`registrations` are all that there are; None means those built in, configured, installed and found."""
        self._settings = settings
        self._registry = LazyRegistry[NamedProvider](
            "provider", list_llm_registrations(settings) if registrations is None else registrations, settings
        )

    @property
    def names(self) -> list[str]:
        """All that are registered, in their order."""
        return list(self._registry)

    def is_probed(self, name: str) -> bool:
        """Whether it is a server that may run on this machine, and is found by probing."""
        return self._registry.origin(name) == FOUND_HERE

    async def find_default(self) -> str:
        """The provider of a request that names none: never a server that was found by probing."""
        if self._settings.llm.provider:
            return self._settings.llm.provider
        own = self._settings.llm.openai_compat
        if own.base_url.strip() and own.api_key.get_secret_value() and own.model:
            return NAMED_IN_REQUEST
        if _LOCAL in self._registry and (await self._status(_LOCAL))[1].state in USABLE:
            return _LOCAL
        return FALLBACK

    async def probe_default(self) -> tuple[str, ProviderStatus]:
        """The provider of a request that names none, and whether it can answer; within about 3 s."""
        name = await self.find_default()
        return name, (await self._status(name))[1]

    async def get(self, name: str) -> ChatProvider:
        """The provider of that name, built now if need be; one that knows only text is wrapped.

        Raises:
            UnknownProvider, ProviderNotReady
        """
        provider = await self._get(name)
        return (
            provider
            if isinstance(provider, ChatProvider)
            else TextOnlyChat(name, cast("LlmProvider", provider))
        )

    async def find_kind(self, name: str) -> str:
        """The kind of a provider in a word, such as "mock" or "local".

        Raises:
            UnknownProvider, ProviderNotReady
        """
        return (await self._get(name)).type

    async def list_states(self) -> list[LlmProviderOut]:
        """All providers with their states, asked in parallel; none delays the list beyond 3 s."""
        found: dict[str, LlmProviderOut] = {}
        chosen = await self.find_default()

        async def ask(name: str) -> None:
            kind, status = await self._status(name)
            found[name] = LlmProviderOut(
                name=name,
                type=kind,
                status=status.state,
                description=status.description,
                note=NoteOut.from_note_or_none(status.note),
                title=status.title,
                model=status.model,
                host=status.host,
                default=name == chosen and status.state in USABLE,
                chosen=name == chosen,
            )

        async with anyio.create_task_group() as group:
            for name in self._registry:
                group.start_soon(ask, name)
        return [found[name] for name in self._registry]

    async def aclose(self) -> None:
        await self._registry.aclose()

    async def _get(self, name: str) -> NamedProvider:
        if name not in self._registry:
            raise UnknownProvider(f"no provider has this name; known are {', '.join(sorted(self._registry))}")
        try:
            return await self._registry.get(name)
        except CannotBuild as error:
            raise ProviderNotReady(
                f"provider {name!r} of {error.origin!r} cannot be loaded "
                f"({type(error.error).__name__}); install it again",
                note=Note(NoteCode.PACKAGE_BROKEN),
            ) from error

    async def _status(self, name: str) -> tuple[str, ProviderStatus]:
        """The type and the state of a provider, whatever its code does."""
        kind = "unknown"
        try:
            with anyio.fail_after(PROBE_S):
                provider = await self._get(name)
                kind = provider.type
                status = await provider.status()
        except TimeoutError:
            status = ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=f"gave no state within {PROBE_S:.0f} s",
                note=Note(NoteCode.STATE_UNKNOWN),
            )
        except UnknownProvider as error:
            status = ProviderStatus(
                state=ProviderState.NOT_CONFIGURED, description=error.message, note=error.note
            )
        except ProviderNotReady as error:
            status = ProviderStatus(
                state=ProviderState.NOT_INSTALLED, description=error.message, note=error.note
            )
        except BaseException as error:  # noqa: BLE001  # a provider of others must not break the list
            reraise_cancellation(error)
            status = ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=f"its check failed ({type(error).__name__})",
                note=Note(NoteCode.STATE_UNKNOWN),
            )
        return kind, status
