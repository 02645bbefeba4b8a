"""`/api/keys`: the keys of one's own programs."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response

from app.api.accounts.auth import UNAUTHORIZED
from app.api.deps import CallerDep, ResourcesDep
from app.core.errors import NotFound
from app.schemas.accounts import KeyDeletedOut, KeyIn, KeyOut, NewKeyOut
from app.schemas.errors import ANY_OTHER, error_answer, guarded
from app.services.accounts.api_keys import ApiKey
from app.utils.ids import parse_id

router = APIRouter(prefix="/api/keys", tags=["accounts"])

_REFUSED: dict[int | str, dict[str, Any]] = {
    401: UNAUTHORIZED,
    403: error_answer(
        "An API key may not do this, or this Origin, Host or address may not ask",
        "forbidden",
        "this needs somebody who has logged in; an API key is not enough",
    ),
}
_GONE = error_answer(
    "There is no such key of yours, or no accounts", "not_found", "you have no key of this id"
)


@router.get(
    "",
    summary="List one's keys",
    responses={**guarded("Newest first, without secrets"), **_REFUSED},
)
async def list_keys(caller: CallerDep, resources: ResourcesDep) -> list[KeyOut]:
    """Those that have expired are listed until they are deleted; without accounts there are none."""
    if resources.accounts.mode == "none":
        return []
    return [KeyOut(**_fields(key)) for key in await resources.accounts.keys.all(caller)]


@router.post(
    "",
    status_code=201,
    summary="Make a key",
    responses={
        201: {"description": "The key, shown this once"},
        400: error_answer("A body that cannot be read", "bad_request", "`scopes`: field required"),
        **_REFUSED,
        404: _GONE,
        **ANY_OTHER,
    },
)
async def make_key(body: KeyIn, caller: CallerDep, response: Response, resources: ResourcesDep) -> NewKeyOut:
    """Use it as `Authorization: Bearer`, or as the API key of an OpenAI SDK."""
    life = None if body.expires_days is None else timedelta(days=body.expires_days)
    key, secret = await resources.accounts.keys.make(caller, body.name, body.scopes, life)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyOut(**_fields(key), key=secret)


@router.delete(
    "/{key_id}",
    summary="Delete a key",
    responses={**guarded("It opens nothing any more"), **_REFUSED, 404: _GONE, **ANY_OTHER},
)
async def delete_key(key_id: str, caller: CallerDep, resources: ResourcesDep) -> KeyDeletedOut:
    """At once, on every server process; its open sockets close within a minute."""
    found = parse_id(key_id)
    keys = resources.accounts.keys
    if found is None:
        raise NotFound("you have no key of this id")
    await keys.revoke(caller, found)
    return KeyDeletedOut(status="deleted")


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }
