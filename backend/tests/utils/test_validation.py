"""What is wrong with a body, in one line: with the paths of fields, and without the input."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.utils.validation import explain_details, explain_validation

SECRET = "the purple submarine"


class Part(BaseModel):
    text: str


class Body(BaseModel):
    name: str
    parts: list[Part] = []
    either: int | Part = 0


def explain(body: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate(body)
    return explain_validation(refused.value)


def test_faults_name_their_fields() -> None:
    assert explain({}) == "`name`: field required"
    assert explain({"name": 7, "parts": [{"text": "x"}, {}]}) == (
        "`name`: input should be a valid string; `parts.1.text`: field required"
    )
    assert explain({"name": "x", "parts": [SECRET]}) == "`parts.0`: input should be a JSON object"
    assert explain(SECRET) == "input should be a JSON object"


def test_the_branches_of_a_union_are_one_fault() -> None:
    said = explain({"name": "x", "either": {"text": []}})
    assert said.startswith("`either`: input should be a valid integer, or ")
    assert "Part" not in said


def test_a_few_faults_are_enough_and_none_repeats_the_input() -> None:
    said = explain({"name": [SECRET], "parts": [{"text": [SECRET]}] * 9})
    assert said.count(";") == 2
    assert SECRET not in said


def test_faults_that_a_framework_has_collected() -> None:
    fault: Any = {"type": "missing", "loc": ("body", "name"), "msg": "Field required", "input": SECRET}
    header: Any = {"type": "missing", "loc": ("header", "X-Label"), "msg": "Field required", "input": SECRET}
    broken: Any = {"type": "json_invalid", "loc": ("body", 7), "msg": SECRET, "input": SECRET}
    assert explain_details([fault, header]) == "`name`: field required; `X-Label`: field required"
    assert explain_details([fault, broken]) == "the body is not JSON"
