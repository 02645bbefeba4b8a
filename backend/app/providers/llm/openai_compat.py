"""The provider `openai_compat`: the service in the settings, or one that a request brings with its key."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.core.config import Settings
from app.core.errors import BadRequest, BaseUrlNotAllowed, MissingConfig
from app.core.notes import Note, NoteCode
from app.providers.base import ChatProvider, ChatRequest, ProviderStatus
from app.providers.llm.profile import ProfileProvider
from app.providers.upstream.addresses import Reach, decide_reach, parse_base_url
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import Endpoint, UpstreamClient
from app.providers.upstream.profiles import (
    NAMED_IN_REQUEST,
    Profile,
    guess_vendor,
    is_on_local_network,
    normalize_base_url,
)
from app.providers.upstream.transport import Resolver, resolve_host
from app.schemas.providers import ProviderState

_TRIES = 3
_SETTING = "PROMPTER_LLM__OPENAI_COMPAT__"


class OpenAiCompatProvider:
    """One client for the base URL of the settings and for those that requests bring."""

    name = NAMED_IN_REQUEST
    type = "cloud"

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve_host) -> None:
        self._settings = settings
        self._resolver = resolver
        self._client = UpstreamClient(settings.llm.connect_timeout_s, resolver)
        self._configured: ProfileProvider | None = None

    async def status(self) -> ProviderStatus:
        """The state of the upstream in the settings; those of requests are not known before."""
        missing = missing_settings(self._settings)
        if missing:
            names = ", ".join(_SETTING + name.upper() for name in missing)
            return ProviderStatus(
                state=ProviderState.NOT_CONFIGURED,
                description=f"any OpenAI-compatible service; set {names}, or send them in `config`",
                note=Note(NoteCode.KEY_MISSING if missing == ["api_key"] else NoteCode.NOT_SET_UP),
                model=self._settings.llm.openai_compat.model or None,
            )
        try:
            return await self._own().status()
        except BaseUrlNotAllowed as error:
            return ProviderStatus(
                state=ProviderState.NOT_CONFIGURED,
                description=f"{_SETTING}BASE_URL: {error.message}",
                note=Note(NoteCode.SETTINGS_WRONG),
            )

    async def models(self) -> list[str]:
        """What the upstream in the settings lists; the configured model where it lists none."""
        try:
            return await self._own().models()
        except (MissingConfig, BaseUrlNotAllowed):
            return []

    async def tell_sight(self, model: str) -> bool | None:
        """As `SightTeller.tell_sight`, of the upstream in the settings."""
        try:
            return await self._own().tell_sight(model)
        except (MissingConfig, BaseUrlNotAllowed):
            return None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """Ask the upstream in the settings: a body cannot name another."""
        async with aclosing(self._own().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        return await self._own().complete(request)

    async def embed(self, model: str, body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], object]:
        """As `EmbeddingProvider.embed`, of the upstream in the settings."""
        return await self._own().embed(model, body)

    def bind_upstream(self, base_url: str, api_key: str) -> ChatProvider:
        """As `AddressableProvider.bind_upstream`."""
        return _RequestUpstream(self, base_url.strip(), api_key.strip())

    def find_upstream(
        self, base_url: str, api_key: str, model: str
    ) -> tuple[ChatUpstream | ProfileProvider, str]:
        """The service at this address with this key, else that of the settings, and the model to ask it for.

        Raises:
            BadRequest, MissingConfig, BaseUrlNotAllowed
        """
        profile = self._profile(base_url, api_key, model)
        if base_url or api_key:
            return ChatUpstream(self._client, profile, tries=_TRIES), profile.model
        return self._own(), profile.model

    async def aclose(self) -> None:
        await self._client.aclose()
        if self._configured is not None:
            await self._configured.aclose()

    def _own(self) -> ProfileProvider:
        """The upstream in the settings. It is kept, since it remembers what that upstream lists and refuses."""
        if self._configured is None:
            profile = self._profile("", "", "")
            self._configured = ProfileProvider(self._settings, profile, resolver=self._resolver, tries=_TRIES)
        return self._configured

    def _profile(self, base_url: str, api_key: str, model: str) -> Profile:
        """Where to ask, what, and with which key: what is empty comes from the settings.

        Raises:
            BadRequest, MissingConfig, BaseUrlNotAllowed
        """
        own, limits = self._settings.llm.openai_compat, self._settings.llm
        # The server's own key never goes to an address that a request names.
        key = (api_key or ("" if base_url else own.api_key.get_secret_value())).strip()
        if not (key.isascii() and key.isprintable()):
            raise BadRequest("api_key holds a character that no key has; copy it again")
        url, model = base_url or own.base_url.strip(), model or own.model
        missing = [
            name for name, value in (("base_url", url), ("api_key", key), ("model", model)) if not value
        ]
        if missing:
            raise MissingConfig(
                _explain_missing(missing, own_key_needed=bool(base_url and not key)),
                note=Note(NoteCode.KEY_MISSING if missing == ["api_key"] else NoteCode.NOT_SET_UP),
            )
        base = parse_base_url(url, with_query=not base_url)
        vendor, near = guess_vendor(base), is_on_local_network(base)
        base = normalize_base_url(base, vendor)
        return Profile(
            name=self.name,
            vendor=vendor,
            endpoint=Endpoint(
                base,
                key,
                decide_reach(base, self._settings) if base_url else Reach.OPERATOR,
                vendor.keeps_connections,
            ),
            model=model,
            models=(),
            connect_timeout_s=limits.connect_timeout_s,
            first_byte_timeout_s=limits.local_first_byte_timeout_s if near else limits.first_byte_timeout_s,
            idle_timeout_s=limits.idle_timeout_s,
            keeps_think_tags=own.think_tags == "keep",
        )


class _RequestUpstream:
    """`openai_compat` for one request, which may bring an address or a key."""

    def __init__(self, provider: OpenAiCompatProvider, base_url: str, api_key: str) -> None:
        self._provider = provider
        self._base_url = base_url
        self._api_key = api_key

    async def models(self) -> list[str]:
        return await self._provider.models()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """An answer that the upstream cuts off is an error, never a short success."""
        chat, model = self._provider.find_upstream(self._base_url, self._api_key, request.model)
        async with aclosing(chat.stream(replace(request, model=model))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        chat, model = self._provider.find_upstream(self._base_url, self._api_key, request.model)
        return await chat.complete(replace(request, model=model))


def missing_settings(settings: Settings) -> list[str]:
    """Which of base_url, api_key and model the settings lack."""
    own = settings.llm.openai_compat
    values = {"base_url": own.base_url.strip(), "api_key": own.api_key.get_secret_value(), "model": own.model}
    return [name for name, value in values.items() if not value]


def _explain_missing(missing: list[str], *, own_key_needed: bool) -> str:
    settings = ", ".join(_SETTING + name.upper() for name in missing)
    text = f"openai_compat needs {', '.join(missing)}; add to `config`, or set {settings}"
    # Setting the server's key would not help: it is never sent to an address that a request names.
    return f"{text} (a request that names base_url brings its own api_key)" if own_key_needed else text
