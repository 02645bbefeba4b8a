"""Prompts to answers: picks the provider, adds the dictated text, opens the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from app.core.errors import BadRequest
from app.core.security import Caller
from app.providers.base import ChatMessage, ChatProvider, LlmConfig
from app.providers.llm.profile import as_text
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.services.llm.answer import Answer
from app.services.llm.context import RunContext
from app.services.llm.models import Catalogue, Choice
from app.services.llm.providers import NAMED_IN_REQUEST, LlmProviders


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one request asks, as the door understood it."""

    messages: Sequence[ChatMessage] = field(repr=False)
    provider: str | None = None
    session_id: str | None = None
    owner: UUID | None = None
    """Whose dictation `session_id` names."""
    caller: Caller | None = None
    """For whom an assistant acts."""
    config: LlmConfig = field(default_factory=LlmConfig)


class Generation:
    """What `/llm/generate` asks of the providers."""

    def __init__(
        self, providers: LlmProviders, transcripts: RecentTranscripts, catalogue: Catalogue | None = None
    ) -> None:
        self._providers = providers
        self._transcripts = transcripts
        self._catalogue = catalogue

    async def answer(self, prompt: Prompt) -> Answer:
        """An answer that is not open yet.

        Raises:
            BadRequest, UnknownProvider, NotFound, NothingFinalYet, ProviderNotReady, StorageUnavailable
        """
        messages = list(prompt.messages)
        if prompt.session_id is not None:
            assert prompt.owner is not None, "a dictation is always somebody's"
            said = await self._transcripts.find(SessionLabel(prompt.owner, prompt.session_id))
            messages.append(ChatMessage("user", said))
        if not messages:
            raise BadRequest("nothing to send: expected `messages`, or the `session_id` of a dictation")
        if (assistant := self._assistant(prompt)) is not None:
            return Answer(assistant.id, as_text(assistant.chat, messages, replace(prompt.config, model="")))
        name, config = await self._chosen(prompt)
        provider = await self._providers.get(name)
        return Answer(name, provider.generate(messages, config))

    def _assistant(self, prompt: Prompt) -> Choice | None:
        """The assistant that is asked for, by `provider` or by `config.model`.

        Raises:
            BadRequest: the request also says which model, address or key it is to use.
        """
        config, named = prompt.config, prompt.provider or prompt.config.model
        if self._catalogue is None or not named or (prompt.provider is None and config.base_url):
            return None
        found = self._catalogue.assistant(named)
        if found is None:
            return None
        if config.base_url or config.api_key or config.model not in ("", named):
            raise BadRequest(
                f"which model the assistant {named!r} asks is the server's setting; send no base_url, api_key "
                "or model with it"
            )
        assert prompt.caller is not None, "an assistant acts for somebody"
        return found.bind(RunContext(prompt.caller))

    async def _chosen(self, prompt: Prompt) -> tuple[str, LlmConfig]:
        """Who answers, and with which model."""
        config = prompt.config
        # Who brings an address or a key means the one provider that uses them; an echo would hide a mistake.
        brought = NAMED_IN_REQUEST if config.base_url or config.api_key else None
        named = prompt.provider or brought
        owner, _, model = config.model.partition("/")
        # `openai_compat` alone is no prefix: what its upstream calls a model may begin with any word.
        if model and owner in self._providers.names and named in (None, owner):
            provider = await self._providers.get(owner)
            if isinstance(provider, ChatProvider):
                return owner, replace(config, model=model)
        return named or await self._providers.default(), config
