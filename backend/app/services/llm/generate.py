"""`/llm/generate`: the model for a prompt or a dictation's transcript, and its completion as plain text."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from app.core.errors import BadRequest
from app.core.metrics import Observer
from app.core.security import Caller
from app.providers.agent.messages import replace_surrogates
from app.providers.base import AddressableProvider, ChatMessage, LlmConfig
from app.providers.joining import ANSWER_CHARS, too_long
from app.providers.upstream.profiles import NAMED_IN_REQUEST
from app.services.llm.completion import Completion, valid_usage
from app.services.llm.connections import is_connection_name
from app.services.llm.context import ResolvedModel, RunContext
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.services.llm.text_only import TextOnlyChat
from app.services.llm.waiting import WaitReporter

FindTranscript = Callable[[UUID, str], Awaitable[str]]
"""Gives the finished transcript of a user's dictation of that label; raises NotFound, NothingFinalYet."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request, as the route understood it."""

    messages: Sequence[ChatMessage] = field(repr=False)
    provider: str | None = None
    session_id: str | None = None
    owner: UUID | None = None
    """Whose dictation `session_id` names."""
    caller: Caller | None = None
    """The caller whose rights an assistant has."""
    config: LlmConfig = field(default_factory=LlmConfig)

    @property
    def user_id(self) -> UUID | None:
        """Whose connected models it may name."""
        return None if self.caller is None else self.caller.user_id


class GenerateService:
    """Answers prompts as text."""

    def __init__(
        self,
        providers: LlmProviders,
        catalog: ModelCatalog,
        observer: Observer,
        find_transcript: FindTranscript,
    ) -> None:
        self._providers = providers
        self._catalog = catalog
        self._observer = observer
        self._find_transcript = find_transcript

    async def start(self, prompt: Prompt) -> "TextCompletion":
        """Return an answer; the model is asked when it is opened.

        Raises:
            BadRequest, UnknownProvider, NotFound, NothingFinalYet, ProviderNotReady, StorageUnavailable
        """
        messages = list(prompt.messages)
        if prompt.session_id is not None:
            assert prompt.owner is not None, "a dictation always belongs to a user"
            transcript = await self._find_transcript(prompt.owner, prompt.session_id)
            messages.append(ChatMessage("user", transcript))
        if not messages:
            raise BadRequest("nothing to send: expected `messages`, or the `session_id` of a dictation")
        model = self._assistant(prompt) or await self._model(prompt)
        return TextCompletion(model, build_body(messages, prompt.config), self._observer)

    def _assistant(self, prompt: Prompt) -> ResolvedModel | None:
        """The assistant that `provider` or `config.model` names, None where they name none.

        Raises:
            BadRequest: the request also names a model, an address or a key for it to use.
        """
        config, named = prompt.config, prompt.provider or prompt.config.model
        if not named or (prompt.provider is None and config.base_url):
            return None
        found = self._catalog.find_assistant(named, prompt.user_id)
        if found is None:
            return None
        if config.base_url or config.api_key or config.model not in ("", named):
            raise BadRequest(
                f"which model the assistant {named!r} asks is the server's setting; send no base_url, api_key "
                "or model with it"
            )
        assert prompt.caller is not None, "an assistant needs a caller"
        return found.bind(RunContext(prompt.caller))

    async def _model(self, prompt: Prompt) -> ResolvedModel:
        """The model that answers; the request may bring an address and a key."""
        config = prompt.config
        # A request with an address or a key means the one provider that uses them; an echo would hide a mistake.
        brought = NAMED_IN_REQUEST if config.base_url or config.api_key else None
        named = prompt.provider or brought
        if (connected := await self._find_connected(prompt)) is not None:
            return connected
        owner, _, model = config.model.partition("/")
        # `openai_compat` alone is no prefix: what its upstream calls a model may begin with any word.
        if model and owner in self._providers.names and named in (None, owner):
            chat = await self._providers.get(owner)
            if not isinstance(chat, TextOnlyChat):
                return _resolved(owner, model, chat, config)
        if named is None and not config.model:
            connected = await self._catalog.find_default_connection(prompt.user_id)
            if connected is not None:
                return connected
        name = named or await self._providers.find_default()
        return _resolved(name, config.model, await self._providers.get(name), config)

    async def _find_connected(self, prompt: Prompt) -> ResolvedModel | None:
        """The connected model that `provider` or `config.model` names, None where they name none.

        Raises:
            BadRequest: the request also brings an address or a key.
            ModelNotFound: this user has no such connection.
        """
        config = prompt.config
        asked = prompt.provider or config.model
        if prompt.provider and config.model:
            asked = f"{prompt.provider}/{config.model.removeprefix(f'{prompt.provider}/')}"
        if not is_connection_name(asked):
            return None
        if config.base_url or config.api_key:
            raise BadRequest(
                "a connected model has its own address and key; send no base_url or api_key with it"
            )
        return await self._catalog.resolve(asked, prompt.user_id)


def _resolved(name: str, model: str, chat: Any, config: LlmConfig) -> ResolvedModel:
    if isinstance(chat, AddressableProvider):
        chat = chat.bind_upstream(config.base_url, config.api_key)
    return ResolvedModel(id=name, provider=name, chat=chat, model=model)


def build_body(messages: Sequence[ChatMessage], config: LlmConfig) -> dict[str, Any]:
    """The body of a chat request for plain messages."""
    options = {
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "top_p": config.top_p,
        "stop": list(config.stop) or None,
        "seed": config.seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return {"messages": [asdict(message) for message in messages]} | given


class TextCompletion(Completion):
    """The text of a completion's first choice. Model, reason and usage are complete when the text has ended."""

    def __init__(self, model: ResolvedModel, body: dict[str, Any], observer: Observer) -> None:
        super().__init__(model, body, observer)
        self._count = 0
        self.waits = WaitReporter(lambda: self._count)
        self._request = replace(self._request, on_wait=self.waits.note)
        self.provider = model.provider
        self.model: str | None = None
        """The name that the upstream gives."""
        self.finish_reason = "stop"
        self.usage: dict[str, Any] | None = None
        self.texts = self._read()
        """The pieces in order; none is empty.

        Raises:
            BadRequest, MissingConfig, BaseUrlNotAllowed, ContextTooLong, ProviderNotReady, EngineFailed,
            UpstreamError and its kinds
        """

    async def text(self) -> str:
        """The whole text. Raises as `texts` does, and UpstreamError for an answer over `ANSWER_CHARS`."""
        texts, size = [], 0
        async for text in self.texts:
            texts.append(text)
            size += len(text)
            if size > ANSWER_CHARS:
                raise too_long(self.provider)
        return "".join(texts)

    async def aclose(self) -> None:
        await self.texts.aclose()
        await super().aclose()

    async def _read(self) -> AsyncGenerator[str, None]:
        with self._watching():
            if text := self._text_of(await self._begin()):
                self._count += 1
                yield text
            async for chunk in self._stream:
                if text := self._text_of(chunk):
                    self._count += 1
                    yield text
        self._end("completed")

    def _text_of(self, chunk: dict[str, Any]) -> str:
        """The text that a chunk adds, often none; its other fields are kept."""
        self.model = chunk.get("model") or self.model
        self.usage = valid_usage(chunk.get("usage")) or self.usage
        text = ""
        for choice in chunk.get("choices") or ():
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            if choice.get("index", 0) == 0:
                delta = choice.get("delta") or {}
                content = delta.get("content") or delta.get("refusal")
                text = content if isinstance(content, str) else ""
        return replace_surrogates(text)
