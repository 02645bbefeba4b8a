"""What a toolset is: the protocol and values that every one, built-in or third-party, agrees on."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

from app.core.caller import Caller
from app.providers.agent.events import ToolFailed

__all__ = ["FunctionToolset", "Searching", "Tool", "ToolContext", "ToolFailed", "Toolset"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Searching(Protocol):
    """The search over what a user has kept, as `services.search.Search` has it."""

    async def find(self, user_id: UUID, query: str, *, limit: int) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool is called, and what it may use."""

    caller: Caller
    """Whose rights the tool has, and no more."""
    lang: str
    """The assistant's language (BCP-47); empty where it has none."""
    search: Searching = field(repr=False)
    conversation_id: UUID | None = None
    """The conversation that asks; None where the request belongs to none."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a model may call: `async def name(context: ToolContext, argument: type = …) -> type`.

    A plain `def` runs in a worker thread. The docstring tells the model what it does and, under `Args:`, what each
    argument means. The result is made JSON: pydantic models, dataclasses, texts, numbers, lists of them.
    """

    function: Callable[..., Any]
    writes: bool = False
    """It changes something: a person is asked before each call."""
    timeout_s: float | None = None
    """Longest call (s); None leaves it to the assistant."""

    @property
    def name(self) -> str:
        """What the model calls it."""
        return self.function.__name__

    def __post_init__(self) -> None:
        first = next(iter(inspect.signature(self.function).parameters), None)
        if first != "context":
            raise TypeError(f"the tool {self.name!r} must take `context: ToolContext` as its first argument")


class Toolset(Protocol):
    """Tools that belong together. Built by a factory `(settings: Settings) -> Toolset`; building is cheap."""

    name: str
    description: str
    """One line: what they do, and where what they tell comes from."""

    def tools(self) -> Sequence[Tool]: ...

    async def aclose(self) -> None: ...


class FunctionToolset:
    """A toolset of plain functions: `@toolset.tool` for one that reads, `@toolset.tool(writes=True)` for others."""

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
        """Add a function, which stays what it is."""

        def add(function: _Function) -> _Function:
            tool = Tool(function, writes, timeout_s)
            self._tools[tool.name] = tool
            return function

        return add if function is None else add(function)

    def tools(self) -> Sequence[Tool]:
        return tuple(self._tools.values())

    async def aclose(self) -> None:
        """Nothing to close."""
