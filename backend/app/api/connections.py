"""`/api/connections`: the models that a user connects, by address and key, and trials of such addresses."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from app.api.accounts import UNAUTHORIZED
from app.api.deps import CallerDep, RequestKeyDep, ResourcesDep
from app.api.responses import ID_REUSED
from app.api.sse import cancel_on_disconnect
from app.core.errors import NotFound
from app.schemas.connections import (
    ConnectionChangeIn,
    ConnectionDeletedOut,
    ConnectionIn,
    ConnectionOut,
    ConnectionTestIn,
    ConnectionTrialOut,
)
from app.schemas.errors import ANY_OTHER, describe_answer, describe_error
from app.services.llm.connections import (
    Connection,
    ConnectionChanges,
    ConnectionDraft,
    ConnectionTrial,
)
from app.utils.ids import parse_id

router = APIRouter(prefix="/api/connections", tags=["connected models"])

_BAD = describe_error(
    "A value cannot be used, such as an address that this server may not reach (`base_url_not_allowed`)",
    "base_url_not_allowed",
    "base_url is not allowed; expected public https, or an origin on PROMPTER_LLM__ALLOWED_BASE_URLS",
)
_REFUSED: dict[int | str, dict[str, Any]] = {
    401: UNAUTHORIZED,
    403: describe_error(
        "An API key may not do this, only an admin may, the user has as many connections as one may have, or this "
        "Origin, Host or address is not allowed",
        "forbidden",
        "this needs somebody who has logged in; an API key is not enough",
    ),
}
_STORAGE = describe_error(
    "The database or the key file cannot be used now",
    "storage_unavailable",
    "the database cannot be written: the disk is full; nothing was kept; free some space, then try again",
)
_GONE = describe_error("You have no such connection", "not_found", "you have no connection of this id")
_FULL = describe_error(
    "Many addresses are being tried",
    "server_full",
    "8 addresses are being tried at this moment; try again soon",
)


@router.get(
    "",
    summary="List the models that one has connected",
    responses={**describe_answer("Newest first, without keys"), **_REFUSED, 503: _STORAGE},
)
async def list_connections(caller: CallerDep, resources: ResourcesDep) -> list[ConnectionOut]:
    """One's own alone, shared or not. `GET /providers/llm` tells whether they answer, and lists those of admins."""
    return [_describe(each) for each in await resources.connections.list_own(caller)]


@router.post(
    "",
    status_code=201,
    summary="Connect a model",
    responses={
        201: {"description": "The new connection; its key is stored in encrypted form and never returned"},
        400: _BAD,
        **_REFUSED,
        409: ID_REUSED,
        503: _STORAGE,
        **ANY_OTHER,
    },
)
async def make_connection(
    body: ConnectionIn, caller: CallerDep, resources: ResourcesDep, request_key: RequestKeyDep
) -> ConnectionOut:
    """The address is checked, and not asked: `POST /api/connections/test` tries it first."""
    draft = ConnectionDraft(
        vendor=body.vendor,
        base_url=body.base_url.strip(),
        api_key=body.api_key.get_secret_value().strip(),
        title=" ".join(body.title.split()),
        model=body.model.strip(),
        models=_clean(body.models),
    )
    return _describe(await resources.connections.add(caller, draft, request_key))


@router.post(
    "/test",
    summary="Try an address and a key",
    responses={
        **describe_answer("How it went, also where nothing answers"),
        400: _BAD,
        **_REFUSED,
        503: _FULL,
        **ANY_OTHER,
    },
)
async def try_address(
    body: ConnectionTestIn, request: Request, resources: ResourcesDep
) -> ConnectionTrialOut:
    """Reads the list of models, and asks one of them for some words, which takes at most 40 s. Nothing is stored."""
    draft = ConnectionDraft(
        vendor=body.vendor,
        base_url=body.base_url.strip(),
        api_key=body.api_key.get_secret_value().strip(),
        model=body.model.strip(),
    )
    return _tell(await cancel_on_disconnect(request, resources.connections.try_draft(draft)))


@router.patch(
    "/{connection_id}",
    summary="Change a connection",
    responses={
        **describe_answer("The connection as it is now"),
        400: _BAD,
        **_REFUSED,
        404: _GONE,
        503: _STORAGE,
        **ANY_OTHER,
    },
)
async def change_connection(
    connection_id: str, body: ConnectionChangeIn, caller: CallerDep, resources: ResourcesDep
) -> ConnectionOut:
    """Absent fields stay as they are. A new key counts from the next request on, on every server process."""
    changes = ConnectionChanges(
        title=None if body.title is None else " ".join(body.title.split()),
        base_url=None if body.base_url is None else body.base_url.strip(),
        api_key=None if body.api_key is None else body.api_key.get_secret_value().strip(),
        model=None if body.model is None else body.model.strip(),
        models=None if body.models is None else _clean(body.models),
        shared=body.shared,
    )
    return _describe(await resources.connections.change(caller, _parse(connection_id), changes))


@router.delete(
    "/{connection_id}",
    summary="Delete a connection",
    responses={
        **describe_answer("The connection and its key are deleted"),
        **_REFUSED,
        404: _GONE,
        503: _STORAGE,
        **ANY_OTHER,
    },
)
async def delete_connection(
    connection_id: str, caller: CallerDep, resources: ResourcesDep
) -> ConnectionDeletedOut:
    """From the next request on nobody can ask it, on every server process. An answer under way goes on."""
    await resources.connections.remove(caller, _parse(connection_id))
    return ConnectionDeletedOut(status="deleted")


@router.post(
    "/{connection_id}/test",
    summary="Try a connection",
    responses={
        **describe_answer("How it went, also where nothing answers"),
        400: _BAD,
        **_REFUSED,
        404: _GONE,
        503: _STORAGE,
        **ANY_OTHER,
    },
)
async def try_connection(
    connection_id: str, request: Request, caller: CallerDep, resources: ResourcesDep
) -> ConnectionTrialOut:
    """As `POST /api/connections/test`, with the stored key."""
    trial = resources.connections.try_stored(caller, _parse(connection_id))
    return _tell(await cancel_on_disconnect(request, trial))


def _parse(text: str) -> UUID:
    if (connection_id := parse_id(text)) is None:
        raise NotFound("you have no connection of this id")
    return connection_id


def _clean(models: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model.strip() for model in models if model.strip()))


def _describe(connection: Connection) -> ConnectionOut:
    return ConnectionOut(
        id=connection.id,
        name=connection.name,
        title=connection.title,
        vendor=connection.vendor,
        base_url=connection.base_url,
        has_key=connection.has_key,
        key_hint=connection.key_hint,
        needs_key=connection.needs_key,
        model=connection.model,
        models=list(connection.models),
        shared=connection.shared,
        created_at=connection.created_at,
        updated_at=connection.updated_at,
    )


def _tell(tried: ConnectionTrial) -> ConnectionTrialOut:
    return ConnectionTrialOut(
        ok=tried.trial.problem is None,
        problem=tried.trial.problem,
        message=tried.trial.message,
        vendor=tried.vendor,
        title=tried.title,
        base_url=tried.base_url,
        models=list(tried.trial.models),
        model=tried.trial.model,
        list_ms=tried.trial.list_ms,
        first_token_ms=tried.trial.first_token_ms,
    )
