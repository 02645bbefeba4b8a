"""`POST /v1/realtime/client_secrets`: a short-lived secret with which a browser opens a transcription session."""

import secrets

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.deps import CallerDep, ResourcesDep
from app.api.dialects.realtime_session import Refusal, SessionConfig, merge_update
from app.schemas.openai_errors import describe_openai_error, make_openai_error
from app.schemas.openai_realtime import ClientSecretIn, ClientSecretOut
from app.services.accounts.client_secrets import DEFAULT_LIFE_S

router = APIRouter(prefix="/v1/realtime", tags=["openai"])


@router.post(
    "/client_secrets",
    summary="A secret for a live transcription session",
    response_model=ClientSecretOut,
    responses={
        200: {"description": "The secret"},
        400: describe_openai_error(
            "The session cannot be had",
            model_not_found=(
                "model_not_found",
                "there is no speech model of this name; known: whisper-1, auto, whisper_local, whisper_local/base",
                400,
                "session.audio.input.transcription.model",
            ),
        ),
        "default": describe_openai_error("Any other error, in the same shape"),
    },
)
async def make_client_secret(
    asked: ClientSecretIn, resources: ResourcesDep, caller: CallerDep
) -> ClientSecretOut | Response:
    """Make a secret that opens `/v1/realtime` as its maker, as often as wanted until it expires; a session goes on.

    It ends with the log-in or the key that made it.
    """
    session = asked.session or {}
    try:
        config = merge_update(SessionConfig(), session)
        config.make_plan(resources.settings, await resources.stt.list_models())
    except Refusal as refusal:
        body = make_openai_error(refusal.code, refusal.message, 400, refusal.param)
        return JSONResponse(body, status_code=400)
    life_s = asked.expires_after.seconds if asked.expires_after else DEFAULT_LIFE_S
    made = resources.accounts.client_secrets.make(caller, session, life_s)
    described = config.to_dict(f"sess_{secrets.token_hex(12)}", resources.settings.vad)
    return ClientSecretOut(value=made.value, expires_at=made.expires_at, session=described)
