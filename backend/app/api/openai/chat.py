"""`POST /v1/chat/completions`: any model in OpenAI's format, whole or as a stream of chunks."""

from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import CallerDep, ConnectionOwnerDep, ResourcesDep
from app.api.headers import OMITTED_TOOLS_HEADER, write_tool_names
from app.api.sse import EventStream, cancel_on_disconnect, hold_answer
from app.core.errors import BadRequest
from app.schemas.openai_chat import ChatCompletionIn, ChatCompletionOut, ChatMessageIn
from app.schemas.openai_errors import CHAT_ERRORS
from app.services.llm.completion import ChatCompletion, CompletionRequest
from app.services.llm.forwarding import URL_SCHEMES, check_surrogates

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
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ChatCompletionOut,
        "description": "The answer; with `stream: true` as `chat.completion.chunk` events and `[DONE]`. A stream that "
        "breaks tells an `error` event before `[DONE]`",
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    **CHAT_ERRORS,
}


async def open_completion(
    body: ChatCompletionIn,
    request: Request,
    resources: ResourcesDep,
    caller: CallerDep,
    owner: ConnectionOwnerDep,
) -> AsyncGenerator[ChatCompletion, None]:
    """The completion, opened if it is streamed, and closed when all is sent."""
    _check_find_urls(body.messages)
    check_surrogates(await request.body())
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
    async with hold_answer(request, completion, opens=bool(body.stream)):
        yield completion


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
