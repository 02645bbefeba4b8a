"""What was wrong with a body or a message, in one line that never repeats the input."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError) -> str:
    """The first faults of a validation, each with the place it was found in."""
    return explain_details(error.errors(include_url=False, include_input=False, include_context=False))


def explain_details(details: list[ErrorDetails]) -> str:
    """The same for details that a framework has collected."""
    parts = []
    for fault in details[:3]:
        place = ".".join(str(part) for part in fault["loc"] if part != "body")
        says = fault["msg"][:1].lower() + fault["msg"][1:]
        parts.append(f"`{place}`: {says}" if place else says)
    return "; ".join(parts)
