"""`POST /v1/audio/transcriptions`: the text of a recording, as a whole or in a stream of events."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import PlainTextResponse

from app.api.deps import ResourcesDep
from app.api.openai.examples import BODY, RESPONSES
from app.api.openai.uploads import receive_upload
from app.api.sse import EventStream, cancel_on_disconnect
from app.core.errors import BadRequest, PrompterError
from app.schemas.openai_audio import TranscriptionIn
from app.schemas.openai_errors import to_openai_error
from app.services.transcription.job import TranscriptionJob
from app.services.transcription.request import (
    TranscriptionRequest,
    parse_listed_languages,
    parse_named_language,
    parse_silence_ms,
    parse_vocabulary,
)
from app.services.transcription.result import (
    RecordingTranscript,
    TranscribedUtterance,
    TranscriptionProgress,
    delta_event,
    done_event,
    plain_body,
    verbose_body,
)
from app.utils.joining import TextJoiner
from app.utils.subtitles import to_srt, to_vtt

router = APIRouter(prefix="/v1", tags=["openai"])

_SUBTITLES = ("srt", "vtt")


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A transcription that has begun, and the fields of its request."""

    job: TranscriptionJob
    fields: TranscriptionIn


async def open_job(request: Request, resources: ResourcesDep) -> AsyncGenerator[OpenJob, None]:
    """Begin the transcription, so that a failure still has a status; close it when the answer is sent."""
    async with (
        resources.transcriptions.reserve(),
        receive_upload(request, resources.settings.limits) as upload,
    ):
        job = resources.transcriptions.create_job(upload.file, _read_request(upload.fields))
        try:
            await cancel_on_disconnect(request, job.open())
            yield OpenJob(job, upload.fields)
        finally:
            await job.aclose()


@router.post(
    "/audio/transcriptions",
    response_class=Response,
    responses=RESPONSES,
    openapi_extra={"requestBody": BODY},
    summary="Transcribe a recording",
)
async def transcribe(
    request: Request, resources: ResourcesDep, opened: Annotated[OpenJob, Depends(open_job)]
) -> Response:
    """Send a recording of any usual format and get its text.

    Live speech goes first: the more people speak, the longer a recording takes. A client that leaves ends the work
    within a second of the running call.
    """
    if opened.fields.stream:
        return EventStream(_events(opened.job), slow_reader_s=resources.settings.limits.slow_reader_s)
    return _answer(await cancel_on_disconnect(request, opened.job.whole()), opened.fields)


def _read_request(fields: TranscriptionIn) -> TranscriptionRequest:
    if fields.response_format == "diarized_json":
        raise BadRequest(
            "`response_format` 'diarized_json' needs an engine that tells speakers apart, and there is none here;"
            " take 'verbose_json'",
            param="response_format",
        )
    words = fields.response_format in _SUBTITLES or "word" in fields.timestamp_granularities
    return TranscriptionRequest(
        model=fields.model.strip(),
        lang=parse_named_language(fields.language),
        langs=parse_listed_languages(fields.languages),
        words=words and fields.response_format not in ("json", "text"),
        vocabulary=parse_vocabulary(fields.prompt, fields.keywords),
        silence_ms=parse_silence_ms(fields.chunking_strategy),
    )


def _answer(transcript: RecordingTranscript, fields: TranscriptionIn) -> Response:
    match fields.response_format:
        case "text":
            return PlainTextResponse(transcript.text + "\n")
        case "srt":
            return PlainTextResponse(to_srt(transcript.utterances))
        case "vtt":
            return PlainTextResponse(to_vtt(transcript.utterances))
        case "verbose_json":
            words = "word" in fields.timestamp_granularities
            return _json(verbose_body(transcript, words=words).model_dump(exclude_none=True))
    return _json(plain_body(transcript).model_dump())


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


async def _events(job: TranscriptionJob) -> AsyncGenerator[bytes, None]:
    joiner = TextJoiner()
    last: TranscribedUtterance | None = None
    try:
        while (step := await job.next()) is not None:
            if isinstance(step, TranscribedUtterance):
                last = step
                yield _event(delta_event(step, joiner.push(step.part)))
            else:
                yield _comment(step)
    except PrompterError as error:
        yield _event(to_openai_error(error))
        return
    if last is not None and (marks := joiner.finish()):
        yield _event(delta_event(last, marks))
    yield _event(done_event(job.so_far))


def _event(body: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(body)


def _comment(progress: TranscriptionProgress) -> bytes:
    """The progress as an SSE comment: clients skip it, and people who watch the stream see it."""
    body = {"done_s": round(progress.done_s, 1), "duration_s": progress.duration_s}
    return b": progress %s\n\n" % orjson.dumps(body)
