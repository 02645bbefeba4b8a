"""The toolsets of one application: built when an assistant first needs them, closed with the server."""

import logging
from collections.abc import Mapping, Sequence

from app.core.assistants import Approval, AssistantDefinition
from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.core.logging import log_failure
from app.providers.agent.task import AgentTool
from app.providers.registry import CannotBuild, LazyRegistry, Registration
from app.toolsets.base import Tool, ToolContext, Toolset, UnusableTool
from app.toolsets.registry import toolset_registrations

logger = logging.getLogger(__name__)


class Toolsets:
    """Toolsets by name."""

    def __init__(self, settings: Settings, registrations: Mapping[str, Registration] | None = None) -> None:
        """`registrations` are all that there are; None means those built in and those of packages."""
        self._settings = settings
        self._registry = LazyRegistry[Toolset](
            "toolset", toolset_registrations() if registrations is None else registrations, settings
        )

    async def of(self, name: str, definition: AssistantDefinition) -> list[tuple[str, Tool, Approval]]:
        """What the assistant of that name can do: toolset, tool, and whether a person is asked.

        Raises:
            ProviderNotReady: a toolset is not there, or the definition does not fit; the message says which.
        """
        found: dict[str, tuple[str, Tool, Approval]] = {}
        for toolset_name in definition.toolsets:
            toolset = await self._get(name, toolset_name)
            for tool in self._tools_of(name, toolset_name, toolset):
                if tool.name in found:
                    raise ProviderNotReady(
                        f"assistant {name!r}: the toolsets {found[tool.name][0]!r} and {toolset_name!r} both have "
                        f"a tool {tool.name!r}; choose one of them"
                    )
                found[tool.name] = (toolset_name, tool, _approval(tool, definition))
        # A name that is misspelt would leave a tool on that somebody believes to be off.
        if unknown := sorted(definition.approval.keys() - found.keys()):
            raise ProviderNotReady(
                f"assistant {name!r}: `approval` names {unknown[0]!r}, and its tools are "
                f"{', '.join(sorted(found)) or 'none'}"
            )
        return [one for one in found.values() if one[2] != "off"]

    async def bound(
        self, name: str, definition: AssistantDefinition, context: ToolContext
    ) -> Sequence[AgentTool]:
        """The same for one answer."""
        longest_s = self._settings.assistants.call_s
        return [
            AgentTool(
                name=tool.name,
                toolset=toolset,
                function=tool.function,
                context=context,
                asks=approval == "ask",
                timeout_s=tool.timeout_s or longest_s,
            )
            for toolset, tool, approval in await self.of(name, definition)
        ]

    async def aclose(self) -> None:
        await self._registry.aclose()

    async def _get(self, assistant: str, name: str) -> Toolset:
        if name not in self._registry:
            raise ProviderNotReady(
                f"assistant {assistant!r} needs the toolset {name!r}, which is not there; known are "
                f"{', '.join(sorted(self._registry))}"
            )
        try:
            return await self._registry.get(name)
        except CannotBuild as error:
            raise self._unusable(assistant, name, error.error) from error

    def _tools_of(self, assistant: str, name: str, toolset: Toolset) -> list[Tool]:
        """Raises:
        ProviderNotReady: it is none.
        """
        try:
            found = list(toolset.tools())
            for tool in found:
                if not isinstance(tool, Tool):
                    raise UnusableTool("its `tools()` has to give `Tool`s")
        except Exception as error:  # a package of others may fail in any way
            log_failure(logger, f"toolset {name!r} failed", error)
            raise self._unusable(assistant, name, error) from error
        return found

    def _unusable(self, assistant: str, name: str, error: Exception) -> ProviderNotReady:
        """Why a toolset cannot be used: only `UnusableTool` has words of ours, those of others may hold a secret."""
        why = error if isinstance(error, UnusableTool) else type(error).__name__
        return ProviderNotReady(
            f"assistant {assistant!r} needs the toolset {name!r} of {self._registry.origin(name)!r}, which cannot "
            f"be used ({why}); the server's log has the place"
        )


def _approval(tool: Tool, definition: AssistantDefinition) -> Approval:
    """Nothing that writes runs without being asked for, whatever the definition says."""
    said = definition.approval.get(tool.name)
    if tool.writes and said != "off":
        return "ask"
    return said or "allow"
