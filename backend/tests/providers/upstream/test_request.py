"""Bodies of chat requests, and the quirks that refusals reveal."""

from typing import Any

import pytest

from app.providers.upstream.request import (
    Quirk,
    apply_quirk,
    collect_texts,
    is_over_limit,
    prepare_body,
    quirk_from,
)

NEW_NAME = "Use 'max_completion_tokens' instead."


@pytest.mark.parametrize(
    ("body", "refusal", "quirk"),
    [
        ({"stream_options": {}}, "unknown field stream_options", Quirk.NO_STREAM_OPTIONS),
        ({"stream_options": {}}, "include_usage is not allowed", Quirk.NO_STREAM_OPTIONS),
        ({"max_tokens": 7}, NEW_NAME, Quirk.ONLY_MAX_COMPLETION_TOKENS),
        ({"max_completion_tokens": 7}, "max_completion_tokens: extra field", Quirk.ONLY_MAX_TOKENS),
        (
            {"reasoning_effort": "high"},
            "Unrecognized request argument supplied: reasoning_effort",
            Quirk.NO_REASONING_EFFORT,
        ),
        ({"reasoning_effort": "high"}, '"gemma3" does not support thinking', Quirk.NO_REASONING_EFFORT),
        ({}, '"gemma3" does not support thinking', None),
        ({}, "unknown field stream_options", None),
        ({"max_tokens": 7}, "max_tokens is too large", None),
    ],
)
def test_a_refusal_reveals_a_quirk(body: dict[str, Any], refusal: str, quirk: Quirk | None) -> None:
    assert quirk_from(body, refusal) is quirk


@pytest.mark.parametrize(
    ("quirk", "body", "applied"),
    [
        (Quirk.NO_STREAM_OPTIONS, {"stream_options": {}, "a": 1}, {"a": 1}),
        (Quirk.ONLY_MAX_COMPLETION_TOKENS, {"max_tokens": 7}, {"max_completion_tokens": 7}),
        (Quirk.ONLY_MAX_TOKENS, {"max_completion_tokens": 7}, {"max_tokens": 7}),
        (Quirk.ONLY_MAX_TOKENS, {"a": 1}, {"a": 1}),
        (Quirk.NO_REASONING_EFFORT, {"reasoning_effort": "low", "a": 1}, {"a": 1}),
        (Quirk.NO_SUCH_LIMIT, {"max_tokens": 7, "a": 1}, {"a": 1}),
    ],
)
def test_a_quirk_changes_the_body_and_not_the_one_given(
    quirk: Quirk, body: dict[str, Any], applied: dict[str, Any]
) -> None:
    before = dict(body)
    assert apply_quirk(body, quirk) == applied
    assert body == before


@pytest.mark.parametrize(
    "refusal",
    [
        "max_tokens is too large: 32000. This model supports at most 16384 completion tokens",
        "'max_tokens' or 'max_completion_tokens' is too large: 32000. The maximum context length is 8192 tokens",
        "you requested 32500 tokens (500 in the messages, 32000 in the completion). Please reduce the length",
    ],
)
def test_a_limit_over_the_models_own_is_recognized(refusal: str) -> None:
    assert is_over_limit({"max_tokens": 32_000}, refusal)
    assert not is_over_limit({}, refusal)
    assert not is_over_limit({"max_tokens": 32_000}, "max_tokens must be a number")


def test_a_streamed_body_asks_for_usage() -> None:
    body = {"messages": [], "stream_options": {"include_usage": False}}
    assert prepare_body(body, "m", stream=True) == {
        "model": "m",
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert prepare_body(body, "m", stream=False) == {"model": "m", "messages": [], "stream": False}


def test_all_texts_of_a_conversation_are_collected() -> None:
    parts = [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "c", "detail": "low"}}]
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "d"}}]
    messages = [
        {"role": "user", "content": "a"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    assert collect_texts({"messages": messages}) == ["a", "b", "c", "d"]
    assert collect_texts({}) == []
