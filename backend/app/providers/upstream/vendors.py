"""The services whose habits are known: where they usually are, and what their chat requests may hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.core.config import VendorName

TokenLimitField = Literal["new", "old", "by model"]
"""`max_completion_tokens`, `max_tokens`, or the one that models of this name take."""
ToolChoice = Literal["any", "words", "none"]
"""Takes every form; only `auto`, `none`, `required`; or does not know the field."""

_REASONING_MODEL = re.compile(r"(o\d|gpt-5(?!-chat))")
_REASONS_ON_REQUEST = re.compile(r"gpt-5\.\d")
# What OpenAI's reasoning models refuse while they reason: SAMPLING_PARAMS in pydantic-ai's profiles/openai.py.
_SAMPLING_FIELDS = frozenset(
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
_FIELDS_UNKNOWN_TO_OPENAI = frozenset(
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
_REASONING_FIELDS = frozenset({"reasoning_content", "reasoning"})


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What a service takes of OpenAI's request; the defaults are those of an unknown one."""

    max_tokens: TokenLimitField = "by model"
    knows_developer_role: bool = False
    """Knows the role `developer`; else it becomes `system`."""
    tool_choice: ToolChoice = "any"
    takes_strict_tools: bool = True
    """Takes `strict` on a tool; local servers differ in what they make of it."""
    unknown_fields: frozenset[str] = frozenset()
    """Fields that it does not know."""
    refuses_sampling_while_reasoning: bool = False
    """Reasoning models refuse temperature and its like."""
    reads_reasoning: bool = True
    """Takes a message's `reasoning_content`, which some models want back."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A service whose habits are known."""

    name: VendorName
    title: str
    base_urls: tuple[str, ...]
    """Where it usually is, the first by default; none where that cannot be known."""
    is_local: bool
    """Runs on the operator's own machine: needs no key, and may load a model before it answers."""
    hint: str
    """How to make it ready, in one line."""
    rules: RequestRules = field(default_factory=RequestRules)
    native_paths: tuple[str, ...] = ()
    """Where its own interface stands, which is pasted for `/v1`."""
    keeps_connections: bool = True
    """A connection serves one request after the other, as its headers say."""

    @property
    def base_url(self) -> str:
        """Where it usually is, empty where that cannot be known."""
        return self.base_urls[0] if self.base_urls else ""

    def adapt(self, body: Mapping[str, Any], model: str) -> dict[str, Any]:
        """The body as this service takes it; the given one is not changed."""
        rules = self.rules
        adapted = _rename_token_limit(body, rules.max_tokens, model)
        if rules.refuses_sampling_while_reasoning and _will_reason(model, body.get("reasoning_effort")):
            adapted = _without(adapted, _SAMPLING_FIELDS)
        adapted = _adapt_tools(_without(adapted, rules.unknown_fields), rules)
        if isinstance(messages := body.get("messages"), list):
            adapted["messages"] = [_adapt_message(message, rules) for message in messages]
        return adapted


# Sources: llm_gateways G9, that is each service's own documents. OpenAI: reference of chat completions. LM Studio: docs
# "OpenAI compatibility" and "Tool use". Ollama: struct ChatCompletionRequest in openai/openai.go. llama.cpp:
# tools/server/README.md. vLLM: "OpenAI-compatible server". OpenRouter: API reference, "Parameters".
VENDORS: dict[VendorName, Vendor] = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            name="openai",
            title="OpenAI",
            base_urls=("https://api.openai.com/v1",),
            is_local=False,
            hint="make a key at platform.openai.com",
            rules=RequestRules(
                max_tokens="new",
                knows_developer_role=True,
                unknown_fields=_FIELDS_UNKNOWN_TO_OPENAI,
                refuses_sampling_while_reasoning=True,
                reads_reasoning=False,
            ),
        ),
        Vendor(
            name="lm_studio",
            title="LM Studio",
            base_urls=("http://127.0.0.1:1234/v1",),
            is_local=True,
            hint="start LM Studio's server: Developer > Start server, or `lms server start`",
            rules=RequestRules(
                max_tokens="old",
                tool_choice="words",
                takes_strict_tools=False,
                unknown_fields=frozenset({"n", "parallel_tool_calls"}),
            ),
            native_paths=("/api", "/api/v0", "/api/v1"),
        ),
        Vendor(
            name="ollama",
            title="Ollama",
            base_urls=("http://127.0.0.1:11434/v1",),
            is_local=True,
            hint="start Ollama: `ollama serve`, then `ollama pull` a model",
            rules=RequestRules(
                max_tokens="old",
                tool_choice="none",
                takes_strict_tools=False,
                unknown_fields=frozenset({"n", "logit_bias", "parallel_tool_calls"}),
            ),
            native_paths=("/api",),
        ),
        Vendor(
            name="llama_cpp",
            title="llama.cpp server",
            base_urls=("http://127.0.0.1:8080/v1", "http://127.0.0.1:9931/v1"),
            is_local=True,
            hint="start it: `llama-server -m model.gguf --jinja --port 8080`",
            # It promises to keep a connection, and closes it after a streamed answer: the next request is lost.
            keeps_connections=False,
            rules=RequestRules(max_tokens="old", tool_choice="words", takes_strict_tools=False),
        ),
        Vendor(
            name="vllm",
            title="vLLM",
            base_urls=("http://127.0.0.1:8000/v1",),
            is_local=True,
            hint="start it beside PROMPTer, `vllm serve MODEL --port 8001`, and name that port in a profile `vllm`",
            rules=RequestRules(max_tokens="old", takes_strict_tools=False),
        ),
        Vendor(
            name="openrouter",
            title="OpenRouter",
            base_urls=("https://openrouter.ai/api/v1",),
            is_local=False,
            hint="make a key at openrouter.ai/keys",
            rules=RequestRules(max_tokens="old"),
        ),
        Vendor(
            name="other",
            title="Another service",
            base_urls=(),
            is_local=False,
            hint="any server with OpenAI's `/v1/chat/completions`",
        ),
    )
}


def is_reasoning_model(model: str) -> bool:
    """Whether a model of OpenAI's reasons, told by its id: the o-series and gpt-5, with or without a maker's prefix."""
    return _REASONING_MODEL.match(model.rpartition("/")[2]) is not None


def _will_reason(model: str, effort: object) -> bool:
    """From gpt-5.1 on they reason only when asked to."""
    if not is_reasoning_model(model):
        return False
    asked = effort if isinstance(effort, str) else None
    return asked != "none" if asked or not _REASONS_ON_REQUEST.match(model) else False


def _rename_token_limit(body: Mapping[str, Any], known: TokenLimitField, model: str) -> dict[str, Any]:
    """The limit under the one name that is known there; where both are given, the newer one is meant."""
    limits = [body.get(name) for name in ("max_completion_tokens", "max_tokens")]
    rest = _without(body, frozenset({"max_completion_tokens", "max_tokens"}))
    limit = next((value for value in limits if value is not None), None)
    if limit is None:
        return rest
    new = known == "new" or (known == "by model" and is_reasoning_model(model))
    return rest | {"max_completion_tokens" if new else "max_tokens": limit}


def _adapt_tools(body: dict[str, Any], rules: RequestRules) -> dict[str, Any]:
    """Tools, and which of them may be used, in words that the service knows."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not isinstance(tools, list):
        return body
    if rules.tool_choice != "any" and isinstance(choice, dict):
        # One named function: offer that one alone, and ask for a call.
        named = _function_of(choice).get("name")
        tools = [tool for tool in tools if _function_of(tool).get("name") == named] or tools
        body = body | {"tool_choice": "required"}
    if rules.tool_choice == "none":
        body = _without(body, frozenset({"tool_choice"}))
        if choice == "none":
            return _without(body, frozenset({"tools"}))
    return body | {"tools": tools if rules.takes_strict_tools else [_drop_strict(tool) for tool in tools]}


def _drop_strict(tool: Any) -> Any:
    function = _function_of(tool)
    return tool | {"function": _without(function, frozenset({"strict"}))} if "strict" in function else tool


def _function_of(value: Any) -> dict[str, Any]:
    found = value.get("function") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _adapt_message(message: Any, rules: RequestRules) -> Any:
    if not isinstance(message, dict):
        return message
    if message.get("role") == "developer" and not rules.knows_developer_role:
        return message | {"role": "system"}
    return message if rules.reads_reasoning else _without(message, _REASONING_FIELDS)


def _without(body: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}
