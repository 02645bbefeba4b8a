"""`POST /llm/generate`: a prompt, or a dictation's transcript, answered whole or as a stream of events."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import CallerDep, ResourcesDep
from app.api.sse import EventStream, cancel_on_disconnect, encode_event
from app.core.errors import PrompterError
from app.core.security import Caller
from app.providers.base import ChatMessage, LlmConfig
from app.schemas.errors import ErrorOut, describe_error
from app.schemas.llm import GenerateIn, GenerateOut, UsageOut
from app.services.llm import waiting
from app.services.llm.generate import Prompt, TextCompletion

router = APIRouter(tags=["language models"])

_STREAM_EXAMPLE = (
    'event: message\ndata: {"content":"Say "}\n\nevent: message\ndata: {"content":"hello"}\n\n'
    'event: done\ndata: {"status":"completed","message_id":"msg_5f0c","finish_reason":"stop",'
    '"usage":null}\n\n'
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "The answer; with `stream: true` as events: `message` and `status` …, then `done` or `error`"
        ),
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    400: describe_error(
        "Cannot be asked: `missing_config`, `base_url_not_allowed`, `unknown_provider`, `context_length_exceeded`, "
        "`bad_request`",
        "missing_config",
        "openai_compat needs api_key; give it in `config`, or set PROMPTER_LLM__OPENAI_COMPAT__API_KEY",
    ),
    403: describe_error(
        "This Origin, Host or address may not ask", "not_allowed", "this web origin is not allowed"
    ),
    404: describe_error(
        "No such dictation", "not_found", "no dictation has this session_id; speak to /ws/stt with it first"
    ),
    408: describe_error(
        "The body did not come",
        "idle_timeout",
        "the body brought nothing for 30 s (limits.request_s); send it again",
    ),
    409: describe_error(
        "Nothing of that dictation is final yet",
        "nothing_final_yet",
        "nothing of this dictation is final yet; send `stop` or `flush` and wait for `final`",
    ),
    413: describe_error("The body is over the limit", "message_too_big", "the body is over 1048576 bytes"),
    429: describe_error(
        "The upstream wants fewer requests; see `Retry-After`",
        "rate_limit_exceeded",
        "the upstream 'api.example.com' wants fewer requests; try again in 20 s",
    ),
    500: describe_error(
        "A provider failed", "engine_failed", "provider 'mine' failed (ValueError); see its documentation"
    ),
    502: describe_error(
        "The upstream failed, or refused the API key (`upstream_unauthorized`)",
        "upstream_unauthorized",
        "the upstream 'api.example.com' did not accept the API key (status 401); check api_key",
    ),
    503: describe_error(
        "The provider cannot be used, or its upstream is loading a model (`upstream_loading`)",
        "provider_not_ready",
        "provider 'mine' cannot be loaded (ImportError); install it again",
    ),
    504: describe_error(
        "The upstream did not answer in time",
        "upstream_timeout",
        "the upstream 'api.example.com' did not answer in time",
    ),
    "default": {"model": ErrorOut, "description": "Any other error, in the same shape"},
}


async def open_answer(
    body: GenerateIn, resources: ResourcesDep, caller: CallerDep
) -> AsyncGenerator[TextCompletion, None]:
    """The answer, closed when all is sent: a generator of events may be left suspended."""
    answer = await resources.generate.start(_make_prompt(body, caller))
    try:
        yield answer
    finally:
        await answer.aclose()


@router.post(
    "/llm/generate", response_model=GenerateOut, responses=_RESPONSES, summary="Ask a language model"
)
async def generate(
    body: GenerateIn,
    request: Request,
    resources: ResourcesDep,
    answer: Annotated[TextCompletion, Depends(open_answer)],
) -> Response | GenerateOut:
    """Send `messages`, the transcript of a dictation (`session_id`), or both, and get an answer.

    When the client leaves, the upstream's work ends within a second.
    """
    if body.stream:
        return EventStream(
            _events(answer),
            slow_reader_s=resources.settings.limits.slow_reader_s,
            while_quiet=_make_status_teller(answer),
            check_s=waiting.CHECK_S,
            encode_failure=_encode_failure,
        )
    text = await cancel_on_disconnect(request, answer.text())
    return GenerateOut(
        provider=answer.provider,
        model=answer.model,
        text=text,
        finish_reason=answer.finish_reason,
        usage=_usage(answer),
    )


async def _events(answer: TextCompletion) -> AsyncGenerator[bytes, None]:
    async for text in answer.texts:
        yield encode_event("message", {"content": text})
    usage = _usage(answer)
    yield encode_event(
        "done",
        {
            "status": "completed",
            "message_id": f"msg_{uuid4().hex}",
            "finish_reason": answer.finish_reason,
            "usage": usage.model_dump() if usage else None,
        },
    )


def _encode_failure(error: PrompterError) -> bytes:
    return encode_event("error", {"error": error.message, "code": error.code})


def _make_status_teller(answer: TextCompletion) -> Callable[[], bytes | None]:
    """Return what gives the event that says why nothing arrives; it gives None where there is nothing new to tell."""
    told: waiting.Status | None = None

    def tell() -> bytes | None:
        nonlocal told
        before, told = told, answer.waits.observe()
        return None if told is None or told == before else encode_event("status", asdict(told))

    return tell


def _make_prompt(body: GenerateIn, caller: Caller) -> Prompt:
    config = body.config
    return Prompt(
        messages=[ChatMessage(message.role, message.content) for message in body.messages],
        provider=body.provider or None,
        session_id=body.session_id,
        owner=caller.user_id,
        caller=caller,
        config=LlmConfig(
            base_url=config.base_url.strip(),
            api_key=config.api_key.get_secret_value().strip(),
            model=config.model.strip(),
            temperature=config.temperature,
            max_tokens=config.max_tokens,
            top_p=config.top_p,
            stop=(config.stop,) if isinstance(config.stop, str) else tuple(config.stop or ()),
            seed=config.seed,
        ),
    )


def _usage(answer: TextCompletion) -> UsageOut | None:
    return UsageOut.model_validate(answer.usage) if answer.usage else None
