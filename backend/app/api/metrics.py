"""The door of Prometheus: what the server counts and times."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app.api.deps import ResourcesDep
from app.core.metrics import CONTENT_TYPE
from app.schemas.errors import guarded

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    summary="Counters and histograms in Prometheus' format",
    response_class=PlainTextResponse,
    responses=guarded("What there is to count; `docs/performance.md` explains each"),
)
async def metrics(resources: ResourcesDep) -> Response:
    """Sessions, utterances and latencies by provider; never a text, a label or an address."""
    return Response(resources.observer.render(), media_type=CONTENT_TYPE)
