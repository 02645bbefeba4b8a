"""The fields of a chat completion that are forwarded to an upstream, and those that are refused."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from app.core.errors import BadRequest

_DOCUMENTED = (
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "messages", "metadata", "modalities", "moderation", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort",
    "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "temperature", "tool_choice",
    "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
)  # fmt: skip
"""What OpenAI documents, without `model`, `stream` and `stream_options`, which this server sets."""

_SAMPLING = (
    "top_k", "top_a", "min_p", "typical_p", "tfs_z", "repetition_penalty", "repeat_penalty", "repeat_last_n",
    "mirostat", "mirostat_tau", "mirostat_eta", "dry_multiplier", "dry_base", "dry_allowed_length", "xtc_probability",
    "xtc_threshold", "min_tokens", "stop_token_ids", "ignore_eos", "samplers",
)  # fmt: skip
"""Sampling options of llama.cpp, vLLM, LM Studio and OpenRouter."""

_SHAPING = (
    "grammar", "json_schema", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
    "structured_outputs", "chat_template_kwargs", "add_generation_prompt", "continue_final_message",
)  # fmt: skip
"""The shape of the answer: grammars of llama.cpp and vLLM, arguments of the chat template."""

_THINKING = (
    "reasoning", "include_reasoning", "reasoning_format", "thinking", "thinking_budget", "thinking_budget_tokens",
    "enable_thinking", "think",
)  # fmt: skip
"""How much to reason and whether to show it; each service has its own name for it."""

_RUNNING = ("ttl", "keep_alive", "num_ctx", "cache_prompt", "transforms", "extra_content", "usage")
"""How long a local server keeps the model; OpenRouter's prompt transforms; what Gemini wants back."""

FORWARDED = frozenset({*_DOCUMENTED, *_SAMPLING, *_SHAPING, *_THINKING, *_RUNNING})
"""All fields that reach an upstream; others are dropped. Nothing inside `messages` and `tools` is."""

ROUTING = frozenset({
    "api_base", "base_url", "api_key", "api_version", "api_type", "azure_endpoint", "custom_llm_provider",
    "default_headers", "deployment_id", "extra_body", "extra_headers", "extra_query", "fallbacks", "headers",
    "models", "organization", "project", "provider", "proxies", "proxy", "route",
})  # fmt: skip
"""Fields by which other gateways choose the upstream and its key. Here only the settings do."""


URL_SCHEMES = ("https://", "http://", "data:")
"""How a URL in a message may begin."""


def filter_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body that an upstream gets, without those that are null.

    Raises:
        BadRequest: the body has a field that chooses the upstream.
    """
    refuse_routing(body)
    return {name: value for name, value in body.items() if name in FORWARDED and value is not None}


def refuse_routing(body: Mapping[str, Any], *, known: Collection[str] = ()) -> None:
    """Refuse a field by which other gateways choose the upstream and its key; `known` are the vendor's own fields.

    Raises:
        BadRequest
    """
    for name, value in body.items():
        if name in ROUTING and value is not None and name not in known:
            raise BadRequest(
                f"`{name}` may not be sent: which service is asked is the server's setting; "
                "choose one by `model`, see GET /v1/models",
                param=name,
            )


def check_surrogates(raw: bytes) -> None:
    """Refuse half of a surrogate pair: JSON can carry it, UTF-8 cannot, so no upstream could get it."""
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise BadRequest("a text holds half of a character (a lone surrogate); send whole ones") from None
