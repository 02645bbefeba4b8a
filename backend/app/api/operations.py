"""Routes for operators: health, metrics, and the lists of providers with their states."""

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from app.api.deps import CallerDep, ResourcesDep
from app.core.metrics import CONTENT_TYPE
from app.schemas.errors import describe_answer
from app.schemas.providers import LlmProviderList, SttProviderList

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field("ok", description="always `ok`")


class Readiness(BaseModel):
    """Whether the server does all that it is there for."""

    status: Literal["ready", "loading", "failing"] = Field(
        description="`loading` until the default engine is warm; `failing` where a part of the server has failed, or "
        "the database is away"
    )
    problems: list[str] | None = Field(
        None, description="with `failing`: each part, and what is wrong with it"
    )


@router.get("/health", summary="Whether the process answers", responses=describe_answer("It does"))
async def health() -> Health:
    """Answers as soon as the server listens."""
    return Health(status="ok")


@router.get(
    "/health/ready",
    summary="Whether everything works, and the first speaker need not wait",
    response_model_exclude_none=True,
    responses={
        **describe_answer("Everything works, and nobody would have to wait"),
        503: {
            "model": Readiness,
            "description": "The default engine is still loading, or a part of the server fails",
            "content": {"application/json": {"example": {"status": "loading"}}},
        },
    },
)
async def ready(resources: ResourcesDep, response: Response) -> Readiness:
    """Answers 503 while the default engine loads, a task of the server has failed, or the database is away."""
    problems = resources.problems
    is_ready = resources.stt.is_warm and not problems
    response.status_code = 200 if is_ready else 503
    if problems:
        return Readiness(status="failing", problems=problems)
    return Readiness(status="ready" if is_ready else "loading")


@router.get(
    "/metrics",
    summary="Counters and histograms in Prometheus' format",
    response_class=PlainTextResponse,
    responses=describe_answer("What there is to count; `docs/performance.md` explains each"),
)
async def metrics(resources: ResourcesDep) -> Response:
    """Sessions, utterances and latencies by provider. It holds no text, label or address."""
    return Response(resources.observer.render(), media_type=CONTENT_TYPE)


providers_router = APIRouter(prefix="/providers", tags=["providers"])


@providers_router.get("/stt", summary="Speech engines", responses=describe_answer("All engines"))
async def speech_engines(resources: ResourcesDep) -> SttProviderList:
    """All engines, ready or not; within about 3 s, whatever an engine does."""
    return SttProviderList(items=await resources.stt.list_states())


@providers_router.get("/llm", summary="Language-model providers", responses=describe_answer("All providers"))
async def language_models(resources: ResourcesDep, caller: CallerDep) -> LlmProviderList:
    """All providers of language models, all models that the caller may use because somebody has connected them, and
    all assistants, ready or not; within some seconds, whatever an upstream does."""
    return LlmProviderList(items=await resources.catalog.list_states(caller.user_id))
