"""What a request brings of tools, and which of them an assistant can offer to its model; pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.errors import BadRequest
from app.providers.agent.task import ClientTools


@dataclass(frozen=True, slots=True)
class BroughtTools:
    """The tools of a request."""

    offered: ClientTools
    omitted: Sequence[str]
    """Names of those that can neither run here nor come back as calls."""


def read_client_tools(
    name: str, body: Mapping[str, Any], own_names: Collection[str], *, is_text_only: bool = False
) -> BroughtTools:
    """The tools that a request brings to the assistant `name`, whose own tools have `own_names`.

    A tool with the name of one of the assistant's is omitted, since its calls could mean either, unless the request
    demands a call: then the client's tool is meant, and the assistant must do without its own. Omitted are also tools
    that are no functions, and all of them where the model knows only text.

    Raises:
        BadRequest: a tool has no name, or the request demands a call that cannot come back.
    """
    functions = {tool["function"]["name"]: tool for tool in _read_functions(body)}
    others = _name_others(body)
    choice, allowed = _read_choice(name, body.get("tool_choice") or body.get("function_call"))
    if allowed is not None:
        functions = {each: tool for each, tool in functions.items() if each in allowed}
    if choice is None:
        omitted = [each for each in functions if each in own_names or is_text_only]
        kept = [tool for each, tool in functions.items() if each not in omitted]
        return BroughtTools(ClientTools(kept), [*omitted, *others])
    if not functions:
        raise BadRequest(
            f"`tool_choice`: none of the `tools` of this request can be called so by the assistant {name!r}; send the "
            "function that it names, or leave it out",
            param="tool_choice",
        )
    return BroughtTools(ClientTools(list(functions.values()), choice), others)


def _read_functions(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = []
    for at, tool in enumerate(body.get("tools") or ()):
        if _read_kind(tool) != "function":
            continue
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadRequest(f"`tools[{at}]`: expected a function with a name", param="tools")
        found.append(tool)
    return found


def _name_others(body: Mapping[str, Any]) -> list[str]:
    """Names of the tools that are no functions of today's form, or what kind they are."""
    named = []
    for tool in body.get("tools") or ():
        if (kind := _read_kind(tool)) != "function":
            inside = tool.get(kind)
            named.append(str(inside.get("name", kind) if isinstance(inside, dict) else kind))
    functions = body.get("functions")
    of_old = functions if isinstance(functions, list) else []
    return named + [str(each.get("name", "")) for each in of_old if isinstance(each, dict)]


def _read_kind(tool: Mapping[str, Any]) -> str:
    return str(tool.get("type") or "function")


def _read_choice(name: str, choice: object) -> tuple[Any, Collection[str] | None]:
    """The choice that demands a call, None where none is, and the only functions that may be called, None for any."""
    if choice is None or choice == "auto":
        return None, None
    if choice == "none":
        return None, ()
    if choice in ("required", "any"):
        return "required", None
    if isinstance(choice, dict):
        if isinstance(allowed := choice.get("allowed_tools"), dict) and isinstance(
            allowed.get("tools"), list
        ):
            names = {found for tool in allowed["tools"] if (found := _read_name(tool))}
            return ("required" if allowed.get("mode") == "required" else None), names
        if wanted := _read_name(choice):
            return choice, (wanted,)
    raise BadRequest(
        f"`tool_choice`: the assistant {name!r} knows 'auto', 'none', 'required' and one function of `tools`",
        param="tool_choice",
    )


def _read_name(tool: object) -> str:
    """The name in `{"type": "function", "function": {"name": …}}`; empty for anything else."""
    function = tool.get("function") if isinstance(tool, dict) else None
    found = function.get("name") if isinstance(function, dict) else None
    return found if isinstance(found, str) else ""
