"""The models that can be asked for, and which of them an id means."""

import difflib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from uuid import UUID

import anyio
import anyio.abc

from app.core.config import Settings
from app.core.errors import ModelNotFound, PrompterError, StorageUnavailable
from app.core.notes import Note, NoteCode
from app.core.supervision import reraise_cancellation
from app.providers.base import ChatProvider, ProviderStatus
from app.schemas.errors import NoteOut
from app.schemas.providers import USABLE, ConnectionRefOut, LlmProviderOut, ProviderState
from app.services.llm.context import ResolvedModel, ResolveModel
from app.services.llm.providers import FALLBACK, PROBE_S, LlmProviders
from app.services.llm.text_only import TextOnlyChat

_FRESH_S = 5.0
_SHOWN_CHARS = 100
_CLOSE = 3


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked for."""

    id: str
    provider: str
    name: str
    """The provider's name of the model; empty for a provider with one model, and for an assistant."""
    title: str = ""
    """The name to show to people; empty where there is none."""


class ConnectedChat(ChatProvider, Protocol):
    """A connected model server with its state."""

    @property
    def type(self) -> str: ...

    async def status(self) -> ProviderStatus: ...


class ModelSource(Protocol):
    """Models beside those of the providers, which may ask those: the assistants."""

    def list_models(self) -> Sequence[Model]: ...

    def find(self, name: str, resolve: ResolveModel) -> ChatProvider | None:
        """The model of this name, which finds the model that it asks by `resolve`."""
        ...

    async def list_states(
        self, providers: Sequence[LlmProviderOut], resolve: ResolveModel
    ) -> list[LlmProviderOut]:
        """All with their states, given those of the providers; within about 3 s."""
        ...


class AskableConnection(Protocol):
    """A model server that a user may ask because somebody has connected it."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def is_own(self) -> bool: ...

    @property
    def chat(self) -> ConnectedChat: ...

    @property
    def model(self) -> str: ...


class ConnectionSource(Protocol):
    """The model servers that users have connected themselves."""

    async def list_for(self, user_id: UUID) -> Sequence[AskableConnection]:
        """All that a user may ask, the likeliest default first. Raises StorageUnavailable."""
        ...

    async def find_for(self, user_id: UUID, name: str) -> AskableConnection | None:
        """The one of that name; quick for names that no connection can have. Raises StorageUnavailable."""
        ...


class ModelCatalog:
    """Lists the models that can be asked for, and resolves ids to them.

    `user_id` says for whom: what a user has connected, or may use because an admin shares it, is there for them alone.

    A model's id is `provider/model`; a provider that knows only text is asked by its name alone. Ids are
    case-sensitive and may hold `/` and `:`. `resolve` takes, in this order: an alias of the settings, a provider's
    name (its default model), an assistant's name, `provider/anything`, a model's bare name where one provider alone
    has it, the alias `*`. A connection counts as a provider. It is the default where the server has none but `echo`.
    """

    def __init__(
        self,
        settings: Settings,
        providers: LlmProviders,
        assistants: ModelSource | None = None,
        connections: ConnectionSource | None = None,
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._assistants = assistants
        self._connections = connections
        self._aliases = settings.llm.model_aliases
        probed = [name for name in providers.names if providers.is_probed(name)]
        self._configured_lists = _ModelLists(
            providers, [name for name in providers.names if name not in probed]
        )
        self._probed_lists = _ModelLists(providers, probed)

    async def list_models(self, user_id: UUID | None = None, *, found: bool = True) -> list[Model]:
        """Every model, at most some seconds old; providers are asked in parallel, each for at most PROBE_S.

        `found=False` skips the servers that are found by probing, so that two PROMPTers that probe each other do not
        recurse.
        """
        assistants = [] if self._assistants is None else self._assistants.list_models()
        if not found:
            return [*await self._configured_lists.models(), *assistants]
        connected = await self._list_connected_or_none(user_id)
        async with anyio.create_task_group() as group:
            group.start_soon(self._probed_lists.refresh)
            group.start_soon(self._configured_lists.refresh)
            lists = [_ConnectedList(each, group) for each in connected]
        return [
            *(model for each in lists for model in each.models),
            *await self._configured_lists.models(),
            *assistants,
            *await self._probed_lists.models(),
        ]

    async def list_states(self, user_id: UUID | None = None) -> list[LlmProviderOut]:
        """All providers and assistants with their states; within about 3 s for each of the two kinds."""
        connected = await self._list_connected_or_none(user_id)
        chosen = await self._choose_default(connected)
        states = [_ConnectedState(each, is_chosen=each is chosen) for each in connected]
        async with anyio.create_task_group() as group:
            for state in states:
                group.start_soon(state.ask)
            providers = await self._providers.list_states()
        if chosen is not None:
            providers = [each.model_copy(update={"default": False, "chosen": False}) for each in providers]
        providers = [*(state.found for state in states), *providers]
        if self._assistants is None:
            return providers
        resolve = partial(self.resolve, user_id=user_id)
        return [*providers, *await self._assistants.list_states(providers, resolve)]

    def find_assistant(self, name: str, user_id: UUID | None = None) -> ResolvedModel | None:
        """The assistant of that name, where there is one. What it asks is resolved for this user."""
        if self._assistants is None or name in self._providers.names:
            return None
        chat = self._assistants.find(name, partial(self.resolve, user_id=user_id))
        return None if chat is None else ResolvedModel(id=name, provider=name, chat=chat, model="")

    async def find_connection(self, name: str, user_id: UUID | None) -> AskableConnection | None:
        """The connection of that name, such as `my.openai`, where this user may ask one. Raises StorageUnavailable."""
        if self._connections is None or user_id is None:
            return None
        return await self._connections.find_for(user_id, name)

    async def find_kind(self, model: ResolvedModel) -> str:
        """The kind of a model's provider, such as "mock" or "local".

        Raises:
            UnknownProvider, ProviderNotReady
        """
        return model.connected_type or await self._providers.find_kind(model.provider)

    async def resolve(self, asked: str | None, user_id: UUID | None = None) -> ResolvedModel:
        """The model of an id or an alias; the default model for None.

        Raises:
            ModelNotFound: no model has this name, or an alias leads nowhere.
            ProviderNotReady: its provider cannot be built.
            StorageUnavailable: the user's connections cannot be read.
        """
        if not asked:
            name = await self._providers.find_default()
            connected = await self._find_connection_instead_of(name, user_id)
            return connected or await self._default_of(name)
        target = self._aliases.get(asked)
        if target is None or asked == "*":
            if (model := await self._find(asked, user_id)) is not None:
                return model
            target = self._aliases.get("*")
        if target is None:
            raise ModelNotFound(await self._unknown(asked, user_id), param="model")
        model = await self._find(target, user_id)
        if model is None:
            raise ModelNotFound(
                f"an alias leads to {_quote(target)}, which is not there; "
                "see llm.model_aliases and GET /v1/models",
                param="model",
            )
        return model

    async def find_default_connection(self, user_id: UUID | None) -> ResolvedModel | None:
        """The connected model of a request that names none; None where the server has a model for it.

        Raises:
            StorageUnavailable: the user's connections cannot be read.
        """
        return await self._find_connection_instead_of(await self._providers.find_default(), user_id)

    async def _find_connection_instead_of(self, name: str, user_id: UUID | None) -> ResolvedModel | None:
        """The connected model that answers where the server's default is this one; None where that answers itself."""
        if not self._is_last_resort(name):
            return None
        connected = await self._list_connected(user_id)
        return await self._default_of_connection(connected[0]) if connected else None

    def _is_last_resort(self, name: str) -> bool:
        """Whether the server has no model of its own for requests that name none."""
        return name == FALLBACK and not self._settings.llm.provider

    async def _choose_default(self, connected: Sequence[AskableConnection]) -> AskableConnection | None:
        """The connection that answers requests that name no model; None where the server's own provider does."""
        if not connected or not self._is_last_resort(await self._providers.find_default()):
            return None
        return connected[0]

    async def _list_connected_or_none(self, user_id: UUID | None) -> Sequence[AskableConnection]:
        """For lists, which the database must not keep from naming all others; it has logged why."""
        try:
            return await self._list_connected(user_id)
        except StorageUnavailable:
            return ()

    async def _list_connected(self, user_id: UUID | None) -> Sequence[AskableConnection]:
        if self._connections is None or user_id is None:
            return ()
        return await self._connections.list_for(user_id)

    async def _find(self, name: str, user_id: UUID | None) -> ResolvedModel | None:
        """The model of an id that is no alias, None where there is none."""
        if name in self._providers.names:
            return await self._default_of(name)
        if (assistant := self.find_assistant(name, user_id)) is not None:
            return assistant
        provider, _, model = name.partition("/")
        if (connected := await self.find_connection(provider, user_id)) is not None:
            return (
                _resolve_connected(connected, model)
                if model
                else await self._default_of_connection(connected)
            )
        if model and provider in self._providers.names:
            chat = await self._providers.get(provider)
            if isinstance(chat, TextOnlyChat):
                return None
            return ResolvedModel(id=name, provider=provider, chat=chat, model=model)
        owners = [model for model in await self.list_models(user_id) if model.name == name]
        if len(owners) > 1:
            ids = ", ".join(_quote(model.id) for model in owners)
            raise ModelNotFound(
                f"several providers have {_quote(owners[0].name)}: ask for one of {ids}", param="model"
            )
        return await self._find(owners[0].id, user_id) if owners else None

    async def _default_of_connection(self, connected: AskableConnection) -> ResolvedModel:
        """A connection's default model: the one that its user has chosen, else the first that it lists."""
        return _resolve_connected(
            connected, connected.model or next(iter(await _list_models(connected.chat)), "")
        )

    async def _default_of(self, name: str) -> ResolvedModel:
        """A provider's default model: the one in its settings, else the first that it lists."""
        chat = await self._providers.get(name)
        if isinstance(chat, TextOnlyChat):
            return ResolvedModel(id=name, provider=name, chat=chat, model="")
        model = self._configured_model(name) or next(iter(await _list_models(chat)), "")
        # Without a model the provider's own error says best what is missing.
        return ResolvedModel(id=f"{name}/{model}" if model else name, provider=name, chat=chat, model=model)

    def _configured_model(self, name: str) -> str:
        profile = self._settings.llm.profiles.get(name)
        if profile is not None:
            return profile.model or next(iter(profile.models), "")
        return self._settings.llm.openai_compat.model if name == "openai_compat" else ""

    async def _unknown(self, asked: str, user_id: UUID | None) -> str:
        known = [model.id for model in await self.list_models(user_id)]
        close = difflib.get_close_matches(asked[:_SHOWN_CHARS], known, _CLOSE)
        hint = f"; did you mean {' or '.join(_quote(id_) for id_ in close)}?" if close else ""
        return f"there is no model of this name{hint or ';'} GET /v1/models lists those there are"


def _quote(id_: str) -> str:
    """An id in a message: quoted, and never longer than a line."""
    return repr(id_ if len(id_) <= _SHOWN_CHARS else f"{id_[:_SHOWN_CHARS]}…")


def _resolve_connected(connected: AskableConnection, model: str) -> ResolvedModel:
    return ResolvedModel(
        id=f"{connected.name}/{model}" if model else connected.name,
        provider=connected.name,
        chat=connected.chat,
        model=model,
        connected_type=connected.chat.type,
    )


class _ConnectedList:
    """What one connection lists; it is asked in a task of the group."""

    def __init__(self, connected: AskableConnection, group: anyio.abc.TaskGroup) -> None:
        self.models: list[Model] = []
        self._connected = connected
        group.start_soon(self._ask)

    async def _ask(self) -> None:
        name = self._connected.name
        with anyio.move_on_after(PROBE_S):
            listed = await _list_models(self._connected.chat)
            self.models = [
                Model(id=f"{name}/{model}", provider=name, name=model, title=self._connected.title)
                for model in listed
            ]


class _ConnectedState:
    """The state of one connection, as the list of providers tells it."""

    def __init__(self, connected: AskableConnection, *, is_chosen: bool) -> None:
        self._connected = connected
        self._is_chosen = is_chosen
        self._status = ProviderStatus(
            state=ProviderState.UNREACHABLE,
            description=f"gave no state within {PROBE_S:.0f} s",
            note=Note(NoteCode.STATE_UNKNOWN),
        )

    async def ask(self) -> None:
        with anyio.move_on_after(PROBE_S):
            self._status = await self._connected.chat.status()

    @property
    def found(self) -> LlmProviderOut:
        connected, status = self._connected, self._status
        return LlmProviderOut(
            name=connected.name,
            type=connected.chat.type,
            status=status.state,
            description=status.description,
            note=NoteOut.from_note_or_none(status.note),
            title=connected.title,
            model=status.model,
            default=self._is_chosen and status.state in USABLE,
            chosen=self._is_chosen,
            connection=ConnectionRefOut(title=connected.title, own=connected.is_own),
        )


class _ModelLists:
    """What some providers list, asked for again when it is not fresh; any number of requests may ask at once."""

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
            chat = await self._providers.get(name)
        except PrompterError:
            return []  # GET /providers/llm says why
        if isinstance(chat, TextOnlyChat):
            return [Model(id=name, provider=name, name="")]
        return [Model(id=f"{name}/{model}", provider=name, name=model) for model in await _list_models(chat)]


async def _list_models(chat: ChatProvider) -> Sequence[str]:
    """What a provider lists, nothing where it fails: its state says why."""
    try:
        return await chat.models()
    except BaseException as error:  # noqa: BLE001  # a provider of others must not break the list
        reraise_cancellation(error)
        return []
