"""`GET /api/models`: the ids of models that a front end can offer."""

from fastapi import APIRouter

from app.api.deps import ResourcesDep
from app.schemas.errors import guarded

router = APIRouter(prefix="/api/models", tags=["conversations"])


@router.get("", summary="Models to choose from", responses={**guarded("All that can be asked for now")})
async def models(resources: ResourcesDep) -> list[str]:
    """The `model` of a conversation or a message: `provider/model`, or a provider's name; `echo` is always there.

    Each once. Providers are asked in parallel, and one that does not answer within 3 s is left out;
    `GET /providers/llm` tells why.
    """
    return list(dict.fromkeys(model.id for model in await resources.catalogue.models()))
