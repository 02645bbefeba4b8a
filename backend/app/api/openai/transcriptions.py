"""`POST /v1/audio/transcriptions`: a recording to text, whole or as it becomes text."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import PlainTextResponse

from app.api.deps import ResourcesDep
from app.api.openai.examples import BODY, RESPONSES
from app.api.openai.uploads import receive_upload
from app.api.sse import EventStream, unless_gone
from app.core.errors import BadRequest, PrompterError
from app.schemas.openai_audio import TranscriptionIn
from app.schemas.openai_errors import openai_error_of
from app.services.transcription import result
from app.services.transcription.job import TranscriptionJob
from app.services.transcription.request import TranscriptionRequest, language, silence_ms, vocabulary
from app.services.transcription.result import RecordingTranscript, TranscribedUtterance, TranscriptionProgress
from app.utils.subtitles import to_srt, to_vtt

router = APIRouter(prefix="/v1", tags=["openai"])

_TIMED = ("srt", "vtt")


@dataclass(frozen=True, slots=True)
class OpenedJob:
    """A recording whose work has begun, and what was asked."""

    recording: TranscriptionJob
    fields: TranscriptionIn


async def begun(request: Request, resources: ResourcesDep) -> AsyncGenerator[OpenedJob, None]:
    """The recording with its first second heard, so that a failure has its status; closed when all is sent."""
    async with (
        resources.transcriptions.reserve(),
        receive_upload(request, resources.settings.limits) as upload,
    ):
        recording = resources.transcriptions.create_job(upload.file, _request(upload.fields))
        try:
            await unless_gone(request, recording.open())
            yield OpenedJob(recording, upload.fields)
        finally:
            await recording.aclose()


@router.post(
    "/audio/transcriptions",
    response_class=Response,
    responses=RESPONSES,
    openapi_extra={"requestBody": BODY},
    summary="Transcribe a recording",
)
async def transcribe(
    request: Request, resources: ResourcesDep, begun: Annotated[OpenedJob, Depends(begun)]
) -> Response:
    """Send a recording of any usual format and get its text.

    It is cut at pauses and recognised behind those who speak: the longer they speak, the longer it takes. A client
    that leaves ends the work within a second of the running call.
    """
    if begun.fields.stream:
        return EventStream(_events(begun.recording), slow_reader_s=resources.settings.limits.slow_reader_s)
    return _answer(await unless_gone(request, begun.recording.whole()), begun.fields)


def _request(fields: TranscriptionIn) -> TranscriptionRequest:
    if fields.response_format == "diarized_json":
        raise BadRequest(
            "`response_format` 'diarized_json' needs an engine that tells speakers apart, and there is none here;"
            " take 'verbose_json'",
            param="response_format",
        )
    words = fields.response_format in _TIMED or "word" in fields.timestamp_granularities
    return TranscriptionRequest(
        model=fields.model.strip(),
        lang=language(fields.language, fields.languages),
        words=words and fields.response_format not in ("json", "text"),
        vocabulary=vocabulary(fields.prompt, fields.keywords),
        silence_ms=silence_ms(fields.chunking_strategy),
    )


def _answer(whole: RecordingTranscript, fields: TranscriptionIn) -> Response:
    match fields.response_format:
        case "text":
            return PlainTextResponse(whole.text + "\n")
        case "srt":
            return PlainTextResponse(to_srt(whole.utterances))
        case "vtt":
            return PlainTextResponse(to_vtt(whole.utterances))
        case "verbose_json":
            words = "word" in fields.timestamp_granularities
            return _json(result.verbose(whole, words=words).model_dump(exclude_none=True))
    return _json(result.plain(whole).model_dump())


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


async def _events(recording: TranscriptionJob) -> AsyncGenerator[bytes, None]:
    first = True
    try:
        while (step := await recording.next()) is not None:
            if isinstance(step, TranscribedUtterance):
                yield _event(result.delta(step, first=first))
                first = False
            else:
                yield _comment(step)
    except PrompterError as error:
        yield _event(openai_error_of(error))
        return
    yield _event(result.done(recording.so_far))


def _event(body: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(body)


def _comment(progress: TranscriptionProgress) -> bytes:
    """How far it is, for whoever wants to know: clients skip comments."""
    told = {"done_s": round(progress.done_s, 1), "duration_s": progress.duration_s}
    return b": progress %s\n\n" % orjson.dumps(told)
