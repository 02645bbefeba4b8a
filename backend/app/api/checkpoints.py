"""`/api/checkpoints`: weights that are here or can be fetched; fetch one with progress, cancel, remove it again."""

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter

from app.api.deps import CallerDep, ResourcesDep
from app.schemas.checkpoints import (
    CheckpointList,
    CheckpointOut,
    CheckpointRemovedOut,
    FetchErrorOut,
    FetchOut,
    SpeedOut,
)
from app.schemas.errors import ANY_OTHER, describe_answer, describe_error
from app.services.weights.fetching import Fetch
from app.services.weights.offers import Offer, find_free_bytes, list_offers

router = APIRouter(prefix="/api/checkpoints", tags=["checkpoints"])

_UNKNOWN = describe_error(
    "No such weights are known",
    "not_found",
    "no weights are known by this name; GET /api/checkpoints lists them",
)
_UNDER_WAY = describe_error(
    "Others are being fetched",
    "fetch_under_way",
    "'base' is being fetched, one at a time; wait for it or cancel it",
)
_ADMINS = describe_error(
    "The caller is no admin, or this Origin, Host or address may not ask",
    "forbidden",
    "this needs a user with the role 'admin'",
)


def _describe_change(answer: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": answer}, 403: _ADMINS, **ANY_OTHER}


@router.get("", summary="List weights, and the download under way", responses=describe_answer("All weights"))
async def list_checkpoints(caller: CallerDep, resources: ResourcesDep) -> CheckpointList:
    """What is here, what can be fetched, what each gives, and how far the download is. Made to be polled."""
    settings = resources.settings
    offers = await list_offers(settings, resources.stt)
    latest = resources.fetcher.latest
    may_change = caller.role == "admin" and caller.via != "key"
    return CheckpointList(
        items=[_describe(offer) for offer in offers],
        free_bytes=await run_sync(find_free_bytes, settings.models_dir),
        may_change=may_change,
        fetch=_describe_fetch(latest, in_words=may_change) if latest else None,
    )


@router.post(
    "/{name}/fetch",
    summary="Begin or go on with a download",
    responses={
        **_describe_change("The download; it goes on without its client"),
        404: _UNKNOWN,
        409: _UNDER_WAY,
    },
)
async def begin_fetch(name: str, resources: ResourcesDep) -> FetchOut:
    """Fetch weights into the models folder, going on with what an earlier download left. Asked twice, it runs once."""
    return _describe_fetch(await resources.fetcher.begin(name))


@router.delete(
    "/{name}/fetch",
    summary="Cancel a download",
    responses={**_describe_change("The cancelled download; what came is kept"), 404: _UNKNOWN},
)
async def cancel_fetch(name: str, resources: ResourcesDep) -> FetchOut:
    """End the download. `POST` goes on with what came, and `DELETE` of the weights removes it."""
    return _describe_fetch(await resources.fetcher.cancel(name))


@router.delete(
    "/{name}",
    summary="Remove weights that were fetched",
    responses={
        **_describe_change("They are gone; dictations that have begun keep theirs"),
        404: _UNKNOWN,
        409: describe_error(
            "They are being fetched (`fetch_under_way`), or are not the server's to remove",
            "not_removable",
            "'base' was not fetched into the models folder, or the settings name it; whoever runs the server can"
            " remove it",
        ),
    },
)
async def remove_checkpoint(name: str, resources: ResourcesDep) -> CheckpointRemovedOut:
    """Remove the folder of fetched weights, or what an unfinished download has left."""
    await resources.fetcher.remove(name)
    return CheckpointRemovedOut()


def _describe(offer: Offer) -> CheckpointOut:
    speed = offer.speed
    return CheckpointOut(
        name=offer.name,
        kind=offer.kind,
        size_bytes=offer.size_bytes,
        download_bytes=offer.download_bytes,
        partial_bytes=offer.partial_bytes,
        languages=None if offer.languages is None else list(offer.languages),
        error_percent=offer.error_percent,
        licence=offer.licence,
        origin=offer.origin,
        recommended=offer.is_recommended,
        here=offer.is_here,
        default=offer.is_default,
        removable=offer.is_removable,
        engine=offer.engine,
        model=offer.model,
        can_run=offer.can_run,
        speed=SpeedOut(rate=speed.rate, measured=speed.is_measured, pace=speed.pace) if speed else None,
    )


def _describe_fetch(fetch: Fetch, *, in_words: bool = True) -> FetchOut:
    """`in_words`: with the message of an error, which names folders and addresses of the server."""
    error = fetch.error
    return FetchOut(
        name=fetch.weights.name,
        state=fetch.state.value,
        done_bytes=fetch.done_bytes,
        total_bytes=fetch.total_bytes,
        bytes_per_s=fetch.bytes_per_s,
        error=FetchErrorOut.model_validate(
            {
                "code": error.code,
                "message": str(error) if in_words else "",
                "need_bytes": error.need_bytes,
                "free_bytes": error.free_bytes,
            }
        )
        if error
        else None,
    )
