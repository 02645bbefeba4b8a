"""The services whose habits are known: where they usually are, and what their chat requests may hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.core.config import LlmKind

MaxTokens = Literal["new", "old", "by model"]
"""`max_completion_tokens`, `max_tokens`, or the one that models of this name take."""
ToolChoice = Literal["any", "words", "none"]
"""Takes every form; only `auto`, `none`, `required`; or does not know the field."""

_REASONING = re.compile(r"(o\d|gpt-5(?!-chat))")
_REASONS_WHEN_ASKED = re.compile(r"gpt-5\.\d")
# What OpenAI's reasoning models refuse while they reason: SAMPLING_PARAMS in pydantic-ai's profiles/openai.py.
_SAMPLING = frozenset(
    {
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
    }
)
# What other servers know and OpenAI refuses with 400 "Unrecognized request argument supplied".
_FOREIGN = frozenset(
    {
        "top_k",
        "min_p",
        "typical_p",
        "repeat_penalty",
        "repetition_penalty",
        "chat_template_kwargs",
        "cache_prompt",
        "keep_alive",
        "ttl",
    }
)
_THOUGHT = frozenset({"reasoning_content", "reasoning"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What a service takes of OpenAI's request; the defaults are those of an unknown one."""

    max_tokens: MaxTokens = "by model"
    developer: bool = False
    """Knows the role `developer`; else it becomes `system`."""
    tool_choice: ToolChoice = "any"
    strict: bool = True
    """Takes `strict` on a tool; local servers differ in what they make of it."""
    drops: frozenset[str] = frozenset()
    """Fields that it does not know."""
    refuses_sampling: bool = False
    """Reasoning models refuse temperature and its like."""
    reads_thought: bool = True
    """Takes a message's `reasoning_content`, which some models want back."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A service whose habits are known."""

    name: LlmKind
    title: str
    base_urls: tuple[str, ...]
    """Where it usually is, the first by default; none where that cannot be known."""
    local: bool
    """Runs on the operator's own machine: needs no key, and may load a model before it answers."""
    hint: str
    """How to make it ready, in one line."""
    policy: Policy = field(default_factory=Policy)
    own_paths: tuple[str, ...] = ()
    """Where its own interface stands, which is pasted for `/v1`."""
    keeps_connections: bool = True
    """A connection serves one request after the other, as its headers say."""

    @property
    def base_url(self) -> str:
        """Where it usually is, empty where that cannot be known."""
        return self.base_urls[0] if self.base_urls else ""

    def adapt(self, body: Mapping[str, Any], model: str) -> dict[str, Any]:
        """The body as this service takes it; the given one is not changed."""
        policy = self.policy
        adapted = _max_tokens(body, policy.max_tokens, model)
        if policy.refuses_sampling and _reasons(model, body.get("reasoning_effort")):
            adapted = _without(adapted, _SAMPLING)
        adapted = _tools(_without(adapted, policy.drops), policy)
        if isinstance(messages := body.get("messages"), list):
            adapted["messages"] = [_message(message, policy) for message in messages]
        return adapted


# Sources: llm_gateways G9, that is each service's own documents. OpenAI: reference of chat completions. LM Studio: docs
# "OpenAI compatibility" and "Tool use". Ollama: struct ChatCompletionRequest in openai/openai.go. llama.cpp:
# tools/server/README.md. vLLM: "OpenAI-compatible server". OpenRouter: API reference, "Parameters".
KINDS: dict[LlmKind, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "openai",
            "OpenAI",
            ("https://api.openai.com/v1",),
            local=False,
            hint="make a key at platform.openai.com",
            policy=Policy(
                max_tokens="new", developer=True, drops=_FOREIGN, refuses_sampling=True, reads_thought=False
            ),
        ),
        Kind(
            "lm_studio",
            "LM Studio",
            ("http://127.0.0.1:1234/v1",),
            local=True,
            hint="start LM Studio's server: Developer > Start server, or `lms server start`",
            policy=Policy(
                max_tokens="old",
                tool_choice="words",
                strict=False,
                drops=frozenset({"n", "parallel_tool_calls"}),
            ),
            own_paths=("/api", "/api/v0", "/api/v1"),
        ),
        Kind(
            "ollama",
            "Ollama",
            ("http://127.0.0.1:11434/v1",),
            local=True,
            hint="start Ollama: `ollama serve`, then `ollama pull` a model",
            policy=Policy(
                max_tokens="old",
                tool_choice="none",
                strict=False,
                drops=frozenset({"n", "logit_bias", "parallel_tool_calls"}),
            ),
            own_paths=("/api",),
        ),
        Kind(
            "llama_cpp",
            "llama.cpp server",
            ("http://127.0.0.1:8080/v1", "http://127.0.0.1:9931/v1"),
            local=True,
            hint="start it: `llama-server -m model.gguf --jinja --port 8080`",
            # It promises to keep a connection, and closes it after a streamed answer: the next request is lost.
            keeps_connections=False,
            policy=Policy(max_tokens="old", tool_choice="words", strict=False),
        ),
        Kind(
            "vllm",
            "vLLM",
            ("http://127.0.0.1:8000/v1",),
            local=True,
            hint="start it beside PROMPTer, `vllm serve MODEL --port 8001`, and name that port in a profile `vllm`",
            policy=Policy(max_tokens="old", strict=False),
        ),
        Kind(
            "openrouter",
            "OpenRouter",
            ("https://openrouter.ai/api/v1",),
            local=False,
            hint="make a key at openrouter.ai/keys",
            policy=Policy(max_tokens="old"),
        ),
        Kind(
            "other",
            "Another service",
            (),
            local=False,
            hint="any server with OpenAI's `/v1/chat/completions`",
        ),
    )
}


def is_reasoning(model: str) -> bool:
    """Whether a model of OpenAI's reasons, told by its id: the o-series and gpt-5, with or without a maker's prefix."""
    return _REASONING.match(model.rpartition("/")[2]) is not None


def _reasons(model: str, effort: object) -> bool:
    """From gpt-5.1 on they reason only when asked to."""
    if not is_reasoning(model):
        return False
    asked = effort if isinstance(effort, str) else None
    return asked != "none" if asked or not _REASONS_WHEN_ASKED.match(model) else False


def _max_tokens(body: Mapping[str, Any], known: MaxTokens, model: str) -> dict[str, Any]:
    """The limit under the one name that is known there; where both are given, the newer one is meant."""
    limits = [body.get(name) for name in ("max_completion_tokens", "max_tokens")]
    rest = _without(body, frozenset({"max_completion_tokens", "max_tokens"}))
    limit = next((value for value in limits if value is not None), None)
    if limit is None:
        return rest
    new = known == "new" or (known == "by model" and is_reasoning(model))
    return rest | {"max_completion_tokens" if new else "max_tokens": limit}


def _tools(body: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """Tools, and which of them may be used, in words that the service knows."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not isinstance(tools, list):
        return body
    if policy.tool_choice != "any" and isinstance(choice, dict):
        # One named function: offer that one alone, and ask for a call.
        named = _function(choice).get("name")
        tools = [tool for tool in tools if _function(tool).get("name") == named] or tools
        body = body | {"tool_choice": "required"}
    if policy.tool_choice == "none":
        body = _without(body, frozenset({"tool_choice"}))
        if choice == "none":
            return _without(body, frozenset({"tools"}))
    return body | {"tools": tools if policy.strict else [_lenient(tool) for tool in tools]}


def _lenient(tool: Any) -> Any:
    function = _function(tool)
    return tool | {"function": _without(function, frozenset({"strict"}))} if "strict" in function else tool


def _function(value: Any) -> dict[str, Any]:
    found = value.get("function") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _message(message: Any, policy: Policy) -> Any:
    if not isinstance(message, dict):
        return message
    if message.get("role") == "developer" and not policy.developer:
        return message | {"role": "system"}
    return message if policy.reads_thought else _without(message, _THOUGHT)


def _without(body: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}
