"""What the routes of the dialects share: open a chat completion for a translated request, and send its answer."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from app.api.deps import Resources
from app.api.dialects.request_fields import ChatRequestBody
from app.api.headers import OMITTED_TOOLS_HEADER, write_tool_names
from app.api.sse import EventStream, cancel_on_disconnect, hold_answer
from app.core.errors import BadRequest
from app.core.security import Caller
from app.providers.upstream.codec import MAX_JSON_LEVELS, count_levels
from app.services.llm.completion import AnswerWriter, ChatCompletion, CompletionRequest
from app.services.llm.forwarding import check_surrogates


async def read_fields(request: Request, body: BaseModel) -> dict[str, Any]:
    """The fields of a body that has been checked, with its objects as JSON has them: UTF-8, numbers of 64 bits.

    Raises:
        BadRequest: a text holds half of a surrogate pair, or the body nests too deeply, or is JSON only by a looser
            reading.
    """
    raw = await request.body()
    check_surrogates(raw)
    try:
        found: dict[str, Any] = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequest("the body is not JSON; NaN and the like are no numbers of it") from None
    # Counting brackets costs a hundredth of walking the value, which almost no request needs.
    is_suspect = raw.count(b"[") + raw.count(b"{") > MAX_JSON_LEVELS
    if is_suspect and count_levels(found) > MAX_JSON_LEVELS:
        raise BadRequest(f"the body nests more than {MAX_JSON_LEVELS} levels; send less at a time")
    checked = {name: getattr(body, name) for name in type(body).model_fields if name in found}
    return found | {name: value for name, value in checked.items() if not isinstance(value, list | dict)}


class DialectWriter(AnswerWriter, Protocol):
    """An `AnswerWriter` that can also write a whole answer."""

    def make_whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The answer in the dialect, given a `chat.completion`."""
        ...


@dataclass(frozen=True, slots=True)
class Translation:
    """A request of a dialect, translated."""

    model: str | None
    is_streamed: bool
    chat: ChatRequestBody = field(repr=False)
    make_writer: Callable[[Mapping[str, Any]], DialectWriter]
    may_drop_limit: bool = False
    """Whether a token limit over the model's own may be left out: the dialect's clients must name one."""


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """An answer that is about to be sent; if it is streamed, its first piece has come."""

    completion: ChatCompletion
    translation: Translation


@asynccontextmanager
async def open_answer(
    translation: Translation, request: Request, resources: Resources, caller: Caller, owner: UUID | None
) -> AsyncGenerator[OpenAnswer, None]:
    """The answer, opened if it is streamed, and closed when all is sent.

    Raises:
        BadRequest, ModelNotFound, ProviderNotReady, UpstreamError and its kinds
    """
    completion = await resources.completions.start(
        CompletionRequest(
            translation.model,
            translation.chat.body,
            caller=caller,
            connections_of=owner,
            may_drop_limit=translation.may_drop_limit,
            make_writer=translation.make_writer,
        )
    )
    async with hold_answer(request, completion, opens=translation.is_streamed):
        yield OpenAnswer(completion, translation)


async def send_answer(answer: OpenAnswer, request: Request, resources: Resources) -> Response:
    """The response with the answer, whole or as events, and with the names of the tools that were left out."""
    completion, translation = answer.completion, answer.translation
    response: Response
    if translation.is_streamed:
        response = EventStream(completion.events(), slow_reader_s=resources.settings.limits.slow_reader_s)
    else:
        whole = await cancel_on_disconnect(request, completion.whole())
        made = translation.make_writer(whole).make_whole(whole)
        response = Response(orjson.dumps(made), media_type="application/json")
    if omitted := [*translation.chat.tools.omitted, *completion.omitted_tools]:
        response.headers[OMITTED_TOOLS_HEADER] = write_tool_names(omitted)
    return response
