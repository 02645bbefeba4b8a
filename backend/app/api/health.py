"""Is the server there, and is its engine warm?"""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.api.deps import ResourcesDep
from app.schemas.errors import guarded

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field("ok", description="always `ok`")


class Readiness(BaseModel):
    """Whether the default speech engine is loaded and warm."""

    status: Literal["ready", "loading"] = Field(description="`loading` until the default engine is warm")


@router.get("/health", summary="Whether the process answers", responses=guarded("It does"))
async def health() -> Health:
    """Answers as soon as the server listens."""
    return Health(status="ok")


@router.get(
    "/health/ready",
    summary="Whether the first speaker would have to wait",
    responses={
        **guarded("Nobody would have to wait"),
        503: {
            "model": Readiness,
            "description": "The default engine is still loading",
            "content": {"application/json": {"example": {"status": "loading"}}},
        },
    },
)
async def ready(resources: ResourcesDep, response: Response) -> Readiness:
    """Answers 503 while the default engine loads."""
    warm = resources.engines.warm
    response.status_code = 200 if warm else 503
    return Readiness(status="ready" if warm else "loading")
