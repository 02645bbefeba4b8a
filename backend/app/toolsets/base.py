"""What a toolset is: the protocol and values that every one, built-in or third-party, agrees on."""

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
"""What services of models take."""
_NAMELESS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class UnusableTool(TypeError):
    """A function cannot be a tool; the message says what to change, and is safe to show."""


class SearchService(Protocol):
    """The search over what a user has kept, as `services.search.Search` has it."""

    async def find(
        self, user_id: UUID, query: str, *, limit: int, before: int | None = None
    ) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool is called, and what it may use."""

    caller: Caller
    """Whose rights the tool has, and no more."""
    lang: str
    """The assistant's language (BCP-47); empty where it has none."""
    search: SearchService = field(repr=False)
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
        what = f"the tool {self.name[:80]!r}"
        if not _NAME.fullmatch(self.name):
            raise UnusableTool(f"{what} needs a name of 1 to 64 letters without accents, digits and '_'")
        first, *others = inspect.signature(self.function).parameters.values() or (None,)
        if first is None or first.name != "context":
            raise UnusableTool(f"{what} must take `context: ToolContext` as its first argument")
        for argument in others:
            if argument.kind in _NAMELESS:
                raise UnusableTool(
                    f"{what}: its argument {argument.name!r} has to have a name in the call; no `*` or `/` in it"
                )
        if inspect.isasyncgenfunction(self.function) or inspect.isgeneratorfunction(self.function):
            raise UnusableTool(f"{what} gives its result at once, by `return`, and not by `yield`")


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
