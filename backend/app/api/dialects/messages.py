"""`POST /v1/messages` and `/v1/messages/count_tokens`: any model in the format of Anthropic's Messages."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import CallerDep, ConnectionOwnerDep, ResourcesDep
from app.api.dialects.completions import OpenAnswer, Translation, open_answer, read_fields, send_answer
from app.api.dialects.messages_input import estimate_input_tokens, read_messages_request
from app.api.dialects.messages_output import MessageWriter, read_message_format
from app.schemas.anthropic_errors import describe_anthropic_error
from app.schemas.anthropic_messages import AnthropicMessageOut, MessagesIn, TokenCountIn, TokenCountOut

router = APIRouter(prefix="/v1/messages", tags=["anthropic"])

_HOST = "'api.example.com'"
_STREAM_EXAMPLE = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Say hello"}}\n\n'
)
_BAD_REQUEST = describe_anthropic_error(
    "Cannot be asked",
    bad_request=("bad_request", "`messages`: field required", 400),
    context_length_exceeded=(
        "context_length_exceeded",
        f"prompt is too long: the upstream {_HOST} can read fewer tokens than these messages have; send less",
        400,
    ),
)
_TOO_BIG = describe_anthropic_error(
    "The body is over the limit",
    message_too_big=(
        "message_too_big",
        "a body holds at most 20971520 bytes here (limits.chat_bytes); send less at a time",
        413,
    ),
)
_NOT_ALLOWED = describe_anthropic_error(
    "This Origin, Host or address may not ask, or the upstream says so of the server's key",
    not_allowed=("not_allowed", "this web origin is not allowed; add it to allowed_origins", 403),
)
_NO_BODY = describe_anthropic_error(
    "The body did not come",
    idle_timeout=("idle_timeout", "the body brought nothing for 30 s (limits.request_s); send it again", 408),
)
_ANY_OTHER = describe_anthropic_error("Any other error, in the same shape")
_MESSAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "model": AnthropicMessageOut,
        "description": "The message; with `stream: true` as events in Anthropic's order. A stream that breaks ends "
        "with an `error` event",
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    400: _BAD_REQUEST,
    401: describe_anthropic_error(
        "The upstream refuses the server's key",
        upstream_unauthorized=(
            "upstream_unauthorized",
            f"the upstream {_HOST} did not accept the API key (status 401); check api_key",
            401,
        ),
    ),
    403: _NOT_ALLOWED,
    404: describe_anthropic_error(
        "No such model",
        model_not_found=(
            "model_not_found",
            "there is no model of this name; GET /v1/models lists those there are",
            404,
        ),
    ),
    408: _NO_BODY,
    413: _TOO_BIG,
    429: describe_anthropic_error(
        "The upstream wants fewer requests; see `Retry-After`",
        rate_limit_exceeded=(
            "rate_limit_exceeded",
            f"the upstream {_HOST} wants fewer requests; try again in 20 s",
            429,
        ),
    ),
    502: describe_anthropic_error(
        "The upstream failed, or its answer broke off",
        upstream_error=("upstream_error", f"the upstream {_HOST} answered with status 500", 502),
    ),
    503: describe_anthropic_error(
        "The provider cannot be used yet: it loads its model, or is not configured",
        upstream_loading=(
            "upstream_loading",
            f"the upstream {_HOST} is loading its model; try again in 5 s",
            503,
        ),
    ),
    504: describe_anthropic_error(
        "The upstream did not answer in time",
        upstream_timeout=("upstream_timeout", f"the upstream {_HOST} did not answer in time", 504),
    ),
    "default": _ANY_OTHER,
}
_COUNT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The number"},
    400: _BAD_REQUEST,
    403: _NOT_ALLOWED,
    408: _NO_BODY,
    413: _TOO_BIG,
    "default": _ANY_OTHER,
}


async def open_message(
    body: MessagesIn, request: Request, resources: ResourcesDep, caller: CallerDep, owner: ConnectionOwnerDep
) -> AsyncGenerator[OpenAnswer, None]:
    """The answer, opened if it is streamed, and closed when all is sent."""
    fields = await read_fields(request, body)
    chat = read_messages_request(fields)
    form = read_message_format(fields, chat)
    translation = Translation(
        model=body.model,
        is_streamed=bool(body.stream),
        chat=chat,
        make_writer=lambda head: MessageWriter(head, form),
        may_drop_limit=True,
    )
    async with open_answer(translation, request, resources, caller, owner) as answer:
        yield answer


@router.post("", response_class=Response, responses=_MESSAGE, summary="Ask a model in Anthropic's words")
async def create_message(
    request: Request, resources: ResourcesDep, answer: Annotated[OpenAnswer, Depends(open_message)]
) -> Response:
    """Send a conversation to any model of `/v1/models` and get its answer; tools and images are supported.

    A field that names an address or a key is refused. When the client leaves, the upstream's work ends within a
    second.
    """
    return await send_answer(answer, request, resources)


@router.post("/count_tokens", responses=_COUNT, summary="How many tokens a conversation has")
async def count_tokens(body: TokenCountIn, request: Request) -> TokenCountOut:
    """Estimate the tokens of messages and tools. No model is asked: each counts in its own way."""
    chat = read_messages_request(await read_fields(request, body))
    return TokenCountOut(input_tokens=estimate_input_tokens(chat.body))
