"""`POST /v1/audio/speech`: a text as audio, sent while it is made; and the voices that there are."""

import math
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import ResourcesDep
from app.api.sse import EventStream, hold_answer
from app.providers.media.encoder import MEDIA_TYPES
from app.schemas.openai_errors import NOT_ALLOWED, describe_openai_error
from app.schemas.openai_speech import SpeechIn, VoiceList, VoiceOut
from app.services.speaking.speaker import SpeechRequest, SpokenText

router = APIRouter(prefix="/v1", tags=["openai"])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, as it is made",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
        },
    },
    400: describe_openai_error(
        "Cannot be spoken",
        bad_request=(
            "bad_request",
            "there is no such `voice`; GET /v1/audio/voices lists those there are",
            400,
            "voice",
        ),
    ),
    404: describe_openai_error(
        "No such model",
        model_not_found=("model_not_found", "there is no model of this name that speaks", 404, "model"),
    ),
    503: describe_openai_error(
        "No engine can speak, or all places are taken",
        provider_not_ready=(
            "provider_not_ready",
            "'espeak_ng' cannot speak: the program espeak-ng is not installed; on Debian: apt install espeak-ng",
            503,
            None,
        ),
    ),
    "default": describe_openai_error("Any other error, in the same shape"),
}


async def open_speech(
    body: SpeechIn, request: Request, resources: ResourcesDep
) -> AsyncGenerator[SpokenText, None]:
    """The text, spoken as far as its first bytes, and closed when all is sent."""
    voice = body.voice if isinstance(body.voice, str) else body.voice.id
    spoken = await resources.speaker.speak(
        SpeechRequest(
            text=body.input,
            model=body.model.strip(),
            voice=voice.strip(),
            speed=body.speed,
            form=body.response_format,
        )
    )
    async with hold_answer(request, spoken):
        yield spoken


@router.post("/audio/speech", response_class=Response, responses=_RESPONSES, summary="Speak a text")
async def speech(
    body: SpeechIn, resources: ResourcesDep, spoken: Annotated[SpokenText, Depends(open_speech)]
) -> Response:
    """Send a text and get it spoken, from the first words on.

    When the client leaves, the engine stops within a second.
    """
    return EventStream(
        spoken.pieces(),
        slow_reader_s=resources.settings.limits.slow_reader_s,
        keep_alive_s=math.inf,
        media_type=MEDIA_TYPES[body.response_format],
    )


@router.get(
    "/audio/voices",
    summary="Voices that speak",
    responses={
        200: {"description": "All that there are"},
        403: NOT_ALLOWED,
    },
)
async def voices(resources: ResourcesDep) -> VoiceList:
    """The voices of the engine that speaks by default, those of each language together with their tags."""
    listed = await resources.speaker.list_voices()
    return VoiceList(
        voices=[VoiceOut(id=each.id, name=each.title, languages=list(each.langs)) for each in listed]
    )
