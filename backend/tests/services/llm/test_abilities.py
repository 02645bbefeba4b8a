"""Whether models see pictures, as far as their names tell."""

from dataclasses import dataclass

import pytest

from app.services.llm.abilities import find_sight, guess_sight
from app.services.llm.context import ResolvedModel
from app.services.llm.text_only import TextOnlyChat
from tests.fakes.llm_providers import FakeChat, FakeText


@pytest.mark.parametrize(
    "name",
    ["gpt-4o-mini", "gpt-5.2", "gpt-4.1", "o3", "o4-mini", "claude-sonnet-4-5", "gemini-3-pro", "llava:13b",
     "qwen2.5-vl-7b-instruct", "qwen2.5vl:7b", "pixtral-12b", "gemma3:4b", "meta-llama/llama-4-scout",
     "llama3.2-vision:11b", "HuggingFaceTB/SmolVLM-Instruct"],
)  # fmt: skip
def test_models_that_see(name: str) -> None:
    assert guess_sight(name) is True


@pytest.mark.parametrize(
    "name",
    ["gpt-3.5-turbo", "gpt-4", "gpt-oss-20b", "o3-mini", "deepseek-chat", "deepseek-r1:8b", "SmolLM2-135M-Instruct",
     "mixtral-8x7b", "llama3.1:8b", "llama3.2:3b", "llama-3.3-70b-versatile", "codestral"],
)  # fmt: skip
def test_models_that_see_nothing(name: str) -> None:
    assert guess_sight(name) is False


@pytest.mark.parametrize("name", ["", "tiny", "my-own-model", "llama", "gemma3:1b", "local"])
def test_other_names_tell_nothing(name: str) -> None:
    assert guess_sight(name) is None


async def test_a_provider_that_knows_only_text_sees_nothing_whatever_its_model_is_called() -> None:
    text = TextOnlyChat("fake", FakeText())
    assert await find_sight(ResolvedModel(id="fake", provider="fake", chat=text, model="gpt-4o")) is False
    chat = FakeChat()
    assert await find_sight(ResolvedModel(id="a", provider="llama_local", chat=chat, model="gpt-4o")) is False
    assert await find_sight(ResolvedModel(id="a", provider="fake", chat=chat, model="gpt-4o")) is True
    assert await find_sight(ResolvedModel(id="a", provider="fake", chat=chat, model="tiny")) is None


@dataclass
class Telling(FakeChat):
    """A provider that knows which of its models see."""

    async def tell_sight(self, model: str) -> bool | None:
        return {"gpt-4o": False, "tiny": True}.get(model)


async def test_a_provider_that_knows_is_believed_before_a_name() -> None:
    models = {"gpt-4o": False, "tiny": True, "gpt-5": True, "other": None}
    for name, sees in models.items():
        model = ResolvedModel(id=name, provider="fake", chat=Telling(), model=name)
        assert await find_sight(model) is sees
