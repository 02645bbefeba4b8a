"""The normalizers of single fields: finish reason, usage, reasoning, content."""

from typing import Any

import pytest

from app.providers.upstream.field_normalizers import (
    AnswerFailed,
    normalize_content,
    normalize_finish_reason,
    normalize_reasoning,
    normalize_usage,
)


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("stop", "stop"),
        (" Length ", "length"),
        ("MAX_TOKENS", "length"),
        ("max_output_tokens", "length"),
        ("model_length", "length"),
        ("tool_use", "tool_calls"),
        ("tool_call", "tool_calls"),
        ("function_call", "function_call"),
        ("recitation", "content_filter"),
        ("sensitive", "content_filter"),
        ("refusal", "content_filter"),
        ("SAFETY", "content_filter"),
        ("eos", "stop"),
        ("null", None),
        ("", None),
        (7, None),
    ],
)
def test_a_finish_reason_takes_openais_word(native: Any, reason: str | None) -> None:
    choice = {"finish_reason": native}
    assert normalize_finish_reason(choice) == reason
    is_foreign = reason is not None and reason != native
    assert choice.get("native_finish_reason") == (native if is_foreign else None)


@pytest.mark.parametrize("error", [{"message": "GPU on fire"}, "GPU on fire"])
def test_a_reason_that_means_failure_raises_with_the_upstreams_words(error: object) -> None:
    with pytest.raises(AnswerFailed, match="GPU on fire"):
        normalize_finish_reason({"finish_reason": "error", "error": error})
    with pytest.raises(AnswerFailed, match="abort"):
        normalize_finish_reason({"finish_reason": "abort"})


def test_usage_keeps_its_details() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 1}}
    assert normalize_usage({"prompt_tokens": 1, "completion_tokens": 2, **details}) == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        **details,
    }


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ({"input_tokens": 1, "output_tokens": 2}, (1, 2, 3)),
        ({"prompt_tokens": 1.0, "completion_tokens": 2, "total_tokens": 4}, (1, 2, 4)),
        ({"completion_tokens": 2, "total_tokens": 5}, (3, 2, 5)),
        ({"prompt_tokens": 4, "total_tokens": 3}, (4, 0, 3)),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"total_tokens": 3}, None),
        ([], None),
    ],
)
def test_usage_has_three_counts_or_is_none(value: Any, counts: tuple[int, int, int] | None) -> None:
    usage = normalize_usage(value)
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert (tuple(usage[name] for name in names) if usage else None) == counts


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_has_both_names(name: str) -> None:
    delta = {name: "hmm", "content": ""}
    normalize_reasoning(delta)
    assert delta == {"reasoning": "hmm", "reasoning_content": "hmm", "content": ""}


def test_reasoning_that_is_no_text_is_dropped() -> None:
    delta: dict[str, Any] = {"reasoning": {"text": "hmm"}, "reasoning_content": ""}
    normalize_reasoning(delta)
    assert delta == {}


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        (None, None, None),
        ({"a": 1}, "", None),
        (["a", {"type": "text", "text": "b"}, 7], "ab", None),
        ([{"type": "thinking", "thinking": [{"text": "hm"}]}, {"text": "a"}], "a", "hm"),
    ],
)
def test_content_is_text_or_none(content: Any, text: str | None, reasoning: str | None) -> None:
    delta = {"content": content}
    normalize_content(delta)
    assert (delta["content"], delta.get("reasoning_content")) == (text, reasoning)
