"""The files in requests under `/v1`: attachments by their id, and files as base64, in the form that the model takes."""

import binascii
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from uuid import UUID

import anyio.to_thread
import pybase64

from app.core.config import Settings
from app.core.errors import BadRequest, ImagesNotSupported, InvalidBase64, NotFound, PrompterError
from app.services.attachments.attachments import Attachments
from app.services.attachments.parts import count_tokens, fence_file
from app.services.llm.abilities import LOCAL, find_sight, guess_reads_pdf
from app.services.llm.context import ResolvedModel
from app.services.llm.text_only import TextOnlyChat
from app.utils.ids import parse_id

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Taker:
    """Who is sent the parts, and what it takes."""

    owner: UUID | None
    sees: bool | None
    is_blind: bool
    """Its provider can take no picture, whatever the model is called."""
    reads_pdf: bool


class RequestFiles:
    """Replaces the parts of the kind `file`: a text becomes text, a picture a picture, an attachment what it has."""

    def __init__(self, settings: Settings, attachments: Attachments) -> None:
        self._most = settings.attachments.files
        self._attachments = attachments

    async def replace(self, body: Json, model: ResolvedModel, owner: UUID | None) -> Json:
        """The body with other messages; the same one where no message has a file or a picture.

        Raises:
            BadRequest: an id is no attachment's, or there are too many files.
            InvalidBase64, UnsupportedFile, FileNotReadable, AttachmentNotReady
            ImagesNotSupported: a picture for a provider that can take none.
        """
        messages = body.get("messages")
        if not isinstance(messages, list) or not any(map(_has_files, messages)):
            return body
        count = sum(_is_file(part) for message in messages for part in _list_parts(message))
        if count > self._most:
            raise BadRequest(
                f"a request has at most {self._most} files (attachments.files)", param="messages"
            )
        is_blind = isinstance(model.chat, TextOnlyChat) or model.provider == LOCAL
        taker = _Taker(
            owner=owner,
            sees=await find_sight(model),
            is_blind=is_blind,
            reads_pdf=not is_blind and guess_reads_pdf(model.model),
        )
        made = [await self._replace_in(message, at, taker) for at, message in enumerate(messages)]
        return {**body, "messages": made}

    async def _replace_in(self, message: Any, at: int, taker: _Taker) -> Any:
        if not _has_files(message):
            return message
        parts: list[Json] = []
        try:
            for part in message["content"]:
                parts += await self._replace_part(part, taker) if _is_file(part) else [part]
        except PrompterError as error:
            error.param = error.param if error.param not in (None, "file") else f"messages[{at}].content"
            raise
        if taker.is_blind and any(part.get("type") == "image_url" for part in parts):
            raise ImagesNotSupported(
                "this model sees no pictures: leave them out, or choose a model that does",
                param=f"messages[{at}].content",
            )
        if parts and all(part.get("type") == "text" and isinstance(part.get("text"), str) for part in parts):
            return {**message, "content": "\n\n".join(part["text"] for part in parts)}
        return {**message, "content": parts}

    async def _replace_part(self, part: Json, taker: _Taker) -> list[Json]:
        file: Json = part["file"]
        if (attachment_id := _find_id(file)) is not None:
            return await self._load_attachment(attachment_id, taker)
        data = file.get("file_data")
        if not isinstance(data, str):
            return [part]  # an address, or an id of the upstream
        name = file.get("filename")
        return await self._read_data(part, data, name if isinstance(name, str) else "file", taker)

    async def _load_attachment(self, attachment_id: UUID, taker: _Taker) -> list[Json]:
        try:
            if taker.owner is None:
                raise NotFound
            loaded = await self._attachments.load_one(taker.owner, attachment_id, taker.sees)
        except NotFound:
            raise BadRequest(
                "`file_id`: no attachment has this id; send the file with POST /api/attachments"
            ) from None
        pictures = [_make_picture(url) for url in loaded.pictures]
        return [{"type": "text", "text": loaded.text}, *pictures]

    async def _read_data(self, part: Json, data: str, name: str, taker: _Taker) -> list[Json]:
        media, _, encoded = data.partition(",") if data.startswith("data:") else ("", "", data)
        with tempfile.TemporaryFile() as opened:
            file = cast("BinaryIO", opened)
            await anyio.to_thread.run_sync(_decode, encoded, file)
            kind, read = await self._attachments.read_unkept(file, name)
        if kind.kind == "image":
            return [_make_picture(data if media else f"data:{kind.media_type};base64,{encoded}")]
        if read is None:
            raise BadRequest(
                "a recording is sent as `input_audio`, or to /v1/audio/transcriptions for its text"
            )
        if kind.format == "pdf" and taker.reads_pdf:
            return [part]
        if read.text is None:
            raise ImagesNotSupported(
                "this file has no text, only pictures; attach it to a conversation, or send its pages as pictures"
            )
        sent, total = count_tokens(len(read.text)), count_tokens(max(read.total_bytes, len(read.text)))
        text = read.text.decode("utf-8", "ignore")
        fenced = fence_file(name, kind.media_type, text, sent_tokens=sent, total_tokens=total)
        return [{"type": "text", "text": fenced}]


def _list_parts(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, list) else []


def _has_files(message: Any) -> bool:
    return any(_is_file(part) for part in _list_parts(message))


def _is_file(part: Any) -> bool:
    """Whether a part is a file that this server can read: its data, or an id of its own form."""
    if not isinstance(part, dict) or part.get("type") != "file" or not isinstance(part.get("file"), dict):
        return False
    return _find_id(part["file"]) is not None or isinstance(part["file"].get("file_data"), str)


def _find_id(file: Mapping[str, Any]) -> UUID | None:
    found = file.get("file_id")
    return parse_id(found) if isinstance(found, str) else None


def _make_picture(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def _decode(encoded: str, file: BinaryIO) -> None:
    try:
        file.write(pybase64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidBase64(
            "`file_data` is not valid base64; expected a data URL, or the standard alphabet with padding"
        ) from None
    file.flush()
