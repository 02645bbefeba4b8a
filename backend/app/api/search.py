"""`GET /api/search`: search the caller's titles, messages and dictations."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.api.deps import CallerDep, ResourcesDep
from app.api.responses import MALFORMED, NEXT_PAGE_LINK, STORAGE, link_next_page
from app.schemas.search import HitOut
from app.services.history.search import SearchHit

router = APIRouter(prefix="/api/search", tags=["conversations"])


@router.get(
    "",
    summary="Search what one has kept",
    responses={
        200: {
            "description": "The newest first; the header `Link` has the next page",
            "headers": NEXT_PAGE_LINK,
        },
        400: MALFORMED,
        **STORAGE,
    },
)
async def search(
    caller: CallerDep,
    resources: ResourcesDep,
    response: Response,
    q: Annotated[
        str,
        Query(
            max_length=500,
            description="words that one title, message or final must have; the last word matches as a prefix",
        ),
    ] = "",
    kind: Annotated[
        Literal["title", "message", "dictation"] | None,
        Query(description="search only titles, messages or dictations"),
    ] = None,
    order: Annotated[
        Literal["newest", "relevance"],
        Query(description="`relevance` orders the newest 1000 results, on one page"),
    ] = "newest",
    limit: Annotated[int, Query(ge=1, le=100, description="number of results")] = 20,
    before: Annotated[
        int | None, Query(ge=0, lt=1 << 31, description="cursor from the `Link` of the previous page")
    ] = None,
) -> list[HitOut]:
    """Return one page. Case and accents do not matter, and punctuation has no meaning."""
    hits = await resources.search.find(caller.user_id, q, limit=limit, before=before, order=order, kind=kind)
    if len(hits) == limit and order == "newest":
        query = {"q": q, **({"kind": kind} if kind else {}), "limit": limit, "before": hits[-1].id}
        link_next_page(response, "/api/search", query)
    return [_describe(hit) for hit in hits]


def _describe(hit: SearchHit) -> HitOut:
    return HitOut(
        kind=hit.kind,
        conversation_id=hit.conversation_id,
        title=hit.title,
        message_id=hit.message_id,
        role=hit.role,
        dictation_id=hit.dictation_id,
        final_n=hit.final_n,
        created_at=hit.created_at,
        snippet=hit.snippet,
        matches=list(hit.matches),
    )
