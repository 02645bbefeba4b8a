"""The provider of one profile: a service that the settings name, or a model server found on this machine."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any

import anyio

from app.core.config import Settings
from app.core.errors import MissingConfig, ProviderNotReady, ServerFull
from app.core.notes import Note, NoteCode
from app.providers.base import ChatRequest, ProviderStatus
from app.providers.upstream.addresses import is_loopback_host
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.embeddings import request_embeddings
from app.providers.upstream.probe import Probe
from app.providers.upstream.profiles import Profile, ProfileSource
from app.providers.upstream.transport import Resolver, resolve_host
from app.schemas.providers import ProviderState


class ProfileProvider:
    """One upstream under the name of its profile. Address and key come from the profile, never from a request."""

    def __init__(
        self,
        settings: Settings,
        source: ProfileSource,
        *,
        resolver: Resolver = resolve_host,
        tries: int = 2,
        client: UpstreamClient | None = None,
        slots: anyio.Semaphore | None = None,
    ) -> None:
        """`client` is shared with others, and closed by its owner; without one the provider has its own.

        Each answer takes one of `slots`, and is refused where none is free.
        """
        del settings  # the profile has all that it needs of them
        self.name = source.name
        self.type = "local" if source.is_local else "cloud"
        self._source = source
        self._resolver = resolver
        self._tries = tries
        self._shared_client = client
        self._slots = slots
        self._client: UpstreamClient | None = None
        self._state: _ProfileState | None = None

    async def status(self) -> ProviderStatus:
        vendor = self._source.vendor
        title = "" if vendor.name == "other" else vendor.title
        profile = await self._source.get_profile()
        if profile is None:
            return ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=f"not found; {vendor.hint}",
                note=Note(NoteCode.NOT_RUNNING),
                title=title,
            )
        if profile.problem or profile.endpoint is None:
            return ProviderStatus(
                state=ProviderState.NOT_CONFIGURED,
                description=profile.problem,
                note=Note(profile.problem_code),
                title=title,
                model=profile.model or None,
            )
        host = profile.endpoint.base.host
        return replace(
            await self._get_state(profile).probe.status(),
            title=title,
            host=None if is_loopback_host(host.strip("[]")) else host,
        )

    async def models(self) -> list[str]:
        profile = await self._source.get_profile()
        if profile is None or profile.problem or profile.endpoint is None:
            return []
        return await self._get_state(profile).probe.models()

    async def tell_sight(self, model: str) -> bool | None:
        """As `SightTeller.tell_sight`: what the upstream's list of models says."""
        profile = await self._source.get_profile()
        if profile is None or profile.problem or profile.endpoint is None:
            return None
        return (await self._get_state(profile).probe.look()).sights.get(model)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        with self._hold_slot():
            chat, named = await self._prepare(request)
            async with aclosing(chat.stream(named)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        with self._hold_slot():
            chat, named = await self._prepare(request)
            return await chat.complete(named)

    async def embed(self, model: str, body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], object]:
        """As `EmbeddingProvider.embed`."""
        with self._hold_slot():
            state, model = await self._choose_model(model)
            return await state.embed(model, body)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    @contextmanager
    def _hold_slot(self) -> Iterator[None]:
        """
        Raises:
            ServerFull: so many answers are under way as may be.
        """
        if self._slots is None:
            yield
            return
        try:
            self._slots.acquire_nowait()
        except anyio.WouldBlock:
            raise ServerFull(
                f"{self.name!r} answers as many requests as one may have at a time; try again later",
                retry_after_s=10,
            ) from None
        try:
            yield
        finally:
            self._slots.release()

    async def _prepare(self, request: ChatRequest) -> tuple[ChatUpstream, ChatRequest]:
        """The upstream, and the request with a model.

        Raises:
            ProviderNotReady, MissingConfig
        """
        state, model = await self._choose_model(request.model)
        return await state.chat(), replace(request, model=model)

    async def _choose_model(self, model: str) -> tuple["_ProfileState", str]:
        """The state of the profile, and this model, the profile's, or the first listed. Raises as `_prepare`."""
        profile = await self._source.get_profile()
        if profile is None:
            raise ProviderNotReady(
                f"provider {self.name!r} is not found; {self._source.vendor.hint}",
                note=Note(NoteCode.NOT_RUNNING),
            )
        profile.require_endpoint()
        state = self._get_state(profile)
        model = model or profile.model
        if not model:
            listed = await state.probe.models()
            if not listed:
                raise MissingConfig(
                    f"provider {self.name!r} needs a model and lists none; load one there, or name one in the request",
                    note=Note(NoteCode.NO_MODEL_THERE, {"host": profile.require_endpoint().told_name}),
                )
            model = listed[0]
        return state, model

    def _get_state(self, profile: Profile) -> "_ProfileState":
        """The state of this profile; a new one where the profile has changed."""
        client = self._shared_client or self._client
        if client is None:
            client = self._client = UpstreamClient(profile.connect_timeout_s, self._resolver)
        if self._state is None or self._state.profile != profile:
            self._state = _ProfileState(client, profile, self._tries)
        return self._state


class _ProfileState:
    """A profile, and what has been learned about its upstream."""

    def __init__(self, client: UpstreamClient, profile: Profile, tries: int) -> None:
        self.profile = profile
        self.probe = Probe(client, profile.require_endpoint(), profile.model, profile.models, profile.vendor)
        self._client = client
        self._tries = tries
        self._chat = ChatUpstream(client, profile, tries=tries)
        self._endpoint = profile.require_endpoint()

    async def chat(self) -> ChatUpstream:
        """The upstream at its real address: a base URL without `/v1` has to be probed."""
        endpoint = await self.probe.resolve_endpoint()
        if endpoint != self._endpoint:
            self._endpoint = endpoint
            self._chat = ChatUpstream(
                self._client, replace(self.profile, endpoint=endpoint), tries=self._tries
            )
        return self._chat

    async def embed(self, model: str, body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], object]:
        endpoint = await self.probe.resolve_endpoint()
        timeout_s = self.profile.first_byte_timeout_s
        return await request_embeddings(
            self._client, endpoint, model, body, timeout_s=timeout_s, tries=self._tries
        )
