"""Every assistant of one application: which there are, in what state, and each as a model that answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from app.core.config import Settings
from app.core.errors import ModelNotFound, PrompterError
from app.providers.agent.task import COMMAND, is_installed
from app.providers.base import ProviderStatus
from app.schemas.providers import AssistantOut, LlmProviderOut, ProviderState
from app.services.assistants.assistant import AssistantChat, tool_problem
from app.services.assistants.definitions import ConfiguredAssistant, load_assistants
from app.services.assistants.toolsets import Toolsets
from app.toolsets.base import SearchService

if TYPE_CHECKING:
    from app.services.llm.models import Choice


TYPE = "assistant"
_PROBE_S = 3.0


@dataclass(frozen=True, slots=True)
class AssistantDeps:
    """What every assistant stands on."""

    settings: Settings
    toolsets: Toolsets
    search: SearchService


class Assistants:
    """Assistants by name. Whoever asks one also gives `resolve`, by which it finds the model that it asks itself."""

    def __init__(
        self, settings: Settings, toolsets: Toolsets, search: SearchService, taken: Sequence[str] = ()
    ) -> None:
        self._deps = AssistantDeps(settings, toolsets, search)
        self._defined = load_assistants(settings, frozenset(taken))

    @property
    def all(self) -> Sequence[ConfiguredAssistant]:
        return list(self._defined.values())

    def __contains__(self, name: object) -> bool:
        return name in self._defined

    def chat(self, name: str, resolve: "Callable[[str | None], Awaitable[Choice]]") -> AssistantChat:
        """The assistant as a model; it answers once it acts for somebody."""
        deps = self._deps
        return AssistantChat(deps.settings, deps.toolsets, deps.search, self._defined[name], resolve)

    async def listed(
        self,
        providers: Sequence[LlmProviderOut],
        resolve: "Callable[[str | None], Awaitable[Choice]]",
    ) -> list[LlmProviderOut]:
        """All with their states, given those of the providers; within about 3 s."""
        states = {provider.name: provider for provider in providers}
        found: dict[str, ProviderStatus] = {}

        async def ask(one: ConfiguredAssistant) -> None:
            found[one.name] = ProviderStatus(ProviderState.UNREACHABLE, "its model did not tell in time")
            with anyio.move_on_after(_PROBE_S):
                found[one.name] = await self._status(one, states, resolve)

        async with anyio.create_task_group() as group:
            for one in self._defined.values():
                group.start_soon(ask, one)
        return [
            LlmProviderOut(
                name=one.name,
                type=TYPE,
                status=found[one.name].state,
                description=found[one.name].description,
                default=False,
                assistant=AssistantOut(title=one.title, description=one.definition.description),
            )
            for one in self._defined.values()
        ]

    async def aclose(self) -> None:
        await self._deps.toolsets.aclose()

    async def _status(
        self,
        one: ConfiguredAssistant,
        states: dict[str, LlmProviderOut],
        resolve: "Callable[[str | None], Awaitable[Choice]]",
    ) -> ProviderStatus:
        if one.problem:
            return ProviderStatus(ProviderState.NOT_CONFIGURED, one.problem)
        if not is_installed():
            return ProviderStatus(ProviderState.NOT_INSTALLED, f"assistants need pydantic-ai: {COMMAND}")
        try:
            await self._deps.toolsets.of(one.name, one.definition)
            asked = await resolve(one.definition.model or None)
        except ModelNotFound as error:
            return ProviderStatus(ProviderState.NO_MODEL, error.message)
        except PrompterError as error:
            return ProviderStatus(ProviderState.NOT_CONFIGURED, error.message)
        what = one.definition.description or one.title
        provider = states.get(asked.provider)
        if provider is None:
            return ProviderStatus(
                ProviderState.NOT_CONFIGURED, "its model is an assistant; give it a model's id"
            )
        if problem := tool_problem(one, asked):
            return ProviderStatus(ProviderState.NOT_CONFIGURED, problem)
        if provider.status != ProviderState.READY:
            return ProviderStatus(provider.status, f"{what}; its model {asked.id!r}: {provider.description}")
        return ProviderStatus(ProviderState.READY, f"{what}; asks {asked.id!r}")
