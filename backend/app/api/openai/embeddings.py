"""`POST /v1/embeddings`: through to the service of the model, where it computes them."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from app.api.deps import ConnectionOwnerDep, ResourcesDep
from app.api.sse import cancel_on_disconnect
from app.core.errors import BadRequest
from app.schemas.openai_errors import CHAT_ERRORS, describe_openai_error
from app.schemas.openai_text import MOST_INPUTS, EmbeddingsIn, EmbeddingsOut
from app.services.llm.embeddings import compute_embeddings

router = APIRouter(prefix="/v1", tags=["openai"])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    **CHAT_ERRORS,
    200: {"model": EmbeddingsOut, "description": "The embeddings, in the order of the inputs"},
    400: describe_openai_error(
        "Cannot be computed",
        bad_request=(
            "bad_request",
            "'echo' computes no embeddings; name a model of a service that does, as in ollama/nomic-embed-text",
            400,
            "model",
        ),
    ),
}


@router.post("/embeddings", response_class=Response, responses=_RESPONSES, summary="Compute embeddings")
async def embeddings(
    body: EmbeddingsIn, request: Request, resources: ResourcesDep, owner: ConnectionOwnerDep
) -> Response:
    """Send texts to a model of a service that computes embeddings.

    This server computes none itself. A field that names an address or a key is refused.
    """
    if isinstance(body.input, list) and len(body.input) > MOST_INPUTS and not isinstance(body.input[0], int):
        raise BadRequest(f"`input`: at most {MOST_INPUTS} texts in one request", param="input")
    fields = body.model_dump(exclude_unset=True)
    answer = await cancel_on_disconnect(request, compute_embeddings(resources.catalog, fields, owner))
    return Response(orjson.dumps(answer), media_type="application/json")
