"""Bodies of chat completions: known fields are checked, others pass."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.schemas.openai_chat import ChatCompletionIn, ChatCompletionOut, ModelOut

MESSAGES = [{"role": "user", "content": "hi"}]


def test_fields_that_are_not_named_pass() -> None:
    body = {"messages": [{**MESSAGES[0], "name": "me"}], "top_k": 5, "stream_options": {"x": 1}}
    assert ChatCompletionIn.model_validate(body).model_dump(exclude_unset=True) == body


@pytest.mark.parametrize("content", [None, "hi", [{"type": "image_url", "image_url": {"url": "x"}}]])
def test_content_is_text_parts_or_null(content: Any) -> None:
    (message,) = ChatCompletionIn.model_validate(
        {"messages": [{"role": "user", "content": content}]}
    ).messages
    assert message.model_dump(exclude_unset=True)["content"] == content


@pytest.mark.parametrize("content", [7, {"text": "hi"}, True])
def test_content_of_another_type_is_refused_with_one_message(content: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ChatCompletionIn.model_validate({"messages": [{"role": "user", "content": content}]})
    (error,) = caught.value.errors()
    assert "a text, a list of parts, or null" in error["msg"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "hi"}]},
        {"messages": MESSAGES, "temperature": 3},
        {"messages": MESSAGES, "n": 0},
        {"messages": MESSAGES, "max_tokens": 0},
    ],
)
def test_known_fields_are_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatCompletionIn.model_validate(wrong)


def test_an_answer_keeps_fields_of_the_upstream() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "stop", "x": 1}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "details": {}}
    answer: dict[str, Any] = {"id": "a", "object": "chat.completion", "created": 1, "model": "m"}
    answer |= {"choices": [choice], "usage": usage, "timings": {"n": 1}}
    assert ChatCompletionOut.model_validate(answer).model_dump(exclude_unset=True) == answer


def test_a_model_says_that_it_is_one() -> None:
    assert ModelOut(id="a", created=1, owned_by="p", name="A").object == "model"
