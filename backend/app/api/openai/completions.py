"""`POST /v1/completions`: a chat model's answer as plain text, for clients of OpenAI's older format."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import CallerDep, ConnectionOwnerDep, ResourcesDep
from app.api.sse import EventStream, cancel_on_disconnect, hold_answer
from app.core.errors import BadRequest
from app.schemas.openai_errors import CHAT_ERRORS, describe_openai_error
from app.schemas.openai_text import MOST_PROMPTS, TextCompletionIn, TextCompletionOut
from app.services.llm.completion import CompletionRequest
from app.services.llm.prompt_completion import PromptCompletion, make_chat_bodies, start_prompt_completion

router = APIRouter(prefix="/v1", tags=["openai"])

_STREAM_EXAMPLE = (
    'data: {"id":"cmpl-5f0c","object":"text_completion","created":1795190400,"model":"echo","choices":'
    '[{"text":"Say hello","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
    'data: {"id":"cmpl-5f0c","object":"text_completion","created":1795190400,"model":"echo","choices":'
    '[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **CHAT_ERRORS,
    200: {
        "model": TextCompletionOut,
        "description": "The answer; with `stream: true` as events and `[DONE]`",
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    400: describe_openai_error(
        "Cannot be asked",
        bad_request=("bad_request", "`suffix`: chat models fill no gaps; leave it out", 400, "suffix"),
    ),
}


async def open_prompt_completion(
    body: TextCompletionIn,
    request: Request,
    resources: ResourcesDep,
    caller: CallerDep,
    owner: ConnectionOwnerDep,
) -> AsyncGenerator[PromptCompletion, None]:
    """The completion, opened if it is streamed, and closed when all is sent."""
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if len(prompts) > MOST_PROMPTS:
        raise BadRequest(
            f"`prompt`: at most {MOST_PROMPTS} texts in one request; send the others in the next",
            param="prompt",
        )
    usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    bodies = make_chat_bodies(body.model_dump(exclude_unset=True))
    completion = await start_prompt_completion(
        resources.completions,
        [CompletionRequest(body.model, each, caller=caller, connections_of=owner) for each in bodies],
        echoed=[prompt for prompt in prompts for _ in range(body.n or 1)] if body.echo else [],
        include_usage=usage,
    )
    async with hold_answer(request, completion, opens=bool(body.stream)):
        yield completion


@router.post(
    "/completions",
    response_class=Response,
    responses=_RESPONSES,
    summary="Complete a text",
)
async def text_completions(
    body: TextCompletionIn,
    request: Request,
    resources: ResourcesDep,
    completion: Annotated[PromptCompletion, Depends(open_prompt_completion)],
) -> Response:
    """Send a prompt to any model of `/v1/models` and get its answer as text.

    The model gets the prompt as the message of a user: this is a view on `/v1/chat/completions`. Several prompts are
    answered one after the other.
    """
    if body.stream:
        return EventStream(completion.events(), slow_reader_s=resources.settings.limits.slow_reader_s)
    answer = await cancel_on_disconnect(request, completion.whole())
    return Response(orjson.dumps(answer), media_type="application/json")
