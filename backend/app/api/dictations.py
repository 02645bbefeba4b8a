"""`/api/dictations`: list, read, export and delete the caller's dictations."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from app.api.deps import CallerDep, ResourcesDep
from app.api.responses import MALFORMED, NEXT_PAGE_LINK, STORAGE, link_next_page
from app.schemas.dictations import (
    BEGINNING_CHARS,
    DictationDeletedOut,
    DictationDetailOut,
    DictationOut,
    StoredFinalOut,
)
from app.schemas.errors import describe_answer, describe_error
from app.services.history.dictations import MEDIA_TYPES, StoredDictation, StoredFinal, format_finals
from app.utils.joining import join_texts

router = APIRouter(prefix="/api/dictations", tags=["dictations"])

_GONE = describe_error(
    "You have no such dictation",
    "not_found",
    "no dictation has this id; list yours with GET /api/dictations",
)


@router.get(
    "",
    summary="List one's dictations",
    responses={
        200: {
            "description": "The latest first; the header `Link` has the next page",
            "headers": NEXT_PAGE_LINK,
        },
        400: MALFORMED,
        **STORAGE,
    },
)
async def list_dictations(
    caller: CallerDep,
    resources: ResourcesDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=200, description="number of dictations")] = 50,
    before: Annotated[
        str | None, Query(max_length=100, description="cursor from the `Link` of the previous page")
    ] = None,
    q: Annotated[
        str,
        Query(max_length=500, description="words that one final must have; case and accents do not matter"),
    ] = "",
) -> list[DictationOut]:
    """Return one page. A dictation is listed from its first final on."""
    page = await resources.dictations.list_page(caller.user_id, limit=limit, before=before, q=q)
    if page.next_before is not None:
        query = {"limit": limit, "before": page.next_before, **({"q": q} if q else {})}
        link_next_page(response, "/api/dictations", query)
    return [DictationOut(**_describe(dictation)) for dictation in page.items]


@router.get(
    "/{dictation_id}",
    summary="Read or export a dictation",
    response_model=DictationDetailOut,
    responses={
        **describe_answer("The dictation with its finals, or a file with the finals"),
        200: {
            "description": "The dictation with its finals; with `format` a file with the finals",
            "content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()},
        },
        400: MALFORMED,
        404: _GONE,
        **STORAGE,
    },
)
async def get_dictation(
    dictation_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    format: Annotated[  # noqa: A002  # the word on the wire
        Literal["json", "txt", "srt", "vtt"],
        Query(description="`json`; `txt`: a line for each final; `srt` or `vtt`: subtitles"),
    ] = "json",
) -> DictationDetailOut | Response:
    """Return the finals as they were sent to the client. A dictation that goes on has its finals so far."""
    dictation, finals = await resources.dictations.get(caller.user_id, dictation_id)
    if format == "json":
        return _detail(dictation, finals)
    name = f"dictation-{dictation.started_at:%Y-%m-%d-%H%M}.{format}"
    return Response(
        format_finals(finals, format),
        media_type=f"{MEDIA_TYPES[format]}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


@router.delete(
    "/{dictation_id}",
    summary="Delete a dictation",
    responses={**describe_answer("The dictation is deleted with its finals"), 404: _GONE, **STORAGE},
)
async def delete_dictation(
    dictation_id: str, caller: CallerDep, resources: ResourcesDep
) -> DictationDeletedOut:
    """If the dictation goes on, nothing more of it is stored, also not for `/llm/generate`."""
    await resources.dictations.delete(caller.user_id, dictation_id)
    return DictationDeletedOut(status="deleted")


def _describe(dictation: StoredDictation) -> dict[str, Any]:
    return {
        "id": dictation.id,
        "session_id": dictation.session_label,
        "lang": dictation.lang,
        "provider": dictation.provider,
        "model": dictation.model,
        "started_at": dictation.started_at,
        "ended_at": dictation.ended_at,
        "finals": dictation.finals,
        "text": dictation.first_text[:BEGINNING_CHARS],
    }


def _detail(dictation: StoredDictation, finals: Sequence[StoredFinal]) -> DictationDetailOut:
    items = [
        StoredFinalOut(
            n=final.n,
            utterance_id=final.utterance_id,
            text=final.text,
            raw_text=final.text if final.raw_text is None else final.raw_text,
            start_ms=final.start_ms,
            end_ms=final.end_ms,
            lang=final.lang,
            joined=final.joined,
            recovered=final.recovered,
            words=final.words,
            created_at=final.created_at,
        )
        for final in finals
    ]
    fields = {**_describe(dictation), "text": join_texts(final.part for final in finals)}
    return DictationDetailOut(**fields, items=items)
