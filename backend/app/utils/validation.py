"""Explains in one line what is wrong with a body or message, without repeating the input."""

import re
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_MOST_FAULTS = 3
_OBJECT = re.compile(r"a valid dictionary or (?:instance|object).*")
_FIELD = re.compile(r"[a-z_0-9]+")
_TYPE_NAMES = frozenset({"str", "int", "float", "bool", "list", "dict"})


def explain_validation(error: ValidationError) -> str:
    """Explain the first faults of a validation, each with the path of its field."""
    return explain_details(error.errors(include_url=False, include_input=False, include_context=False))


def explain_details(details: Sequence[ErrorDetails]) -> str:
    """Explain the first of the faults that a framework has collected."""
    messages_of: dict[str, list[str]] = {}
    for fault in details:
        if fault["type"] == "json_invalid":
            return "the body is not JSON"
        message = _OBJECT.sub("a JSON object", fault["msg"][:1].lower() + fault["msg"][1:])
        messages = messages_of.setdefault(_field_path(fault["loc"]), [])
        if message not in messages:
            messages.append(message)
    faults = [(path, ", or ".join(messages)) for path, messages in messages_of.items()]
    return "; ".join(f"`{path}`: {message}" if path else message for path, message in faults[:_MOST_FAULTS])


def _field_path(location: tuple[int | str, ...]) -> str:
    """Return the path of a field as in the body: without the branches of a union, which pydantic adds."""
    if location[:1] == ("header",):  # the server chose the names of headers, not those of a body
        return str(location[-1])
    parts: list[str] = []
    for part in location:
        if part == "body" and not parts:
            continue
        if isinstance(part, str) and (not _FIELD.fullmatch(part) or part in _TYPE_NAMES):
            break
        parts.append(str(part))
    return ".".join(parts)
