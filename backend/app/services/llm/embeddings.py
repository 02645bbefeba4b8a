"""Embeddings: through to the service of a model, where it computes them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.core.errors import BadRequest
from app.providers.base import EmbeddingProvider
from app.providers.boundary import ProviderBoundary
from app.services.llm.completion import estimate_usage
from app.services.llm.forwarding import refuse_routing
from app.services.llm.models import ModelCatalog

_FORWARDED = frozenset({"dimensions", "encoding_format", "input", "input_type", "task", "truncate", "user"})
_USAGE = ("prompt_tokens", "total_tokens")


async def compute_embeddings(
    catalog: ModelCatalog, body: Mapping[str, Any], connections_of: UUID | None
) -> dict[str, Any]:
    """The answer of `POST /v1/embeddings`; `connections_of` is the user whose connected models may be asked.

    Raises:
        BadRequest: the model computes none, or a field chooses the upstream.
        ModelNotFound, ProviderNotReady, UpstreamError and its kinds
    """
    refuse_routing(body)
    model = await catalog.resolve(body["model"], connections_of)
    if not isinstance(model.chat, EmbeddingProvider):
        raise BadRequest(
            f"{model.provider!r} computes no embeddings; name a model of a service that does, as in "
            "ollama/nomic-embed-text; GET /v1/models lists those there are",
            param="model",
        )
    wanted = {name: value for name, value in body.items() if name in _FORWARDED and value is not None}
    with ProviderBoundary(model.provider, "provider"):
        data, given = await model.chat.embed(model.model, wanted)
    return {
        "object": "list",
        "data": data,
        "model": model.id,
        "usage": _valid_usage(given) or _estimate(wanted),
    }


def _valid_usage(usage: object) -> dict[str, Any] | None:
    whole = isinstance(usage, dict) and all(type(usage.get(name)) is int for name in _USAGE)
    return usage if isinstance(usage, dict) and whole else None


def _estimate(body: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of tokens are counted, those of texts estimated."""
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    texts = [{"content": each} for each in inputs if isinstance(each, str)]
    numbers = sum(len(each) if isinstance(each, list) else 1 for each in inputs if not isinstance(each, str))
    read = numbers + estimate_usage(texts, 0)["prompt_tokens"]
    return {"prompt_tokens": read, "total_tokens": read, "estimated": True}
