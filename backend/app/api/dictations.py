"""`/api/dictations`: list, read, export, hear again and delete the caller's dictations."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.deps import CallerDep, RequestKeyDep, Resources, ResourcesDep
from app.api.responses import MALFORMED, NEXT_PAGE_LINK, STORAGE, link_next_page, parse_range
from app.schemas.dictations import (
    BEGINNING_CHARS,
    DictationChangeIn,
    DictationDeletedOut,
    DictationDetailOut,
    DictationOut,
    RedoIn,
    StoredFinalOut,
    VersionDetailOut,
    VersionOut,
)
from app.schemas.errors import ErrorBody, describe_answer, describe_error
from app.services.dictation.redo import RedoRequest, Version
from app.services.history.dictations import (
    MEDIA_TYPES,
    FinalsFormat,
    StoredDictation,
    StoredFinal,
    format_finals,
    tell_state,
)
from app.services.transcription.request import (
    parse_listed_languages,
    parse_named_language,
    parse_vocabulary,
)
from app.utils.ids import parse_id
from app.utils.joining import join_texts

router = APIRouter(prefix="/api/dictations", tags=["dictations"])

_GONE = describe_error(
    "You have no such dictation",
    "not_found",
    "no dictation has this id; list yours with GET /api/dictations",
)


_NO_AUDIO = describe_error(
    "You have no such dictation, or its audio is not kept, or not any more",
    "audio_not_kept",
    "the audio of this dictation is not here: it is kept once the dictation has ended, for its user and for a time",
)
AUDIO_TYPES: dict[Literal["wav", "flac"], str] = {"wav": "audio/wav", "flac": "audio/flac"}

ExportFormat = Annotated[
    Literal["json", "txt", "srt", "vtt"],
    Query(description="`json`; `txt`: a line for each final; `srt` or `vtt`: subtitles"),
]


def _describe_export(what: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that gives finals in any `ExportFormat`."""
    return {
        **describe_answer(f"The {what} with its finals, or a file with the finals"),
        200: {
            "description": f"The {what} with its finals; with `format` a file with the finals",
            "content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()},
        },
    }


_BEHIND_THE_END = "the range begins behind the end of the audio; Content-Range has its length"


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
    """Return one page. A dictation is listed from its first audio on, and no more if it ends without any text."""
    page = await resources.dictations.list_page(caller.user_id, limit=limit, before=before, q=q)
    if page.next_before is not None:
        query = {"limit": limit, "before": page.next_before, **({"q": q} if q else {})}
        link_next_page(response, "/api/dictations", query)
    return [DictationOut(**_describe(dictation, resources)) for dictation in page.items]


@router.get(
    "/{dictation_id}",
    summary="Read or export a dictation",
    response_model=DictationDetailOut,
    responses={
        **_describe_export("dictation"),
        400: MALFORMED,
        404: _GONE,
        **STORAGE,
    },
)
async def get_dictation(
    dictation_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    format: ExportFormat = "json",  # noqa: A002  # the word on the wire
) -> DictationDetailOut | Response:
    """Return the finals as they were sent to the client. A dictation that goes on has its finals so far."""
    dictation, finals = await resources.dictations.get(caller.user_id, dictation_id)
    if format == "json":
        return _detail(dictation, finals, resources)
    return _export(finals, format, dictation.started_at)


@router.patch(
    "/{dictation_id}",
    summary="Choose the version that is shown",
    responses={**describe_answer("The dictation as it is shown now"), 400: MALFORMED, 404: _GONE, **STORAGE},
)
async def change_dictation(
    dictation_id: str, body: DictationChangeIn, caller: CallerDep, resources: ResourcesDep
) -> DictationDetailOut:
    """All versions are kept. A version that is done and has words is shown at once; this goes back, or to another."""
    await resources.redo.choose(caller.user_id, dictation_id, body.current_version)
    dictation, finals = await resources.dictations.get(caller.user_id, dictation_id)
    return _detail(dictation, finals, resources)


@router.get(
    "/{dictation_id}/audio",
    summary="Hear a dictation",
    response_class=Response,
    responses={
        200: {
            "description": "The whole audio, mono. WAV takes `Range`; FLAC is half as large and comes whole",
            "content": {
                media: {"schema": {"type": "string", "format": "binary"}} for media in AUDIO_TYPES.values()
            },
        },
        206: {
            "description": "The part of the WAV file that `Range` asks for",
            "content": {AUDIO_TYPES["wav"]: {"schema": {"type": "string", "format": "binary"}}},
        },
        400: MALFORMED,
        404: _NO_AUDIO,
        416: describe_error(
            "`Range` begins behind the end; `Content-Range` has the length", "http_error", _BEHIND_THE_END
        ),
        **STORAGE,
    },
)
async def get_dictation_audio(
    dictation_id: str,
    request: Request,
    caller: CallerDep,
    resources: ResourcesDep,
    format: Annotated[  # noqa: A002  # the word on the wire
        Literal["wav", "flac"], Query(description="`wav` or `flac`; both have every sample")
    ] = "wav",
) -> Response:
    """The times of its finals and words are positions in it."""
    audio = await resources.audio.get(caller.user_id, dictation_id)
    headers = {
        "Cache-Control": "no-store",
        "Accept-Ranges": "bytes" if format == "wav" else "none",
        "Content-Disposition": f'inline; filename="dictation-{audio.started_at:%Y-%m-%d-%H%M}.{format}"',
    }
    if format == "flac":
        return _send(resources.audio.pack(audio), AUDIO_TYPES[format], headers)
    size = audio.wav_bytes
    asked = parse_range(request.headers.get("Range"), size) if "If-Range" not in request.headers else None
    if asked is None:
        first, end, status = 0, size, 200
    elif asked.start >= size:
        raise HTTPException(416, _BEHIND_THE_END, {"Content-Range": f"bytes */{size}"})
    else:
        first, end, status = asked.start, asked.stop, 206
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - first)
    return _send(resources.audio.read_wav(audio, first, end), AUDIO_TYPES[format], headers, status)


def _send(
    pieces: AsyncIterator[bytes], media_type: str, headers: dict[str, str], status: int = 200
) -> StreamingResponse:
    return StreamingResponse(pieces, status_code=status, media_type=media_type, headers=headers)


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


@router.post(
    "/{dictation_id}/redo",
    status_code=202,
    summary="Hear a dictation again",
    responses={
        202: {"description": "The new version, which is being made"},
        400: describe_error(
            "A body that cannot be read, or an engine, model or language that is not there",
            "unknown_model",
            "'whisper_local' has no such model; known: base",
        ),
        404: describe_error(
            "You have no such dictation, or its audio is not kept",
            "audio_not_kept",
            "the audio of this dictation is not kept; it is there for 24 hours (storage.audio_hours), where its user"
            " keeps audio",
        ),
        409: describe_error(
            "It is being heard again already, or the key was sent with another request",
            "redo_under_way",
            "this dictation is being heard again; wait for that version, or delete it",
        ),
        **STORAGE,
    },
)
async def redo_dictation(
    dictation_id: str, body: RedoIn, caller: CallerDep, resources: ResourcesDep, request_key: RequestKeyDep
) -> VersionOut:
    """The same audio through another engine, model or language, as a recording: live speech goes first.

    Ask `GET /api/dictations/{dictation_id}/versions/{version_id}` how far it is. It goes on without its client.
    """
    request = RedoRequest(
        provider=body.provider or None,
        model=body.model or None,
        lang=parse_named_language(body.lang, "lang"),
        langs=parse_listed_languages(body.langs),
        vocabulary=parse_vocabulary("", body.vocabulary),
    )
    version = await resources.redo.begin(caller.user_id, dictation_id, request, request_key)
    return VersionOut(**_describe_version(version))


@router.get(
    "/{dictation_id}/versions",
    summary="List the versions of a dictation",
    responses={
        **describe_answer("What was heard live, then each time it was heard again"),
        404: _GONE,
        **STORAGE,
    },
)
async def list_versions(dictation_id: str, caller: CallerDep, resources: ResourcesDep) -> list[VersionOut]:
    """All versions with their texts, to compare them."""
    dictation, finals, versions = await resources.redo.list_all(caller.user_id, dictation_id)
    live = VersionOut(**_describe_live(dictation, finals, versions))
    return [live, *(VersionOut(**_describe_version(version)) for version in versions)]


@router.get(
    "/{dictation_id}/versions/{version_id}",
    summary="Read or export a version",
    response_model=VersionDetailOut,
    responses={
        **_describe_export("version"),
        400: MALFORMED,
        404: _GONE,
        **STORAGE,
    },
)
async def get_version(
    dictation_id: str,
    version_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    format: ExportFormat = "json",  # noqa: A002  # the word on the wire
) -> VersionDetailOut | Response:
    """By the dictation's own id what was heard live. `done_ms` tells how far a version is that is being made."""
    fields, finals, started_at = await _find_version(resources, caller.user_id, dictation_id, version_id)
    if format == "json":
        return VersionDetailOut(**fields, items=_list_items(finals))
    return _export(finals, format, started_at)


@router.delete(
    "/{dictation_id}/versions/{version_id}",
    summary="Delete a version, or end the making of one",
    responses={**describe_answer("The version is deleted"), 404: _GONE, **STORAGE},
)
async def delete_version(
    dictation_id: str, version_id: str, caller: CallerDep, resources: ResourcesDep
) -> DictationDeletedOut:
    """What was heard live is deleted with the dictation alone. It is shown again where the deleted version was."""
    await resources.redo.delete(caller.user_id, dictation_id, version_id)
    return DictationDeletedOut(status="deleted")


@router.delete(
    "/{dictation_id}/audio",
    summary="Delete the audio of a dictation",
    responses={**describe_answer("The audio is deleted; the text stays"), 404: _GONE, **STORAGE},
)
async def delete_dictation_audio(
    dictation_id: str, caller: CallerDep, resources: ResourcesDep
) -> DictationDeletedOut:
    """Also where none is kept. What hears it again already goes on."""
    await resources.redo.delete_audio(caller.user_id, dictation_id)
    return DictationDeletedOut(status="deleted")


async def _find_version(
    resources: Resources, user_id: UUID, dictation_id: str, version_id: str
) -> tuple[dict[str, Any], Sequence[StoredFinal], datetime]:
    """Fields and finals of a version, and when the dictation began. Raises NotFound."""
    if parse_id(version_id) == parse_id(dictation_id):
        dictation, live, versions = await resources.redo.list_all(user_id, dictation_id)
        return _describe_live(dictation, live, versions), live, dictation.started_at
    version, finals, started_at = await resources.redo.get(user_id, dictation_id, version_id)
    return _describe_version(version), finals, started_at


def _describe(dictation: StoredDictation, resources: Resources) -> dict[str, Any]:
    state, audio = tell_state(dictation, resources.audio.find(dictation.user_id, dictation.id))
    return {
        "id": dictation.id,
        "session_id": dictation.session_label,
        "lang": dictation.lang,
        "provider": dictation.provider,
        "model": dictation.model,
        "started_at": dictation.started_at,
        "ended_at": dictation.ended_at,
        "state": state,
        "audio": None if audio is None else {"ms": audio.ms, "until": audio.until},
        "finals": dictation.finals,
        "text": dictation.first_text[:BEGINNING_CHARS],
        "current_version": dictation.version_id or dictation.id,
    }


def _detail(
    dictation: StoredDictation, finals: Sequence[StoredFinal], resources: Resources
) -> DictationDetailOut:
    fields = {**_describe(dictation, resources), "text": join_texts(final.part for final in finals)}
    return DictationDetailOut(**fields, items=_list_items(finals))


def _list_items(finals: Sequence[StoredFinal]) -> list[StoredFinalOut]:
    return [
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


def _describe_live(
    dictation: StoredDictation, finals: Sequence[StoredFinal], versions: Sequence[Version]
) -> dict[str, Any]:
    """What was heard live, as a version beside the further ones."""
    return {
        "id": dictation.id,
        "original": True,
        "current": not any(version.stored.is_current for version in versions),
        "status": "done",
        "provider": dictation.provider,
        "model": dictation.model,
        "lang": dictation.lang,
        "created_at": dictation.started_at,
        "ended_at": dictation.ended_at,
        "done_ms": None,
        "duration_ms": None,
        "error": None,
        "finals": len(finals),
        "text": join_texts(final.part for final in finals),
    }


def _describe_version(version: Version) -> dict[str, Any]:
    stored = version.stored
    return {
        "id": stored.id,
        "original": False,
        "current": stored.is_current,
        "status": stored.status,
        "provider": stored.provider,
        "model": stored.model,
        "lang": stored.lang,
        "created_at": stored.created_at,
        "ended_at": stored.ended_at,
        "done_ms": version.done_ms,
        "duration_ms": version.duration_ms,
        "error": stored.error and ErrorBody(**stored.error, request_id=None),
        "finals": stored.final_count,
        "text": stored.text,
    }


def _export(finals: Sequence[StoredFinal], format: FinalsFormat, started_at: datetime) -> Response:  # noqa: A002
    name = f"dictation-{started_at:%Y-%m-%d-%H%M}.{format}"
    return Response(
        format_finals(finals, format),
        media_type=f"{MEDIA_TYPES[format]}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
