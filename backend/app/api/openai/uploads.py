"""Reads the upload of a recording, a form or JSON, into a temporary file that ends with the request."""

import binascii
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

import anyio.to_thread
import orjson
import pybase64
from fastapi import HTTPException, Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from app.core.config import LimitSettings
from app.core.errors import BadRequest, InvalidBase64, MessageTooBig, PrompterError
from app.schemas.openai_audio import TranscriptionIn, TranscriptionJsonIn
from app.utils.validation import explain_validation

FIELDS_BYTES = 1 << 20
"""Most bytes of all fields of a form together, without the file."""
MAX_FIELDS = 1000
MAX_FILES = 4
"""Some clients send the recording once more under the name that another service gives it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording and the fields of its request."""

    file: BinaryIO
    """Without a name, on disk from a megabyte on. `receive_upload` closes it."""
    fields: TranscriptionIn


@asynccontextmanager
async def receive_upload(request: Request, limits: LimitSettings) -> AsyncIterator[Upload]:
    """Read the request's body. The file is closed when the block ends.

    Raises:
        BadRequest, InvalidBase64, MessageTooBig
        HTTPException: the client has left, or is too slow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await read_form(request)
        try:
            yield Upload(_file_of(form), _fields_of(form))
        finally:
            await form.close()
    elif kind == "application/json":
        with tempfile.TemporaryFile() as file:
            fields = await _from_json(request, limits.chat_bytes, file)
            yield Upload(cast("BinaryIO", file), fields)
    else:
        raise BadRequest("send multipart/form-data with a `file`, or JSON with `input_audio`")


class _Form(MultiPartParser):
    """Bounds the size of all fields together: a bound for each would still add up."""

    _fields_bytes = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self._fields_bytes += end - start
            if self._fields_bytes > FIELDS_BYTES:
                raise MultiPartException("the fields hold too much")
        super().on_part_data(data, start, end)


async def read_form(request: Request) -> FormData:
    parser = _Form(
        request.headers,
        _body(request),
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=FIELDS_BYTES,
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        # The framework's words; a form has few files, and fields of at most a megabyte.
        raise BadRequest(
            f"the form cannot be read ({error.message.rstrip('.').lower()}); send one `file`, and fields of"
            f" at most {FIELDS_BYTES} bytes"
        ) from None


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    """The body in chunks, as they arrive."""
    stream = request.stream()
    while True:
        try:
            chunk = await anext(stream, None)
        except ClientDisconnect:
            raise HTTPException(499, "the client has left") from None
        if chunk is None:
            return
        yield chunk


def _file_of(form: FormData) -> BinaryIO:
    files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
    if not files:
        raise BadRequest("`file`: field required, a recording with a file name", param="file")
    if len(files) > 1:
        raise BadRequest("`file`: one recording is expected; send one request for each", param="file")
    return files[0].file


def _fields_of(form: FormData) -> TranscriptionIn:
    """The fields of a form. A list is named `keywords` or `keywords[]`, an object's field `chunking_strategy[type]`."""
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if not isinstance(value, str):
            continue
        outer, bracket, inner = name.partition("[")
        inner = inner.rstrip("]")
        if bracket and inner:
            there = fields.get(outer)
            fields[outer] = {**(there if isinstance(there, dict) else {}), inner: value}
        elif bracket:
            there = fields.get(outer)
            fields[outer] = [*(there if isinstance(there, list) else []), value]
        elif outer in fields and isinstance(fields[outer], str):
            fields[outer] = [fields[outer], value]
        elif outer in fields and isinstance(fields[outer], list):
            fields[outer].append(value)
        else:
            fields[outer] = value
    return _validate(TranscriptionIn, fields)


async def _from_json(request: Request, limit_bytes: int, file: IO[bytes]) -> TranscriptionIn:
    """Write the recording to `file`, return the other fields. The body is held in memory: it must be short."""
    body = bytearray()
    async for chunk in _body(request):
        body += chunk
        if len(body) > limit_bytes:
            raise MessageTooBig(
                f"a JSON body holds at most {limit_bytes} bytes (limits.chat_bytes); send multipart/form-data"
            )
    return await anyio.to_thread.run_sync(_unpack, body, file)


def _unpack(body: bytearray, file: IO[bytes]) -> TranscriptionIn:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("the body is not JSON") from None
    fields = _validate(TranscriptionJsonIn, parsed)
    assert isinstance(fields, TranscriptionJsonIn)
    data = fields.input_audio.data
    if data.startswith("data:"):
        data = data.partition(",")[2]
    try:
        file.write(pybase64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidBase64(
            "`input_audio.data` is not valid base64; expected the standard alphabet with padding",
            param="input_audio.data",
        ) from None
    return fields


def _validate(model: type[TranscriptionIn], fields: Any) -> TranscriptionIn:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        place = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
        refusal: PrompterError = BadRequest(explain_validation(error), param=str(place[0]) if place else None)
        raise refusal from None
