"""Which chat models can be asked for, and who is meant by an id."""

import difflib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import anyio

from app.core.config import Settings
from app.core.errors import ModelNotFound, PrompterError
from app.providers.base import ChatProvider
from app.schemas.providers import LlmProviderOut
from app.services.assistants.definitions import ConfiguredAssistant
from app.services.assistants.registry import Assistants
from app.services.llm.context import RunContext
from app.services.llm.providers import PROBE_S, LlmProviders
from app.services.llm.text_only import TextOnly

_FRESH_S = 5.0
_SHOWN_CHARS = 100
_CLOSE = 3


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked for."""

    id: str
    provider: str
    name: str
    """As the provider calls it; empty where the provider's name is all."""
    title: str = ""
    """The name for people, where it has one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers a request."""

    id: str
    """The full id, as answers tell it."""
    provider: str
    chat: ChatProvider
    model: str
    """The provider's own name of the model; empty for one that has no choice."""

    def bind(self, context: RunContext) -> "Choice":
        """The model bound to one run. A plain model needs no context and stays as it is."""
        return replace(self, chat=self.chat.bind(context)) if isinstance(self.chat, ContextualModel) else self


@runtime_checkable
class ContextualModel(Protocol):
    """A `ChatProvider` that acts for a caller, as an assistant does. Unbound, it answers nothing."""

    def bind(self, context: RunContext) -> ChatProvider: ...


class Catalogue:
    """Model ids are `provider/model`; a provider that knows only text is asked by its name alone.

    Ids are case-sensitive and may hold `/` and `:`. What `resolve` takes, in this order: an alias of the settings, a
    provider's name (its default model), an assistant's name, `provider/anything`, a model's bare name where one
    provider alone has it, the alias `*`.
    """

    def __init__(
        self, settings: Settings, providers: LlmProviders, assistants: Assistants | None = None
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._assistants = assistants
        self._aliases = settings.llm.model_aliases
        sought = [name for name in providers.names if providers.is_sought(name)]
        self._named_lists = _Lists(providers, [name for name in providers.names if name not in sought])
        self._sought_lists = _Lists(providers, sought)

    async def models(self, *, found: bool = True) -> list[Model]:
        """Every model, at most some seconds old; providers are asked in parallel and a dead one delays nobody.

        Without `found` nobody is looked for: a PROMPTer asks so, which another may be looking for just then.
        """
        own = [Model(one.name, one.name, "", one.title) for one in self._own()]
        if not found:
            return [*await self._named_lists.models(), *own]
        async with anyio.create_task_group() as group:
            group.start_soon(self._sought_lists.refresh)
            group.start_soon(self._named_lists.refresh)
        return [*await self._named_lists.models(), *own, *await self._sought_lists.models()]

    async def states(self) -> list[LlmProviderOut]:
        """Everybody who answers, providers and assistants, with their states; within about 3 s each."""
        providers = await self._providers.listed()
        if self._assistants is None:
            return providers
        return [*providers, *await self._assistants.list_states(providers, self.resolve)]

    def assistant(self, name: str) -> Choice | None:
        """The assistant of that name, where there is one."""
        if self._assistants is None or name in self._providers.names or name not in self._assistants:
            return None
        return Choice(name, name, self._assistants.get_chat(name, self.resolve), "")

    async def resolve(self, asked: str | None) -> Choice:
        """Who is meant; the default where nobody is.

        Raises:
            ModelNotFound: nobody is called so, or an alias leads nowhere.
            ProviderNotReady: that provider cannot be built.
        """
        if not asked:
            return await self._default_of(await self._providers.default())
        target = self._aliases.get(asked)
        if target is None or asked == "*":
            choice = await self._named(asked)
            target = None if choice else self._aliases.get("*")
            if choice is not None:
                return choice
        if target is None:
            raise ModelNotFound(await self._unknown(asked), param="model")
        choice = await self._named(target)
        if choice is None:
            raise ModelNotFound(
                f"the alias {shown(asked)} leads to {shown(target)}, which is not there; "
                "see llm.model_aliases and GET /v1/models",
                param="model",
            )
        return choice

    async def _named(self, name: str) -> Choice | None:
        """Who is meant by an id that is no alias; None where nobody is."""
        if name in self._providers.names:
            return await self._default_of(name)
        if (own := self.assistant(name)) is not None:
            return own
        provider, _, model = name.partition("/")
        if model and provider in self._providers.names:
            chat = await self._chat(provider)
            return None if isinstance(chat, TextOnly) else Choice(name, provider, chat, model)
        owners = [model for model in await self.models() if model.name == name]
        if len(owners) > 1:
            ids = ", ".join(shown(model.id) for model in owners)
            raise ModelNotFound(f"several providers have {shown(name)}: ask for one of {ids}", param="model")
        return await self._named(owners[0].id) if owners else None

    def _own(self) -> Sequence[ConfiguredAssistant]:
        return () if self._assistants is None else self._assistants.all

    async def _default_of(self, name: str) -> Choice:
        """A provider with the model that it uses by itself: its setting's, else the first that it lists."""
        chat = await self._chat(name)
        if isinstance(chat, TextOnly):
            return Choice(name, name, chat, "")
        model = self._configured_model(name) or next(iter(await models_of(chat)), "")
        # Without any, the provider itself knows best what it lacks.
        return Choice(f"{name}/{model}" if model else name, name, chat, model)

    def _configured_model(self, name: str) -> str:
        profile = self._settings.llm.profiles.get(name)
        if profile is not None:
            return profile.model or next(iter(profile.models), "")
        return self._settings.llm.openai_compat.model if name == "openai_compat" else ""

    async def _chat(self, name: str) -> ChatProvider:
        provider = await self._providers.get(name)
        return provider if isinstance(provider, ChatProvider) else TextOnly(name, provider)

    async def _unknown(self, asked: str) -> str:
        known = [model.id for model in await self.models()]
        close = difflib.get_close_matches(asked[:_SHOWN_CHARS], known, _CLOSE)
        meant = f"; did you mean {' or '.join(shown(id_) for id_ in close)}?" if close else ""
        return f"there is no model {shown(asked)}{meant or ';'} GET /v1/models lists those there are"


def shown(id_: str) -> str:
    """An id in a message: quoted, and never longer than a line."""
    return repr(id_ if len(id_) <= _SHOWN_CHARS else f"{id_[:_SHOWN_CHARS]}…")


class _Lists:
    """What some providers list, asked again when it is not fresh; any number may ask at once."""

    def __init__(self, providers: LlmProviders, names: Sequence[str]) -> None:
        self._providers = providers
        self._names = names
        self._lists: dict[str, list[Model]] = {}
        self._asked_s = float("-inf")
        self._asking = anyio.Lock()

    async def models(self) -> list[Model]:
        await self.refresh()
        return [model for name in self._names for model in self._lists.get(name, [])]

    async def refresh(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked_s > _FRESH_S:
                self._lists = await self._ask_all()
                self._asked_s = time.monotonic()

    async def _ask_all(self) -> dict[str, list[Model]]:
        lists: dict[str, list[Model]] = {}

        async def ask(name: str) -> None:
            with anyio.move_on_after(PROBE_S):
                lists[name] = await self._listed(name)

        async with anyio.create_task_group() as group:
            for name in self._names:
                group.start_soon(ask, name)
        return lists

    async def _listed(self, name: str) -> list[Model]:
        try:
            provider = await self._providers.get(name)
        except PrompterError:
            return []  # GET /providers/llm tells why
        if not isinstance(provider, ChatProvider):
            return [Model(name, name, "")]
        return [Model(f"{name}/{model}", name, model) for model in await models_of(provider)]


async def models_of(chat: ChatProvider) -> Sequence[str]:
    """What a provider lists, nothing where it fails: its state tells why."""
    try:
        return await chat.models()
    except Exception:  # noqa: BLE001  # a provider of others must not break the list
        return []
