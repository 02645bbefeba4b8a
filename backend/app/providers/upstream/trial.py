"""Tries an upstream on the spot: which models it lists, and how soon one of them begins to answer."""

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import anyio

from app.core.errors import (
    BaseUrlNotAllowed,
    PrompterError,
    UpstreamError,
    UpstreamLoading,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from app.providers.base import ChatRequest
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.probe import Probe
from app.providers.upstream.profiles import Profile
from app.schemas.connections import TrialProblem

LIST_S = 10.0
"""Longest wait for the list of models (s)."""
FIRST_TOKEN_S = 30.0
"""Longest wait for the beginning of an answer (s)."""
_ANSWER_TOKENS = 16
_QUESTION: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Say hi."}],
    "max_tokens": _ANSWER_TOKENS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial has found; `problem` is None where a model has answered."""

    problem: TrialProblem | None
    message: str
    """What is wrong and how to go on, in English; empty where nothing is."""
    models: tuple[str, ...] = ()
    model: str = ""
    """The model that was asked; empty where none was."""
    list_ms: int | None = None
    """How long the list of models took; None where it was not read."""
    first_token_ms: int | None = None
    """How long the first piece of the answer took; None where none came."""


async def try_upstream(client: UpstreamClient, profile: Profile) -> Trial:
    """Read the list of models, then ask one of them: the profile's, else one that suits most people.

    It takes at most `LIST_S` and `FIRST_TOKEN_S`, and costs some tokens.

    Raises:
        BaseUrlNotAllowed: the address leads to where clients may not send the server.
    """
    probe = Probe(client, profile.require_endpoint(), "", (), profile.vendor, timeout_s=LIST_S)
    start_s = anyio.current_time()
    found = await probe.look()
    if isinstance(found.failure, BaseUrlNotAllowed):
        raise found.failure
    is_page = isinstance(found.failure, UpstreamError) and found.failure.reason == "no_api"
    if found.failure is not None and not (is_page and profile.model):
        return Trial(problem=find_problem(found.failure), message=found.failure.message)
    listed = Trial(
        problem=None,
        message="",
        models=found.models,
        list_ms=_ms_since(start_s) if found.models else None,
        model=profile.model or profile.vendor.suggest_model(found.models),
    )
    if not listed.model:
        return replace(listed, problem="no_models", message=found.status.description)
    return await _ask(client, replace(profile, endpoint=await probe.resolve_endpoint()), listed)


async def _ask(client: UpstreamClient, profile: Profile, listed: Trial) -> Trial:
    """Wait for the first piece of an answer."""
    quick = replace(profile, first_byte_timeout_s=FIRST_TOKEN_S, idle_timeout_s=FIRST_TOKEN_S)
    chat = ChatUpstream(client, quick, tries=1)
    start_s = anyio.current_time()
    try:
        with anyio.fail_after(FIRST_TOKEN_S):
            async with aclosing(chat.stream(ChatRequest(listed.model, dict(_QUESTION)))) as chunks:
                async for chunk in chunks:
                    if _holds_words(chunk):
                        break
    except TimeoutError:
        message = f"the model did not begin to answer within {FIRST_TOKEN_S:g} s; it may still be loading"
        return replace(listed, problem="too_slow", message=message)
    except BaseUrlNotAllowed:
        raise
    except PrompterError as error:
        return replace(listed, problem=find_problem(error, asked=True), message=error.message)
    return replace(listed, first_token_ms=_ms_since(start_s))


def find_problem(error: PrompterError, *, asked: bool = False) -> TrialProblem:
    """Name what an error means. `asked`: it is about an answer, not about the list of models."""
    kinds: dict[type[PrompterError], TrialProblem] = {
        UpstreamUnauthorized: "wrong_key",
        UpstreamTimeout: "too_slow",
        UpstreamRateLimited: "rate_limited",
        UpstreamLoading: "loading",
    }
    for kind, problem in kinds.items():
        if isinstance(error, kind):
            return problem
    if isinstance(error, UpstreamError) and error.reason:
        return error.reason
    return "model_failed" if asked else "unreachable"


def _holds_words(chunk: dict[str, Any]) -> bool:
    deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or ()]
    return any(delta.get("content") or delta.get("reasoning_content") for delta in deltas)


def _ms_since(start_s: float) -> int:
    return round((anyio.current_time() - start_s) * 1000)
