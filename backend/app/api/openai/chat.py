"""`POST /v1/chat/completions`: any model in OpenAI's format, whole or as a stream of chunks."""

from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import CallerDep, ConnectionOwnerDep, ResourcesDep
from app.api.headers import OMITTED_TOOLS_HEADER, write_tool_names
from app.api.sse import EventStream, cancel_on_disconnect
from app.core.errors import BadRequest
from app.schemas.openai_chat import ChatCompletionIn, ChatCompletionOut, ChatMessageIn
from app.schemas.openai_errors import describe_openai_error
from app.services.llm.completion import ChatCompletion, CompletionRequest

router = APIRouter(prefix="/v1", tags=["openai"])

_STREAM_EXAMPLE = (
    'data: {"id":"chatcmpl-5f0c","object":"chat.completion.chunk","created":1795190400,"model":"echo","choices":'
    '[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n'
    'data: {"id":"chatcmpl-5f0c","object":"chat.completion.chunk","created":1795190400,"model":"echo","choices":'
    '[{"index":0,"delta":{"content":"Say hello"},"logprobs":null,"finish_reason":null}]}\n\n'
    'data: {"id":"chatcmpl-5f0c","object":"chat.completion.chunk","created":1795190400,"model":"echo","choices":'
    '[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)
_HOST = "'api.example.com'"
ERRORS: dict[int | str, dict[str, Any]] = {
    400: describe_openai_error(
        "Cannot be asked",
        bad_request=("bad_request", "`messages`: field required", 400, "messages"),
        context_length_exceeded=(
            "context_length_exceeded",
            f"the upstream {_HOST} can read fewer tokens than these messages have; send less",
            400,
            "messages",
        ),
    ),
    401: describe_openai_error(
        "The upstream refuses the server's key",
        upstream_unauthorized=(
            "upstream_unauthorized",
            f"the upstream {_HOST} did not accept the API key (status 401); check api_key",
            401,
            None,
        ),
    ),
    403: describe_openai_error(
        "This Origin, Host or address may not ask, or the upstream says so of the server's key",
        not_allowed=("not_allowed", "this web origin is not allowed; add it to allowed_origins", 403, None),
    ),
    404: describe_openai_error(
        "No such model",
        model_not_found=(
            "model_not_found",
            "there is no model of this name; GET /v1/models lists those there are",
            404,
            "model",
        ),
    ),
    408: describe_openai_error(
        "The body did not come",
        idle_timeout=(
            "idle_timeout",
            "the body brought nothing for 30 s (limits.request_s); send it again",
            408,
            None,
        ),
    ),
    413: describe_openai_error(
        "The body is over the limit",
        message_too_big=(
            "message_too_big",
            "a body holds at most 20971520 bytes here (limits.chat_bytes); send less at a time",
            413,
            None,
        ),
    ),
    429: describe_openai_error(
        "The upstream wants fewer requests; see `Retry-After`",
        rate_limit_exceeded=(
            "rate_limit_exceeded",
            f"the upstream {_HOST} wants fewer requests; try again in 20 s",
            429,
            None,
        ),
    ),
    502: describe_openai_error(
        "The upstream failed, or its answer broke off",
        upstream_error=("upstream_error", f"the upstream {_HOST} answered with status 500", 502, None),
    ),
    503: describe_openai_error(
        "The provider cannot be used yet: it loads its model, or is not configured",
        upstream_loading=(
            "upstream_loading",
            f"the upstream {_HOST} is loading its model; try again in 5 s",
            503,
            None,
        ),
    ),
    504: describe_openai_error(
        "The upstream did not answer in time",
        upstream_timeout=("upstream_timeout", f"the upstream {_HOST} did not answer in time", 504, None),
    ),
    "default": describe_openai_error("Any other error, in the same shape"),
}
"""The errors of whatever asks a model under /v1."""
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ChatCompletionOut,
        "description": "The answer; with `stream: true` as `chat.completion.chunk` events and `[DONE]`. A stream that "
        "breaks tells an `error` event before `[DONE]`",
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    **ERRORS,
}
URL_SCHEMES = ("https://", "http://", "data:")
"""How a URL in a message may begin."""


async def open_completion(
    body: ChatCompletionIn,
    request: Request,
    resources: ResourcesDep,
    caller: CallerDep,
    owner: ConnectionOwnerDep,
) -> AsyncGenerator[ChatCompletion, None]:
    """The completion, opened if it is streamed, and closed when all is sent."""
    _check_find_urls(body.messages)
    await check_surrogates(request)
    usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    completion = await resources.completions.start(
        CompletionRequest(
            body.model,
            body.model_dump(exclude_unset=True),
            include_usage=usage,
            caller=caller,
            connections_of=owner,
        )
    )
    try:
        if body.stream:
            await cancel_on_disconnect(request, completion.open())
        yield completion
    finally:
        await completion.aclose()


@router.post(
    "/chat/completions",
    response_class=Response,
    responses=_RESPONSES,
    summary="Ask a model in OpenAI's words",
)
async def chat_completions(
    body: ChatCompletionIn,
    request: Request,
    resources: ResourcesDep,
    completion: Annotated[ChatCompletion, Depends(open_completion)],
) -> Response:
    """Send a conversation to any model of `/v1/models` and get its answer; tools and images are supported.

    A field that names an address or a key is refused. When the client leaves, the upstream's work ends within a
    second.
    """
    response: Response
    if body.stream:
        response = EventStream(completion.events(), slow_reader_s=resources.settings.limits.slow_reader_s)
    else:
        answer = await cancel_on_disconnect(request, completion.whole())
        response = Response(orjson.dumps(answer), media_type="application/json")
    if completion.omitted_tools:
        response.headers[OMITTED_TOOLS_HEADER] = write_tool_names(completion.omitted_tools)
    return response


def _check_find_urls(messages: list[ChatMessageIn]) -> None:
    """Allow only web and data URLs: the upstream may fetch them, this server fetches none."""
    for at, message in enumerate(messages):
        for part in message.content if isinstance(message.content, list) else ():
            for url in _find_urls(part.model_extra or {}):
                if not url.strip().lower().startswith(URL_SCHEMES):
                    raise BadRequest(
                        "a URL in a message must begin with https://, http:// or data:",
                        param=f"messages[{at}].content",
                    )


def _find_urls(fields: dict[str, Any]) -> Iterator[str]:
    """The URLs of a part: `image_url`, `video_url`, `file_url` …, plain or as an object with `url`."""
    for name, value in fields.items():
        inside = (value.get("url"), value.get("file_url")) if isinstance(value, dict) else (value,)
        for found in inside:
            if isinstance(found, str) and ("url" in name or isinstance(value, dict)):
                yield found


async def check_surrogates(request: Request) -> None:
    """Refuse half of a surrogate pair: JSON can carry it, UTF-8 cannot, so no upstream could get it."""
    raw = await request.body()
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise BadRequest("a text holds half of a character (a lone surrogate); send whole ones") from None
