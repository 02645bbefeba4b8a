"""`POST /v1/responses`: any model in the format of OpenAI's Responses, stateless, whole or as a stream of events."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import CallerDep, ConnectionOwnerDep, ResourcesDep
from app.api.dialects.completions import OpenAnswer, Translation, open_answer, read_fields, send_answer
from app.api.dialects.responses_input import read_response_request
from app.api.dialects.responses_output import ResponseWriter, read_response_format
from app.schemas.openai_errors import CHAT_ERRORS, describe_openai_error
from app.schemas.openai_responses import ResponseIn, ResponseOut

router = APIRouter(prefix="/v1", tags=["openai"])

_STREAM_EXAMPLE = (
    "event: response.output_text.delta\n"
    'data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_5f0c00","output_index":0,'
    '"content_index":0,"delta":"Say hello","logprobs":[]}\n\n'
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **CHAT_ERRORS,
    200: {
        "model": ResponseOut,
        "description": "The response; with `stream: true` as `response.…` events in OpenAI's order. A stream that "
        "breaks ends with `response.failed`",
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    400: describe_openai_error(
        "Cannot be asked",
        bad_request=("bad_request", "`input`: field required", 400, "input"),
        previous_response_not_found=(
            "previous_response_not_found",
            "no response is stored here, so there is no previous one; send the whole conversation as `input`",
            400,
            "previous_response_id",
        ),
    ),
}


async def open_response(
    body: ResponseIn, request: Request, resources: ResourcesDep, caller: CallerDep, owner: ConnectionOwnerDep
) -> AsyncGenerator[OpenAnswer, None]:
    """The answer, opened if it is streamed, and closed when all is sent."""
    fields = await read_fields(request, body)
    chat = read_response_request(fields)
    form = read_response_format(fields, chat)
    translation = Translation(
        model=body.model,
        is_streamed=bool(body.stream),
        chat=chat,
        make_writer=lambda head: ResponseWriter(head, form),
    )
    async with open_answer(translation, request, resources, caller, owner) as answer:
        yield answer


@router.post(
    "/responses",
    response_class=Response,
    responses=_RESPONSES,
    summary="Ask a model in the words of OpenAI's Responses",
)
async def create_response(
    request: Request, resources: ResourcesDep, answer: Annotated[OpenAnswer, Depends(open_response)]
) -> Response:
    """Send a conversation to any model of `/v1/models` and get a response; tools and images are supported.

    Nothing is stored: `input` holds the whole conversation, and what a response holds may be sent back in it. A field
    that names an address or a key is refused.
    """
    return await send_answer(answer, request, resources)
