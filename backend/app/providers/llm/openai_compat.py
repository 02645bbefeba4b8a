"""Answers from any service with OpenAI's chat wire: OpenAI, LM Studio, Ollama, llama.cpp, vLLM …"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from app.core.config import Settings
from app.core.errors import BadRequest, BaseUrlNotAllowed, MissingConfig, UpstreamError
from app.providers.base import ChatMessage, LlmChunk, LlmConfig, ProviderStatus
from app.providers.upstream.addresses import Reach
from app.providers.upstream.base_url import parse, reach_of_request
from app.providers.upstream.client import Endpoint, UpstreamClient, private_of
from app.providers.upstream.errors import Private, read_refusal, upstream_errors
from app.providers.upstream.guard import Resolver, resolve
from app.providers.upstream.probe import Probe
from app.providers.upstream.transport import Reply
from app.providers.upstream.wire.chat import ChatReader, adapted, body_of
from app.providers.upstream.wire.sse import SseDecoder
from app.schemas.providers import ProviderState

_PATH = "/chat/completions"
_TRIES = 3
_ADAPTATIONS = 2
_ANSWER_BYTES = 8 << 20
_SETTING = "PROMPTER_LLM__OPENAI_COMPAT__"


class OpenAiCompatProvider:
    """One client for every base URL: the operator's own, and those that requests bring with a key."""

    name = "openai_compat"
    type = "cloud"

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve) -> None:
        self._settings = settings
        self._client = UpstreamClient(settings.llm.connect_timeout_s, resolver)
        self._probe: Probe | None = None

    async def status(self) -> ProviderStatus:
        """The state of the upstream in settings; those that requests bring are not known before."""
        missing = missing_settings(self._settings)
        if missing:
            names = ", ".join(_SETTING + name.upper() for name in missing)
            return ProviderStatus(
                ProviderState.NOT_CONFIGURED,
                f"any OpenAI-compatible service; set {names}, or send them in `config`",
            )
        if self._probe is None:
            try:
                endpoint, model = self._endpoint(LlmConfig())
            except BaseUrlNotAllowed as error:
                return ProviderStatus(ProviderState.NOT_CONFIGURED, f"{_SETTING}BASE_URL: {error.message}")
            self._probe = Probe(self._client, endpoint, model)
        return await self._probe.status()

    async def generate(
        self, messages: Sequence[ChatMessage], config: LlmConfig
    ) -> AsyncGenerator[LlmChunk, None]:
        """Stream an answer; an answer cut off by the upstream is an error, never a short success."""
        endpoint, model = self._endpoint(config)
        host = endpoint.base.host
        private = private_of(endpoint, *(message.content for message in messages))
        reader = ChatReader(host, private, model=model)
        limits = self._settings.llm
        first_by_s = anyio.current_time() + limits.first_byte_timeout_s
        async with self._open(endpoint, body_of(messages, config, model), private) as reply:
            events = _Events(reply)
            reply.expect_within(max(0.0, first_by_s - anyio.current_time()))
            while not reader.done:
                try:
                    with upstream_errors(host):
                        found = await events.next()
                except UpstreamError:
                    if reader.finish_reason is None:
                        raise
                    break  # the answer was whole; only the usage or the goodbye is lost
                if not found:
                    break
                text, failure = reader.read_all(found)
                if text:
                    yield LlmChunk(text=text, model=reader.model)
                if failure:
                    raise failure
                reply.expect_within(limits.idle_timeout_s)
            if reader.done:
                with suppress(UpstreamError), upstream_errors(host):
                    await reply.drain()
        yield reader.last()

    async def aclose(self) -> None:
        await self._client.aclose()

    def _endpoint(self, config: LlmConfig) -> tuple[Endpoint, str]:
        own = self._settings.llm.openai_compat
        brought = config.base_url.strip()
        # The server's own key never goes to an address that a request names.
        key = config.api_key or ("" if brought else own.api_key.get_secret_value())
        key = key.strip()
        if not (key.isascii() and key.isprintable()):
            raise BadRequest("api_key holds a character that no key has; copy it again")
        url, model = brought or own.base_url.strip(), config.model or own.model
        missing = [
            name for name, value in (("base_url", url), ("api_key", key), ("model", model)) if not value
        ]
        if missing:
            raise MissingConfig(_explained(missing, own_key_needed=bool(brought and not key)))
        base = parse(url)
        reach = reach_of_request(base, self._settings) if brought else Reach.OPERATOR
        return Endpoint(base, key, reach), model

    @asynccontextmanager
    async def _open(self, endpoint: Endpoint, body: dict[str, Any], private: Private) -> AsyncIterator[Reply]:
        """The reply to read events from; a body that this upstream refuses is adapted and sent again."""
        within_s = self._settings.llm.first_byte_timeout_s
        for left in range(_ADAPTATIONS, -1, -1):
            async with self._client.ask(
                "POST", endpoint, _PATH, answer_within_s=within_s, tries=_TRIES, json=body
            ) as reply:
                with upstream_errors(endpoint.base.host), anyio.fail_after(within_s):
                    refusal = await read_refusal(reply, private)
                if refusal is None:
                    yield reply
                    return
            other = adapted(body, refusal.detail) if refusal.status in (400, 422) and left else None
            if other is None:
                raise refusal.error(endpoint.base.host)
            body = other


def missing_settings(settings: Settings) -> list[str]:
    """Which of base_url, api_key and model the settings lack."""
    own = settings.llm.openai_compat
    values = {"base_url": own.base_url.strip(), "api_key": own.api_key.get_secret_value(), "model": own.model}
    return [name for name, value in values.items() if not value]


def _explained(missing: list[str], *, own_key_needed: bool) -> str:
    settings = ", ".join(_SETTING + name.upper() for name in missing)
    text = f"openai_compat needs {', '.join(missing)}; add to `config`, or set {settings}"
    # Never say that setting the server's key would help: it does not go to an address that a request names.
    return f"{text} (a request that names base_url brings its own api_key)" if own_key_needed else text


class _Events:
    """The events of a reply as they come."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._decoder = SseDecoder()
        self._is_whole = reply.headers.get("content-type", "").startswith("application/json")

    async def next(self) -> list[bytes]:
        """One event or more, none at the end. Keep-alive comments are read over: they are no progress."""
        if self._is_whole:  # it ignored `stream`: one answer, not events
            whole = await self._reply.body(_ANSWER_BYTES)
            return [whole] if whole else []
        while (part := await self._reply.part()) is not None:
            if events := self._decoder.feed(part):
                return events
        return self._decoder.finish()
