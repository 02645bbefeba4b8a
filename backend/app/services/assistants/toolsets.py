"""The toolsets of one application by name: built when an assistant first needs them, closed with the server."""

import logging
from collections.abc import Mapping, Sequence

from app.core.assistants import ApprovalMode, AssistantDefinition
from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.core.logging import log_failure
from app.core.supervision import reraise_cancellation
from app.providers.agent.task import AgentTool
from app.providers.agent.workers import ToolWorkers
from app.providers.registry import CannotBuild, LazyRegistry, Registration
from app.toolsets.base import Tool, ToolContext, Toolset, UnusableTool
from app.toolsets.registry import list_toolset_registrations

logger = logging.getLogger(__name__)


class Toolsets:
    """Toolsets by name, and the tools that a definition takes from them."""

    def __init__(self, settings: Settings, registrations: Mapping[str, Registration] | None = None) -> None:
        """`registrations` are all that there are; None means those built in and those of packages."""
        self._settings = settings
        self.workers = ToolWorkers(settings.assistants.threads)
        """Calls the functions of all tools."""
        self._registry = LazyRegistry[Toolset](
            "toolset", list_toolset_registrations() if registrations is None else registrations, settings
        )

    async def list_tools(
        self, name: str, definition: AssistantDefinition
    ) -> list[tuple[str, Tool, ApprovalMode]]:
        """The tools of the assistant of that name: toolset, tool, and whether a person is asked.

        Raises:
            ProviderNotReady: a toolset is missing, or the definition does not fit it; the message says which.
        """
        found: dict[str, tuple[str, Tool, ApprovalMode]] = {}
        for toolset_name in definition.toolsets:
            toolset = await self._get(name, toolset_name)
            for tool in self._read_tools(name, toolset_name, toolset):
                if tool.name in found:
                    raise ProviderNotReady(
                        f"assistant {name!r}: the toolsets {found[tool.name][0]!r} and {toolset_name!r} both have "
                        f"a tool {tool.name!r}; choose one of them"
                    )
                found[tool.name] = (toolset_name, tool, _choose_mode(tool, definition))
        # A misspelt name would leave a tool on that its operator believes to be off.
        if unknown := sorted(definition.approval.keys() - found.keys()):
            raise ProviderNotReady(
                f"assistant {name!r}: `approval` names {unknown[0]!r}, which is none of its tools: "
                f"{', '.join(sorted(found)) or 'none'}"
            )
        return [entry for entry in found.values() if entry[2] != "off"]

    async def bind_tools(
        self, name: str, definition: AssistantDefinition, context: ToolContext
    ) -> Sequence[AgentTool]:
        """The same tools, ready for one answer. Raises as `list_tools` does."""
        default_s = self._settings.assistants.call_s
        return [
            AgentTool(
                name=tool.name,
                toolset=toolset,
                function=tool.function,
                context=context,
                asks=approval == "ask",
                timeout_s=tool.timeout_s or default_s,
            )
            for toolset, tool, approval in await self.list_tools(name, definition)
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
            raise self._make_error(assistant, name, error.error) from error

    def _read_tools(self, assistant: str, name: str, toolset: Toolset) -> list[Tool]:
        """The tools of a toolset, checked: a package may return anything.

        Raises:
            ProviderNotReady: it returns something else than tools, or fails.
        """
        try:
            found = list(toolset.tools())
            for tool in found:
                if not isinstance(tool, Tool):
                    raise UnusableTool("its `tools()` has to give `Tool`s")
        except BaseException as error:  # a toolset of another package may fail in any way
            reraise_cancellation(error)
            log_failure(logger, f"toolset {name!r} failed", error)
            raise self._make_error(assistant, name, error) from error
        return found

    def _make_error(self, assistant: str, name: str, error: BaseException) -> ProviderNotReady:
        """The error for an unusable toolset. It quotes `UnusableTool` only: other messages may hold a secret."""
        why = error if isinstance(error, UnusableTool) else type(error).__name__
        return ProviderNotReady(
            f"assistant {assistant!r} needs the toolset {name!r} of {self._registry.origin(name)!r}, which cannot "
            f"be used ({why}); the server's log has the place"
        )


def _choose_mode(tool: Tool, definition: AssistantDefinition) -> ApprovalMode:
    """A tool that writes always needs approval, whatever the definition says."""
    mode = definition.approval.get(tool.name, "allow")
    return "ask" if tool.writes and mode != "off" else mode
