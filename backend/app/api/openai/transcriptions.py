"""`POST /v1/audio/transcriptions`: the text of a recording, as a whole or in a stream of events."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import ResourcesDep
from app.api.openai.examples import BODY, RESPONSES
from app.api.openai.uploads import receive_upload
from app.api.slow_answer import SlowAnswer
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
from app.utils.subtitles import VTT_HEAD, to_srt, to_vtt

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
async def transcribe(resources: ResourcesDep, opened: Annotated[OpenJob, Depends(open_job)]) -> Response:
    """Send a recording of any usual format and get its text.

    Live speech goes first: the more people speak, the longer a recording takes. Every 10 s without an answer white
    space is sent. A client that leaves ends the work within a second of the running call.
    """
    if opened.fields.stream:
        return EventStream(_events(opened.job), slow_reader_s=resources.settings.limits.slow_reader_s)
    return _answer(opened)


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


def _answer(opened: OpenJob) -> SlowAnswer:
    fields = opened.fields

    async def work() -> bytes:
        return _write(await opened.job.whole(), fields)

    if fields.response_format in ("json", "verbose_json"):
        return SlowAnswer(work, media_type="application/json", filler=b" ", describe=_describe)
    head = VTT_HEAD.encode() if fields.response_format == "vtt" else b""
    return SlowAnswer(work, media_type="text/plain", filler=b"\n", head=head, describe=_describe)


def _write(transcript: RecordingTranscript, fields: TranscriptionIn) -> bytes:
    match fields.response_format:
        case "text":
            return f"{transcript.text}\n".encode()
        case "srt":
            return to_srt(transcript.fitted).encode()
        case "vtt":
            return to_vtt(transcript.fitted).encode()
        case "verbose_json":
            words = "word" in fields.timestamp_granularities
            return orjson.dumps(verbose_body(transcript, words=words).model_dump(exclude_none=True))
    return orjson.dumps(plain_body(transcript).model_dump(exclude_none=True))


def _describe(error: PrompterError) -> bytes:
    return b"\n" + orjson.dumps(to_openai_error(error))


async def _events(job: TranscriptionJob) -> AsyncGenerator[bytes, None]:
    joiner = TextJoiner()
    last: TranscribedUtterance | None = None
    try:
        while (step := await job.next()) is not None:
            if isinstance(step, TranscribedUtterance):
                last = step
                yield _event(delta_event(step, joiner.push(step.part)))
            elif isinstance(step, TranscriptionProgress):
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
