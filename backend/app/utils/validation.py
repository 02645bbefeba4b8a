"""What was wrong with a body or a message, in one line that never repeats the input."""

import re
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_MOST_FAULTS = 3
_OBJECT = re.compile(r"a valid dictionary or (?:instance|object).*")
_FIELD = re.compile(r"[a-z_0-9]+")
_TYPE_NAMES = frozenset({"str", "int", "float", "bool", "list", "dict"})


def explain_validation(error: ValidationError) -> str:
    """The first faults of a validation, each with the place it was found in."""
    return explain_details(error.errors(include_url=False, include_input=False, include_context=False))


def explain_details(details: Sequence[ErrorDetails]) -> str:
    """The same for details that a framework has collected."""
    said: dict[str, list[str]] = {}
    for fault in details:
        if fault["type"] == "json_invalid":
            return "the body is not JSON"
        message = _OBJECT.sub("a JSON object", fault["msg"][:1].lower() + fault["msg"][1:])
        messages = said.setdefault(_place(fault["loc"]), [])
        if message not in messages:
            messages.append(message)
    faults = [(place, ", or ".join(messages)) for place, messages in said.items()]
    return "; ".join(f"`{place}`: {says}" if place else says for place, says in faults[:_MOST_FAULTS])


def _place(location: tuple[int | str, ...]) -> str:
    """The path to a field as its sender knows it: without the branches of a union, which pydantic adds."""
    if location[:1] == ("header",):  # whose names are ours, unlike those in a body
        return str(location[-1])
    parts: list[str] = []
    for part in location:
        if part == "body" and not parts:
            continue
        if isinstance(part, str) and (not _FIELD.fullmatch(part) or part in _TYPE_NAMES):
            break
        parts.append(str(part))
    return ".".join(parts)
