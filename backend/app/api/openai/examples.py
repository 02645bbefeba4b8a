"""`POST /v1/audio/transcriptions` in the API description: its body, which is read by hand, and its answers."""

from typing import Any

from app.schemas.openai_audio import (
    TranscriptionIn,
    TranscriptionJsonIn,
    TranscriptionOut,
    VerboseTranscriptionOut,
)
from app.schemas.openai_errors import describe_openai_error

_STREAM_EXAMPLE = (
    ': progress {"done_s":0.0,"duration_s":3.43}\n\n'
    'data: {"type":"transcript.text.delta","delta":"Send an email.","start":0.42,"end":1.9}\n\n'
    'data: {"type":"transcript.text.done","text":"Send an email.","usage":{"type":"duration","seconds":3.43}}\n\n'
)


def _schema(model: type[TranscriptionIn]) -> dict[str, Any]:
    """The schema of a body without references: each is replaced by its definition."""
    schema = model.model_json_schema()
    defined = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        if reference := field.pop("$ref", None):
            schema["properties"][name] = {**defined[reference.rsplit("/", 1)[1]], **field}
    return schema


_FORM = _schema(TranscriptionIn)
_FORM["properties"]["file"] = {
    "type": "string",
    "format": "binary",
    "description": "wav, mp3, m4a/mp4, aac, ogg, webm/matroska or flac, whatever its name says",
}
_FORM["required"] = ["file"]
_JSON = _schema(TranscriptionJsonIn)
_JSON["required"] = ["input_audio"]

BODY: dict[str, Any] = {
    "required": True,
    "description": "Lists may be named with or without `[]`; the form may come in chunks, without its length",
    "content": {"multipart/form-data": {"schema": _FORM}, "application/json": {"schema": _JSON}},
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": TranscriptionOut | VerboseTranscriptionOut,
        "description": "The text, in the `response_format` asked for; with `stream: true` as `transcript.text.delta` "
        "events and a `transcript.text.done`. A stream that breaks ends with an `error` event",
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "Send an email.\n"},
            "text/event-stream": {"example": _STREAM_EXAMPLE},
        },
    },
    400: describe_openai_error(
        "Cannot be transcribed",
        audio_not_readable=(
            "audio_not_readable",
            "the file holds no sound; expected wav, mp3, m4a/mp4, aac, ogg, webm/matroska or flac",
            400,
            "file",
        ),
        language_not_supported=(
            "language_not_supported",
            "'pocketsphinx' understands en, not 'es'; name the engine 'whisper_local', or none",
            400,
            "language",
        ),
        bad_request=("bad_request", "`file`: field required, a recording with a file name", 400, "file"),
        invalid_base64=("invalid_base64", "`input_audio.data` is not valid base64", 400, "input_audio.data"),
    ),
    403: describe_openai_error(
        "This Origin, Host or address may not ask",
        not_allowed=("not_allowed", "this web origin is not allowed; add it to allowed_origins", 403, None),
    ),
    404: describe_openai_error(
        "No such engine",
        model_not_found=(
            "model_not_found",
            "there is no speech model of this name; known: whisper-1, auto, whisper_local, pocketsphinx",
            404,
            "model",
        ),
    ),
    408: describe_openai_error(
        "The upload stood still",
        idle_timeout=("idle_timeout", "the upload brought nothing for 30 s; send it again", 408, None),
    ),
    413: describe_openai_error(
        "Too big, or too long",
        message_too_big=(
            "message_too_big",
            "a recording lasts at most 14400 s (limits.upload_s); send it in parts",
            413,
            "file",
        ),
    ),
    500: describe_openai_error(
        "The engine failed",
        engine_failed=(
            "engine_failed",
            "the engine 'mine' failed; start again, or name another provider",
            500,
            None,
        ),
    ),
    503: describe_openai_error(
        "The engine cannot be used, or too many recordings are being transcribed; see `Retry-After`",
        server_full=(
            "server_full",
            "16 recordings are being transcribed (limits.uploads); try again in 5 s",
            503,
            None,
        ),
        provider_not_ready=(
            "provider_not_ready",
            "provider 'whisper_local' is not ready (no_model)",
            503,
            None,
        ),
    ),
    "default": describe_openai_error("Any other error, in the same shape"),
}
