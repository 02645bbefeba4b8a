"""Who is meant by a model's id, and a list that no provider can break or delay."""

import time
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.config import LlmProfile, LlmSettings, LlmUpstreamSettings, Settings
from app.core.errors import ModelNotFound
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.services.llm.text_only import TextOnlyChat
from tests.fakes.llm_providers import FakeChat, make_table


class FakeBrokenChat(FakeChat):
    """Cannot list its models."""

    async def models(self) -> list[str]:
        raise ValueError("secret")


def catalog(llm: LlmSettings | None = None, **models: Any) -> ModelCatalog:
    settings = Settings(_env_file=None, llm=llm or LlmSettings())
    return ModelCatalog(settings, LlmProviders(settings, make_table(**models)))


NAMED: dict[str, Any] = {
    "one": FakeChat(lists=("qwen3:8b", "openai/gpt-oss-20b", "both")),
    "two": FakeChat(lists=("llama", "both", "Llama")),
}


@pytest.mark.parametrize(
    ("asked", "provider", "model", "full"),
    [
        ("one/qwen3:8b", "one", "qwen3:8b", "one/qwen3:8b"),
        ("one/openai/gpt-oss-20b", "one", "openai/gpt-oss-20b", "one/openai/gpt-oss-20b"),
        ("one/not-in-its-list", "one", "not-in-its-list", "one/not-in-its-list"),
        ("qwen3:8b", "one", "qwen3:8b", "one/qwen3:8b"),
        ("openai/gpt-oss-20b", "one", "openai/gpt-oss-20b", "one/openai/gpt-oss-20b"),
        ("llama", "two", "llama", "two/llama"),
        ("Llama", "two", "Llama", "two/Llama"),
        ("one", "one", "qwen3:8b", "one/qwen3:8b"),
        ("echo", "echo", "", "echo"),
        ("", "echo", "", "echo"),
        (None, "echo", "", "echo"),
    ],
)
async def test_who_is_meant(asked: str | None, provider: str, model: str, full: str) -> None:
    choice = await catalog(**NAMED).resolve(asked)
    assert (choice.provider, choice.model, choice.id) == (provider, model, full)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("nobody", "there is no model of this name; GET /v1/models lists"),
        ("LLAMA", "there is no model of this name"),
        ("two/", "there is no model of this name"),
        ("echo/else", "there is no model of this name"),
        ("three/llama", "did you mean 'two/llama'"),
        ("both", "several providers have 'both': ask for one of 'one/both', 'two/both'"),
        ("x" * 5000, "there is no model of this name"),
        ("*", "there is no model of this name"),
    ],
)
async def test_nobody_is_meant(asked: str, words: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        await catalog(**NAMED).resolve(asked)
    assert words in caught.value.message
    assert len(caught.value.message) < 500
    assert caught.value.param == "model"


async def test_aliases() -> None:
    """An alias goes before a bare name, `*` after everything; none leads to another."""
    aliases = {
        "claude": "one/qwen3:8b",
        "llama": "one/both",
        "lost": "three/x",
        "again": "claude",
        "*": "two/llama",
    }
    made = catalog(LlmSettings(model_aliases=aliases), **NAMED)
    for asked, full in {"claude": "one/qwen3:8b", "llama": "one/both", "Llama": "two/Llama", "any": "two/llama",
                        "echo/x": "two/llama", "*": "two/llama", "echo": "echo"}.items():  # fmt: skip
        assert (await made.resolve(asked)).id == full, asked
    for asked, words in {"lost": "an alias leads to 'three/x'", "again": "leads to 'claude'"}.items():
        with pytest.raises(ModelNotFound, match=words):
            await made.resolve(asked)


async def test_a_full_id_asks_nobody_for_a_list() -> None:
    fake = FakeChat()
    await catalog(fake=fake).resolve("fake/anything")
    assert fake.listings == 0


@pytest.mark.parametrize(
    ("llm", "full"),
    [
        (LlmSettings(provider="two"), "two/llama"),
        (LlmSettings(profiles={"two": LlmProfile(model="set")}, provider="two"), "two/set"),
        (
            LlmSettings(
                openai_compat=LlmUpstreamSettings(base_url="https://a/v1", api_key=SecretStr("k"), model="m")
            ),
            "openai_compat/m",
        ),
    ],
)
async def test_the_default(llm: LlmSettings, full: str) -> None:
    assert (await catalog(llm, openai_compat=FakeChat(), two=NAMED["two"]).resolve(None)).id == full


async def test_the_default_is_the_local_model_where_it_is_ready_and_never_one_found() -> None:
    local = FakeChat(lists=("small",))
    assert (await catalog(llama_local=local).resolve(None)).id == "llama_local/small"
    assert (await catalog(lm_studio_sought=FakeChat()).resolve(None)).id == "echo"


async def test_a_text_only_provider_is_wrapped() -> None:
    assert isinstance((await catalog().resolve("echo")).chat, TextOnlyChat)


async def test_the_list_has_full_ids_and_a_dead_provider_delays_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.services.llm.models.PROBE_S", 0.3)
    dead, found = FakeChat(slow_s=60), FakeChat(lists=("local",))
    made = catalog(dead=dead, dead_too=dead, broken=FakeBrokenChat(), lm_sought=found, **NAMED)
    begun_s = time.monotonic()
    listed = [model.id for model in await made.list_models()]
    assert time.monotonic() - begun_s < 30
    assert "echo" in listed
    assert {"one/qwen3:8b", "one/openai/gpt-oss-20b", "two/llama", "lm_sought/local"} <= set(listed)
    assert not [id_ for id_ in listed if id_.startswith(("dead", "broken"))]


async def test_a_list_for_another_server_looks_for_nobody() -> None:
    """Two servers that look for each other must not wait for each other."""
    found = FakeChat(lists=("local",))
    made = catalog(lm_sought=found, **NAMED)
    listed = [model.id for model in await made.list_models(found=False)]
    assert "two/llama" in listed
    assert "lm_sought/local" not in listed
    assert found.listings == 0


async def test_lists_are_asked_for_once_in_a_while() -> None:
    fake = FakeChat()
    made = catalog(fake=fake)
    for _ in range(3):
        await made.list_models()
        await made.resolve("tiny")
    assert fake.listings == 1
