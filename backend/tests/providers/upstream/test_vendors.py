"""Kinds: what each service is sent of one and the same request."""

import copy
from typing import Any, get_args

import pytest

from app.core.config import VendorName
from app.core.errors import BadRequest
from app.providers.upstream.addresses import parse_base_url
from app.providers.upstream.vendors import VENDORS, is_reasoning_model

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
LENIENT = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
NAMED = {"type": "function", "function": {"name": "weather"}}
LOCAL: tuple[VendorName, ...] = ("lm_studio", "ollama", "llama_cpp", "vllm")
NOT_OPENAI: tuple[VendorName, ...] = (*LOCAL, "openrouter", "other")


def adapted(kind: VendorName, model: str = "some-model", **body: Any) -> dict[str, Any]:
    """What is sent, after a look that nothing was changed in what was given."""
    before = copy.deepcopy(body)
    sent = VENDORS[kind].adapt_body(body, model)
    assert body == before
    return sent


def test_every_kind_is_there() -> None:
    assert set(VENDORS) == set(get_args(VendorName))
    assert all(kind.name == name and kind.title and kind.hint for name, kind in VENDORS.items())


@pytest.mark.parametrize("kind", [kind for kind in VENDORS if kind != "other"])
def test_the_usual_addresses_are_addresses(kind: VendorName) -> None:
    for url in VENDORS[kind].base_urls:
        base = parse_base_url(url)
        assert base.url == url
        assert (base.host == "127.0.0.1") is VENDORS[kind].is_local
    assert VENDORS[kind].base_url == VENDORS[kind].base_urls[0]


@pytest.mark.parametrize("kind", VENDORS)
def test_fields_that_nobody_knows_pass(kind: VendorName) -> None:
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": "hi", "name": "me"}],
        "seed": 7,
        "x_mine": {"a": [1]},
    }
    assert adapted(kind, **body) == body


# -- limits of length


@pytest.mark.parametrize(
    ("kind", "model", "name"),
    [
        ("openai", "gpt-4o-mini", "max_completion_tokens"),
        ("openai", "gpt-5-mini", "max_completion_tokens"),
        ("lm_studio", "qwen3-8b", "max_tokens"),
        ("lm_studio", "openai/gpt-oss-20b", "max_tokens"),
        ("ollama", "qwen3:8b", "max_tokens"),
        ("llama_cpp", "model.gguf", "max_tokens"),
        ("vllm", "Qwen/Qwen3-8B", "max_tokens"),
        ("openrouter", "openai/gpt-5", "max_tokens"),
        ("other", "claude-sonnet-4", "max_tokens"),
        ("other", "o3-mini", "max_completion_tokens"),
        ("other", "azure/gpt-5.1", "max_completion_tokens"),
        ("other", "gpt-5-chat-latest", "max_tokens"),
    ],
)
@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
def test_the_limit_has_the_name_that_is_known(kind: VendorName, model: str, name: str, given: str) -> None:
    assert adapted(kind, model, **{given: 100}) == {name: 100}


def test_of_two_limits_the_newer_counts() -> None:
    assert adapted("ollama", max_tokens=5, max_completion_tokens=9) == {"max_tokens": 9}
    assert adapted("openai", max_tokens=5, max_completion_tokens=None) == {"max_completion_tokens": 5}
    assert adapted("other", max_tokens=None) == {}


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        *((name, True) for name in ("o1", "o4-mini-2025", "openai/o3", "gpt-5", "gpt-5.2-pro")),
        *((name, False) for name in ("gpt-5-chat", "gpt-4o", "gpt-oss-20b", "olmo-2", "openhermes")),
    ],
)
def test_models_that_reason_are_told_by_name(model: str, reasons: bool) -> None:
    assert is_reasoning_model(model) is reasons


# -- roles


@pytest.mark.parametrize("kind", NOT_OPENAI)
def test_developer_is_system_but_at_openai(kind: VendorName) -> None:
    messages = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert adapted(kind, messages=messages)["messages"] == [
        {"role": "system", "content": "be brief"},
        messages[1],
    ]
    assert adapted("openai", messages=messages)["messages"] == messages


def test_thoughts_go_back_to_all_but_openai() -> None:
    messages = [{"role": "assistant", "content": "4", "reasoning_content": "2+2", "reasoning": "2+2"}]
    assert adapted("openai", messages=messages)["messages"] == [{"role": "assistant", "content": "4"}]
    for kind in NOT_OPENAI:
        assert adapted(kind, messages=messages)["messages"] == messages


def test_what_is_no_message_is_left_to_the_upstream() -> None:
    for kind in VENDORS:
        assert adapted(kind, messages=["hi", None])["messages"] == ["hi", None]
        assert adapted(kind, messages="hi", tools="none") == {"messages": "hi", "tools": "none"}


# -- fields that are not known there


@pytest.mark.parametrize(
    ("kind", "dropped"),
    [
        ("openai", {"top_k", "ttl", "chat_template_kwargs"}),
        ("lm_studio", {"n", "parallel_tool_calls"}),
        ("ollama", {"n", "logit_bias", "parallel_tool_calls"}),
        ("llama_cpp", set()),
        ("vllm", set()),
        ("openrouter", set()),
        ("other", set()),
    ],
)
def test_what_is_not_known_is_left_out(kind: VendorName, dropped: set[str]) -> None:
    body: dict[str, Any] = {
        "n": 2,
        "logit_bias": {"1": 1},
        "parallel_tool_calls": False,
        "top_k": 40,
        "ttl": 60,
        "chat_template_kwargs": {},
        "temperature": 0.5,
    }
    assert set(body) - set(adapted(kind, **body)) == dropped


@pytest.mark.parametrize(
    ("model", "effort", "kept"),
    [
        ("gpt-4o", None, True),
        ("gpt-5", None, False),
        ("gpt-5-mini", "low", False),
        ("gpt-5", "none", True),
        ("gpt-5-chat-latest", None, True),
        ("gpt-5.1", None, True),
        ("gpt-5.1", "high", False),
        ("o3", None, False),
    ],
)
def test_openai_gets_no_temperature_for_a_model_that_reasons(
    model: str, effort: str | None, kept: bool
) -> None:
    sampling = {"temperature": 0.2, "top_p": 0.9, "presence_penalty": 1}
    body = sampling | ({"reasoning_effort": effort} if effort else {})
    sent = adapted("openai", model, **body)
    assert {name for name in sampling if name in sent} == (set(sampling) if kept else set())
    assert sent.get("reasoning_effort") == effort


# -- tools


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("choice", ["auto", "required", "none"])
def test_choices_in_words(kind: VendorName, choice: str) -> None:
    sent = adapted(kind, tools=[CLOCK], tool_choice=choice)
    if kind != "ollama":
        assert sent == {"tools": [CLOCK], "tool_choice": choice}
    else:
        assert sent == ({} if choice == "none" else {"tools": [CLOCK]})


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("openai", {"tools": [CLOCK, WEATHER], "tool_choice": NAMED}),
        ("openrouter", {"tools": [CLOCK, WEATHER], "tool_choice": NAMED}),
        ("other", {"tools": [CLOCK, WEATHER], "tool_choice": NAMED}),
        ("vllm", {"tools": [CLOCK, LENIENT], "tool_choice": NAMED}),
        ("lm_studio", {"tools": [LENIENT], "tool_choice": "required"}),
        ("llama_cpp", {"tools": [LENIENT], "tool_choice": "required"}),
        ("ollama", {"tools": [LENIENT]}),
    ],
)
def test_one_function_that_must_be_called(kind: VendorName, sent: dict[str, Any]) -> None:
    """Where no function can be named, it is the only one that is offered; `strict` is for the clouds."""
    assert adapted(kind, tools=[CLOCK, WEATHER], tool_choice=NAMED) == sent


def test_a_choice_without_tools_is_left_alone() -> None:
    assert adapted("llama_cpp", tool_choice="auto") == {"tool_choice": "auto"}


@pytest.mark.parametrize("kind", VENDORS)
def test_audio_is_asked_only_of_who_may_speak(kind: VendorName) -> None:
    """Local servers ignore `modalities` and answer as if nothing had been asked."""
    if kind in ("lm_studio", "ollama", "llama_cpp"):
        with pytest.raises(BadRequest, match="answers in text alone") as refused:
            adapted(kind, modalities=["text", "audio"])
        assert refused.value.param == "modalities"
    else:
        assert adapted(kind, modalities=["text", "audio"])["modalities"] == ["text", "audio"]
    assert adapted(kind, modalities=["text"])["modalities"] == ["text"]


def test_a_model_to_begin_with_is_suggested_among_many() -> None:
    listed = ["gpt-4-0613", "gpt-5-nano", "gpt-5-mini-2026-08-07", "gpt-5"]
    assert VENDORS["openai"].suggest_model(listed) == "gpt-5-mini-2026-08-07"
    assert VENDORS["openai"].suggest_model(["gpt-3"]) == "gpt-3"
    assert VENDORS["other"].suggest_model(["b", "a"]) == "b"
    assert VENDORS["other"].suggest_model([]) == ""
