"""The assistants of one application by name: their states, and each as a chat model."""

from collections.abc import Sequence

import anyio

from app.core.config import Settings
from app.core.errors import ModelNotFound, PrompterError
from app.core.notes import Note, NoteCode
from app.providers.agent.loader import describe_missing, is_installed
from app.providers.base import ProviderStatus
from app.schemas.errors import NoteOut
from app.schemas.providers import AssistantOut, LlmProviderOut, ProviderState
from app.services.assistants.assistant import AssistantChat, AssistantDeps, find_tool_problem
from app.services.assistants.definitions import ConfiguredAssistant, load_assistants
from app.services.assistants.toolsets import Toolsets
from app.services.llm.context import ResolveModel
from app.services.llm.models import Model
from app.toolsets.base import SearchService

TYPE = "assistant"
"""The `type` of assistants in the list of providers."""
_PROBE_S = 3.0


class Assistants:
    """All assistants: the `ModelSource` of the catalog, whose `resolve` finds the model that an assistant asks."""

    def __init__(
        self,
        settings: Settings,
        toolsets: Toolsets,
        search: SearchService,
        reserved_names: Sequence[str] = (),
    ) -> None:
        self._deps = AssistantDeps(settings=settings, toolsets=toolsets, search=search)
        self._assistants = load_assistants(settings, frozenset(reserved_names))

    def list_models(self) -> list[Model]:
        """Each assistant as a model, whatever its state."""
        return [
            Model(id=assistant.name, provider=assistant.name, name="", title=assistant.title)
            for assistant in self._assistants.values()
        ]

    def find(self, name: str, resolve: ResolveModel) -> AssistantChat | None:
        """The assistant as a chat model, to be bound to a context before it answers; None for an unknown name."""
        assistant = self._assistants.get(name)
        return None if assistant is None else AssistantChat(self._deps, assistant, resolve)

    async def list_states(
        self, providers: Sequence[LlmProviderOut], resolve: ResolveModel
    ) -> list[LlmProviderOut]:
        """All assistants with their states, derived from those of the providers; within about 3 s."""
        states = {provider.name: provider for provider in providers}
        found: dict[str, ProviderStatus] = {}

        async def probe(assistant: ConfiguredAssistant) -> None:
            found[assistant.name] = ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description="its model did not answer in time",
                note=Note(NoteCode.STATE_UNKNOWN),
            )
            with anyio.move_on_after(_PROBE_S):
                found[assistant.name] = await self._get_status(assistant, states, resolve)

        async with anyio.create_task_group() as group:
            for assistant in self._assistants.values():
                group.start_soon(probe, assistant)
        return [
            LlmProviderOut(
                name=assistant.name,
                type=TYPE,
                status=found[assistant.name].state,
                description=found[assistant.name].description,
                note=NoteOut.from_note_or_none(found[assistant.name].note),
                title=assistant.title,
                model=found[assistant.name].model,
                host=found[assistant.name].host,
                default=False,
                assistant=AssistantOut(title=assistant.title, description=assistant.definition.description),
            )
            for assistant in self._assistants.values()
        ]

    async def aclose(self) -> None:
        await self._deps.toolsets.aclose()

    async def _get_status(
        self, assistant: ConfiguredAssistant, states: dict[str, LlmProviderOut], resolve: ResolveModel
    ) -> ProviderStatus:
        if assistant.problem:
            return _describe_misconfigured(assistant.problem)
        if not is_installed():
            return ProviderStatus(
                state=ProviderState.NOT_INSTALLED,
                description=f"assistants need {describe_missing()}",
                note=Note(NoteCode.PACKAGE_MISSING),
            )
        try:
            await self._deps.toolsets.list_tools(assistant.name, assistant.definition)
            model = await resolve(assistant.definition.model or None)
        except ModelNotFound as error:
            wanted = assistant.definition.model
            return ProviderStatus(
                state=ProviderState.NO_MODEL,
                description=f"its model {wanted!r}: {error.message}",
                note=Note(NoteCode.ASSISTANT_MODEL_MISSING, {"model": wanted}),
            )
        except PrompterError as error:
            return _describe_misconfigured(error.message)
        purpose = assistant.definition.description or assistant.title
        provider = states.get(model.provider)
        if provider is None:
            return _describe_misconfigured("its model is an assistant; give it a model's id")
        if problem := find_tool_problem(assistant, model):
            return _describe_misconfigured(problem, NoteCode.CALLS_NO_TOOLS)
        is_ready = provider.status == ProviderState.READY
        return ProviderStatus(
            state=provider.status,
            description=f"{purpose}; asks {model.id!r}"
            if is_ready
            else f"{purpose}; its model {model.id!r}: {provider.description}",
            note=Note(NoteCode.ANSWERS)
            if is_ready
            else Note(NoteCode.ASSISTANT_MODEL_NOT_READY, {"model": model.model or model.id}),
            model=model.model or model.id,
            host=provider.host,
        )


def _describe_misconfigured(problem: str, code: NoteCode = NoteCode.SETTINGS_WRONG) -> ProviderStatus:
    return ProviderStatus(state=ProviderState.NOT_CONFIGURED, description=problem, note=Note(code))
