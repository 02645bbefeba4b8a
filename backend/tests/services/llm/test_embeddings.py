"""Which models compute embeddings, what of a request reaches them, and the usage where they give none."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.core.config import LlmSettings, Settings
from app.core.errors import BadRequest, EngineFailed
from app.services.llm.embeddings import compute_embeddings
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from tests.fakes.llm_providers import FakeChat, make_table


class Embedder(FakeChat):
    """A chat model whose service computes embeddings; `usage` and failures by the test."""

    usage: object = None
    failure: Exception | None = None

    async def embed(self, model: str, body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], object]:
        if self.failure:
            raise self.failure
        self.asked = (model, dict(body))
        return [{"object": "embedding", "index": 0, "embedding": [0.5]}], self.usage


async def compute(provider: Any, **body: Any) -> dict[str, Any]:
    settings = Settings(_env_file=None, llm=LlmSettings(discover=False))
    catalog = ModelCatalog(settings, LlmProviders(settings, make_table(fake=provider)))
    return await compute_embeddings(catalog, {"model": "fake/tiny", "input": "12345678", **body}, None)


async def test_what_reaches_the_service() -> None:
    fake = Embedder()
    fake.usage = {"prompt_tokens": 3, "total_tokens": 3, "cost": 1}
    answer = await compute(fake, dimensions=None, user="u", other=1)
    assert fake.asked == ("tiny", {"input": "12345678", "user": "u"})
    assert (answer["model"], answer["usage"]) == ("fake/tiny", fake.usage)


@pytest.mark.parametrize(
    ("inputs", "tokens"), [("12345678", 2), ([1, 2, 3], 3), ([[1, 2], [3]], 3), (["1234", "5"], 2)]
)
async def test_a_usage_is_estimated(inputs: Any, tokens: int) -> None:
    usage = (await compute(Embedder(), input=inputs))["usage"]
    assert usage == {"prompt_tokens": tokens, "total_tokens": tokens, "estimated": True}


async def test_models_that_have_none() -> None:
    with pytest.raises(BadRequest, match="'fake' computes no embeddings"):
        await compute(FakeChat())


async def test_a_fault_of_a_provider_keeps_its_words() -> None:
    fake = Embedder()
    fake.failure = RuntimeError("12345678")
    with pytest.raises(EngineFailed) as failed:
        await compute(fake)
    assert "12345678" not in failed.value.message
