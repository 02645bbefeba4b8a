"""`POST /v1/audio/transcriptions` and `/translations`: the text of a recording, whole or in a stream of events."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import Resources, ResourcesDep
from app.api.openai.examples import BODY, RESPONSES
from app.api.openai.uploads import receive_upload
from app.api.slow_answer import SlowAnswer
from app.api.sse import EventStream, hold_answer
from app.core.errors import BadRequest, PrompterError
from app.schemas.openai_audio import TranscriptionIn, TranscriptionOut, VerboseTranscriptionOut
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
    task: Literal["transcribe", "translate"] = "transcribe"


@asynccontextmanager
async def _begin(
    request: Request, resources: Resources, task: Literal["transcribe", "translate"]
) -> AsyncIterator[OpenJob]:
    """Begin the work, so that a failure still has a status; it ends with the block."""
    async with (
        resources.transcriptions.reserve(),
        receive_upload(request, resources.settings.limits) as upload,
    ):
        asked = _read_request(upload.fields)
        if task == "translate":
            asked = replace(asked, lang=None, langs=(), translates=True)
        job = resources.transcriptions.create_job(upload.file, asked)
        async with hold_answer(request, job):
            yield OpenJob(job, upload.fields, task)


async def open_job(request: Request, resources: ResourcesDep) -> AsyncGenerator[OpenJob, None]:
    """Begin the transcription; close it when the answer is sent."""
    async with _begin(request, resources, "transcribe") as opened:
        yield opened


async def open_translation(request: Request, resources: ResourcesDep) -> AsyncGenerator[OpenJob, None]:
    """As `open_job`, of an engine that translates."""
    async with _begin(request, resources, "translate") as opened:
        yield opened


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


@router.post(
    "/audio/translations",
    response_class=Response,
    responses={status: answer for status, answer in RESPONSES.items() if status != 200}
    | {200: {"model": TranscriptionOut | VerboseTranscriptionOut, "description": "The text in English"}},
    openapi_extra={"requestBody": BODY},
    summary="Translate a recording into English",
)
async def translate(opened: Annotated[OpenJob, Depends(open_translation)]) -> Response:
    """Send a recording in any language and get its text in English, where the engine can.

    As `/v1/audio/transcriptions`, but whole: `stream` and `language` are ignored.
    """
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
        return _write(await opened.job.whole(), fields, opened.task)

    if fields.response_format in ("json", "verbose_json"):
        return SlowAnswer(work, media_type="application/json", filler=b" ", describe=_describe)
    head = VTT_HEAD.encode() if fields.response_format == "vtt" else b""
    return SlowAnswer(work, media_type="text/plain", filler=b"\n", head=head, describe=_describe)


def _write(
    transcript: RecordingTranscript, fields: TranscriptionIn, task: Literal["transcribe", "translate"]
) -> bytes:
    match fields.response_format:
        case "text":
            return f"{transcript.text}\n".encode()
        case "srt":
            return to_srt(transcript.fitted).encode()
        case "vtt":
            return to_vtt(transcript.fitted).encode()
        case "verbose_json":
            words = "word" in fields.timestamp_granularities
            return orjson.dumps(
                verbose_body(transcript, words=words, task=task).model_dump(exclude_none=True)
            )
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
