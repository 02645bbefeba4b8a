"""The vendors whose habits are known: their usual addresses, and the fields that their chat requests may have.

A rule for the requests of one vendor is an entry of `VENDORS`. Repairs of answers are in `chunk_normalizer`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.core.config import VendorName
from app.providers.base import refuse_spoken_answer

LimitField = Literal["max_completion_tokens", "max_tokens", "by_model"]
"""The field for the token limit; `by_model` is the newer one for models that reason, the older one for others."""
ToolChoiceForms = Literal["all", "words", "none"]
"""The forms of `tool_choice` that are accepted: all, only `auto`, `none` and `required`, or no form at all."""

_REASONING_MODEL = re.compile(r"(o\d|gpt-5(?!-chat))")
_REASONS_ON_REQUEST = re.compile(r"gpt-5\.\d")
# Refused by OpenAI's models while they reason. Source: SAMPLING_PARAMS in pydantic-ai's profiles/openai.py.
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
# Fields of other servers, which OpenAI refuses with 400 "Unrecognized request argument supplied".
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
    """The parts of OpenAI's chat request that a vendor accepts; the defaults are those of an unknown vendor."""

    limit_field: LimitField = "by_model"
    knows_developer_role: bool = False
    """Whether the role `developer` is known; else it is sent as `system`."""
    tool_choice: ToolChoiceForms = "all"
    takes_strict_tools: bool = True
    """Whether a tool may have `strict`; local servers differ in what they make of it."""
    unknown_fields: frozenset[str] = frozenset()
    """Fields that are left out because the vendor does not know them."""
    refuses_sampling_while_reasoning: bool = False
    """Whether models refuse temperature and other sampling fields while they reason."""
    reads_reasoning: bool = True
    """Whether a message may have `reasoning_content`, which some models want back."""
    answers_in_text_alone: bool = False
    """Whether no model of it speaks; such servers ignore `modalities`, and the client would wait for its audio."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A service with OpenAI's chat API, and its habits."""

    name: VendorName
    title: str
    """Its name for people."""
    base_urls: tuple[str, ...]
    """Its usual addresses, the default first; empty where there is no usual one."""
    is_local: bool
    """Whether it runs on the operator's machine: it needs no key, and may load a model before it answers."""
    hint: str
    """One line that says how to make it ready."""
    rules: RequestRules = field(default_factory=RequestRules)
    suggested: tuple[str, ...] = ()
    """How the models begin that suit most people, the best first; for a choice among many."""
    native_paths: tuple[str, ...] = ()
    """Paths of its own API, which people paste in place of `/v1`."""
    keeps_connections: bool = True
    """Whether a connection can serve several requests."""
    lists_for_api_key: bool = False
    """Whether its list of models wants `x-api-key` and refuses a bearer token, unlike its chat: Anthropic's."""

    @property
    def base_url(self) -> str:
        """Its default address, empty where there is none."""
        return self.base_urls[0] if self.base_urls else ""

    def suggest_model(self, listed: Sequence[str]) -> str:
        """Return the model to begin with among those that are listed, else the first; empty where there is none."""
        suited = (model for start in self.suggested for model in listed if model.startswith(start))
        return next(suited, next(iter(listed), ""))

    def adapt_body(self, body: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return the body as this vendor accepts it; `body` itself is not changed.

        Raises:
            BadRequest: the request wants what no model of this vendor can do.
        """
        rules = self.rules
        if rules.answers_in_text_alone:
            refuse_spoken_answer(self.title, body)
        adapted = _rename_token_limit(body, rules.limit_field, model)
        if rules.refuses_sampling_while_reasoning and _is_reasoning(model, body.get("reasoning_effort")):
            adapted = _without(adapted, _SAMPLING_FIELDS)
        adapted = _adapt_tools(_without(adapted, rules.unknown_fields), rules)
        if isinstance(messages := body.get("messages"), list):
            adapted["messages"] = [_adapt_message(message, rules) for message in messages]
        return adapted


# Sources are each vendor's own documents. OpenAI: reference of chat completions. LM Studio: docs
# "OpenAI compatibility" and "Tool use". Ollama: struct ChatCompletionRequest in openai/openai.go. llama.cpp:
# tools/server/README.md. vLLM: "OpenAI-compatible server". OpenRouter: API reference, "Parameters". Anthropic: "OpenAI
# SDK compatibility"; its list of models: API reference, "List models".
VENDORS: dict[VendorName, Vendor] = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            name="openai",
            title="OpenAI",
            base_urls=("https://api.openai.com/v1",),
            is_local=False,
            hint="make a key at platform.openai.com",
            suggested=("gpt-5-mini", "gpt-5", "gpt-4.1-mini", "gpt-4o-mini"),
            rules=RequestRules(
                limit_field="max_completion_tokens",
                knows_developer_role=True,
                unknown_fields=_FIELDS_UNKNOWN_TO_OPENAI,
                refuses_sampling_while_reasoning=True,
                reads_reasoning=False,
            ),
        ),
        Vendor(
            name="anthropic",
            title="Anthropic",
            base_urls=("https://api.anthropic.com/v1",),
            is_local=False,
            hint="make a key at console.anthropic.com",
            suggested=("claude-sonnet", "claude-haiku"),
            rules=RequestRules(limit_field="max_tokens", reads_reasoning=False),
            lists_for_api_key=True,
        ),
        Vendor(
            name="lm_studio",
            title="LM Studio",
            base_urls=("http://127.0.0.1:1234/v1",),
            is_local=True,
            hint="start LM Studio's server: Developer > Start server, or `lms server start`",
            rules=RequestRules(
                limit_field="max_tokens",
                tool_choice="words",
                takes_strict_tools=False,
                unknown_fields=frozenset({"n", "parallel_tool_calls"}),
                answers_in_text_alone=True,
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
                limit_field="max_tokens",
                tool_choice="none",
                takes_strict_tools=False,
                unknown_fields=frozenset({"n", "logit_bias", "parallel_tool_calls"}),
                answers_in_text_alone=True,
            ),
            native_paths=("/api",),
        ),
        Vendor(
            name="llama_cpp",
            title="llama.cpp server",
            base_urls=("http://127.0.0.1:8080/v1", "http://127.0.0.1:9931/v1"),
            is_local=True,
            hint="start it: `llama-server -m model.gguf --jinja --port 8080`",
            # It closes a connection after a streamed answer against its own headers: the next request would be lost.
            keeps_connections=False,
            rules=RequestRules(
                limit_field="max_tokens",
                tool_choice="words",
                takes_strict_tools=False,
                answers_in_text_alone=True,
            ),
        ),
        Vendor(
            name="vllm",
            title="vLLM",
            base_urls=("http://127.0.0.1:8000/v1",),
            is_local=True,
            hint="start it beside PROMPTer, `vllm serve MODEL --port 8001`, and name that port in a profile `vllm`",
            rules=RequestRules(limit_field="max_tokens", takes_strict_tools=False),
        ),
        Vendor(
            name="openrouter",
            title="OpenRouter",
            base_urls=("https://openrouter.ai/api/v1",),
            is_local=False,
            hint="make a key at openrouter.ai/keys",
            suggested=("openrouter/auto",),
            rules=RequestRules(limit_field="max_tokens"),
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
    """Whether an id is that of an OpenAI model that can reason: the o-series and gpt-5, with or without a prefix."""
    return _REASONING_MODEL.match(model.rpartition("/")[2]) is not None


def _is_reasoning(model: str, effort: object) -> bool:
    """Whether an OpenAI model reasons at this effort; from gpt-5.1 on, models reason only on request."""
    if not is_reasoning_model(model):
        return False
    if isinstance(effort, str) and effort:
        return effort != "none"
    return not _REASONS_ON_REQUEST.match(model)


def _rename_token_limit(body: Mapping[str, Any], field_name: LimitField, model: str) -> dict[str, Any]:
    """Put the token limit under the one name that is accepted; where both are given, the newer one counts."""
    limits = [body.get(name) for name in ("max_completion_tokens", "max_tokens")]
    rest = _without(body, frozenset({"max_completion_tokens", "max_tokens"}))
    limit = next((value for value in limits if value is not None), None)
    if limit is None:
        return rest
    if field_name == "by_model":
        field_name = "max_completion_tokens" if is_reasoning_model(model) else "max_tokens"
    return rest | {field_name: limit}


def _adapt_tools(body: dict[str, Any], rules: RequestRules) -> dict[str, Any]:
    """Put `tools` and `tool_choice` into a form that the vendor accepts."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not isinstance(tools, list):
        return body
    if rules.tool_choice != "all" and isinstance(choice, dict):
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
