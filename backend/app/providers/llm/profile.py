"""Answers from one profile: a service that the settings name, or a model server found on this machine."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.core.config import Settings
from app.core.errors import MissingConfig, ProviderNotReady
from app.providers.base import ChatRequest, ProviderStatus
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.probe import Probe
from app.providers.upstream.profiles import Profile, ProfileSource
from app.providers.upstream.transport import Resolver, resolve_host
from app.schemas.providers import ProviderState


class ProfileProvider:
    """One upstream under the name of its profile. The key and the address are the profile's, never a request's."""

    def __init__(
        self, settings: Settings, source: ProfileSource, *, resolver: Resolver = resolve_host, tries: int = 2
    ) -> None:
        del settings  # all it needs of them is in the profile
        self.name = source.name
        self.type = "local" if source.is_local else "cloud"
        self._source = source
        self._resolver = resolver
        self._tries = tries
        self._client: UpstreamClient | None = None
        self._known: _Known | None = None

    async def status(self) -> ProviderStatus:
        profile = await self._source.get_profile()
        if profile is None:
            return ProviderStatus(ProviderState.UNREACHABLE, f"not found; {self._source.vendor.hint}")
        if profile.problem or profile.endpoint is None:
            return ProviderStatus(ProviderState.NOT_CONFIGURED, profile.problem)
        return await self._of(profile).probe.status()

    async def models(self) -> list[str]:
        profile = await self._source.get_profile()
        if profile is None or profile.problem or profile.endpoint is None:
            return []
        return await self._of(profile).probe.models()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        chat, named = await self._asked_for(request)
        async with aclosing(chat.stream(named)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        chat, named = await self._asked_for(request)
        return await chat.complete(named)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _asked_for(self, request: ChatRequest) -> tuple[ChatUpstream, ChatRequest]:
        """Whom to ask, and the request with a model: its own, the profile's, or the first that is listed.

        Raises:
            ProviderNotReady, MissingConfig
        """
        profile = await self._source.get_profile()
        if profile is None:
            raise ProviderNotReady(f"provider {self.name!r} is not found; {self._source.vendor.hint}")
        profile.require_endpoint()
        known = self._of(profile)
        model = request.model or profile.model
        if not model:
            listed = await known.probe.models()
            if not listed:
                raise MissingConfig(
                    f"provider {self.name!r} needs a model and tells of none; load one there, or ask by name"
                )
            model = listed[0]
        return await known.chat(), ChatRequest(model, request.body)

    def _of(self, profile: Profile) -> "_Known":
        """What is kept of the profile as it is now."""
        if self._client is None:
            self._client = UpstreamClient(profile.connect_timeout_s, self._resolver)
        if self._known is None or self._known.profile != profile:
            self._known = _Known(self._client, profile, self._tries)
        return self._known


class _Known:
    """A profile with what has been learned of it."""

    def __init__(self, client: UpstreamClient, profile: Profile, tries: int) -> None:
        self.profile = profile
        self.probe = Probe(client, profile.require_endpoint(), profile.model, profile.models, profile.vendor)
        self._client = client
        self._tries = tries
        self._chat = ChatUpstream(client, profile, tries=tries)
        self._asks = profile.require_endpoint()

    async def chat(self) -> ChatUpstream:
        """The upstream at its true address: where `/v1` was left out, it has to be found."""
        endpoint = await self.probe.resolve_endpoint()
        if endpoint != self._asks:
            self._asks = endpoint
            self._chat = ChatUpstream(
                self._client, replace(self.profile, endpoint=endpoint), tries=self._tries
            )
        return self._chat
