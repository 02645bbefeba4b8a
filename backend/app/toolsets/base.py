"""The contract of toolsets: the protocol and the values that built-in and third-party toolsets share."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

from app.core.security import Caller
from app.providers.agent.events import ToolFailed

__all__ = ["FunctionToolset", "SearchService", "Tool", "ToolContext", "ToolFailed", "Toolset", "UnusableTool"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The names that model services accept."""
_UNNAMED_KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class UnusableTool(TypeError):
    """A function that cannot be a tool. The message says what to change, and is safe to show."""


class SearchService(Protocol):
    """Searches what a user has stored; `services.history.search.Search` implements it."""

    async def find(
        self, user_id: UUID, query: str, *, limit: int, before: int | None = None
    ) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Whose call it is, and what the tool may use."""

    caller: Caller
    """The tool has the rights of this caller and no others."""
    lang: str
    """The assistant's language (BCP-47); empty if it has none."""
    search: SearchService = field(repr=False)
    conversation_id: UUID | None = None
    """The conversation of the call; None for a request outside conversations."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a model may call: `async def name(context: ToolContext, argument: type = …) -> type`.

    A plain `def` runs in a worker thread. The docstring describes the tool to the model and, under `Args:`, each
    argument. The result is sent as JSON: pydantic models, dataclasses, texts, numbers, lists of them.
    """

    function: Callable[..., Any]
    writes: bool = False
    """Whether it changes something: then a person is asked before each call."""
    timeout_s: float | None = None
    """Longest call (s); None takes `assistants.call_s`."""

    @property
    def name(self) -> str:
        """The function's name, which the model calls it by."""
        return self.function.__name__

    def __post_init__(self) -> None:
        what = f"the tool {self.name[:80]!r}"
        if not _NAME.fullmatch(self.name):
            raise UnusableTool(f"{what} needs a name of 1 to 64 letters without accents, digits and '_'")
        first, *others = inspect.signature(self.function).parameters.values() or (None,)
        if first is None or first.name != "context":
            raise UnusableTool(f"{what} must take `context: ToolContext` as its first argument")
        for argument in others:
            if argument.kind in _UNNAMED_KINDS:
                raise UnusableTool(
                    f"{what}: its argument {argument.name!r} needs a name in the call: `*` and `/` are not allowed"
                )
        if inspect.isasyncgenfunction(self.function) or inspect.isgeneratorfunction(self.function):
            raise UnusableTool(f"{what} returns its result with `return`, not with `yield`")


class Toolset(Protocol):
    """Tools that belong together. A factory `(settings: Settings) -> Toolset` builds it, cheaply."""

    name: str
    description: str
    """One line: what the tools do, and where their data comes from."""

    def tools(self) -> Sequence[Tool]: ...

    async def aclose(self) -> None: ...


class FunctionToolset:
    """A toolset of plain functions: `@toolset.tool` for a reading one, `@toolset.tool(writes=True)` else."""

    def __init__(self, name: str, description: str) -> None:
        self.name = name
        self.description = description
        self._tools: dict[str, Tool] = {}

    @overload
    def tool(self, function: _Function) -> _Function: ...

    @overload
    def tool(
        self, *, writes: bool = ..., timeout_s: float | None = ...
    ) -> Callable[[_Function], _Function]: ...

    def tool(self, function: Any = None, *, writes: bool = False, timeout_s: float | None = None) -> Any:
        """Add a function as a tool; the function itself is returned unchanged."""

        def add(function: _Function) -> _Function:
            tool = Tool(function, writes=writes, timeout_s=timeout_s)
            self._tools[tool.name] = tool
            return function

        return add if function is None else add(function)

    def tools(self) -> Sequence[Tool]:
        return tuple(self._tools.values())

    async def aclose(self) -> None:
        """Nothing to close."""
