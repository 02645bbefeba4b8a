"""The values and protocols of providers: what stays out of a log, and how a provider is told apart."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.core.config import Settings
from app.providers.base import AddressableProvider, ChatProvider, ChatRequest, LlmConfig
from app.providers.llm.echo import EchoProvider
from app.providers.llm.openai_compat import OpenAiCompatProvider

PRIVATE = "the purple submarine"


@pytest.mark.parametrize(
    "value",
    [
        LlmConfig(api_key=PRIVATE, model="m"),
        ChatRequest("m", {"messages": [{"role": "user", "content": PRIVATE}]}),
    ],
)
def test_neither_keys_nor_prompts_are_shown(value: Any) -> None:
    assert "m" in repr(value)
    assert PRIVATE not in repr(value)


@pytest.mark.parametrize(
    ("provider", "protocols"),
    [
        (EchoProvider(Settings(_env_file=None)), ()),
        (OpenAiCompatProvider(Settings(_env_file=None)), (ChatProvider, AddressableProvider)),
    ],
)
def test_a_provider_is_known_by_what_it_has(provider: Any, protocols: Sequence[type[Any]]) -> None:
    found = tuple(each for each in (ChatProvider, AddressableProvider) if isinstance(provider, each))
    assert found == tuple(protocols)
