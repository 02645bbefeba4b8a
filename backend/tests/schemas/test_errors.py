"""Errors in OpenAPI: one shape, and examples with codes of the tree alone."""

from collections.abc import Iterator
from typing import Any

from app.core.config import Settings
from app.core.errors import all_errors
from app.main import create_app
from app.schemas.errors import ANY_OTHER, ErrorOut, describe_answer, describe_error

CODES = {cls.code for cls in all_errors()}


def examples_in(part: Any) -> Iterator[dict[str, Any]]:
    """Every example of an error in a description, in our shape or in OpenAI's."""
    if isinstance(part, dict):
        error = part.get("error")
        if isinstance(error, dict) and isinstance(error.get("code"), str):
            yield error
        for each in part.values():
            yield from examples_in(each)
    elif isinstance(part, list):
        for each in part:
            yield from examples_in(each)


def test_examples_have_codes_of_the_tree() -> None:
    examples = list(examples_in(create_app(Settings(_env_file=None)).openapi()["paths"]))
    assert len(examples) > 100
    assert {example["code"] for example in examples} <= CODES


def test_an_answer_that_is_described_has_the_shape_of_errors() -> None:
    described = describe_error("There is no such thing", "not_found", "no thing 'x'")
    example = described["content"]["application/json"]["example"]
    error = ErrorOut.model_validate(example).error
    assert (described["model"], described["description"]) == (ErrorOut, "There is no such thing")
    assert (error.code, error.message) == ("not_found", "no thing 'x'")
    assert ANY_OTHER["default"]["model"] is ErrorOut


def test_every_described_route_has_the_refusal_of_the_network() -> None:
    described = describe_answer("The thing")
    assert described[200] == {"description": "The thing"}
    assert [error["code"] for error in examples_in(described)] == ["not_allowed"]
