"""`GET /v1/models` in OpenAI's and in Anthropic's format, and `GET /api/models` as a plain list of ids."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from app.api.deps import CallerDep, ConnectionOwnerDep, Resources, ResourcesDep
from app.core.errors import ModelNotFound, PrompterError
from app.providers.upstream.discovery import DISCOVERY_AGENT
from app.schemas.anthropic_messages import AnthropicModelList, AnthropicModelOut
from app.schemas.attachments import ModelAbilitiesOut
from app.schemas.errors import describe_answer
from app.schemas.openai_chat import ModelList, ModelOut
from app.schemas.openai_errors import NOT_ALLOWED, describe_openai_error
from app.services.llm.abilities import find_sight
from app.services.llm.models import Model

router = APIRouter(prefix="/v1", tags=["openai"])

WHISPER = "whisper-1"
"""OpenAI's model name for the default speech engine."""

_LIST: dict[int | str, dict[str, Any]] = {
    200: {"description": "All that can be asked for now"},
    400: describe_openai_error(
        "A page that cannot be made",
        bad_request=("bad_request", "`limit`: input should be greater than or equal to 1", 400, "limit"),
    ),
    403: NOT_ALLOWED,
    "default": describe_openai_error("Any other error, in the same shape"),
}


AnthropicVersion = Annotated[
    str | None,
    Header(description="any value has the answer in Anthropic's format, which its clients expect"),
]


@router.get("/models", summary="Models for chat", responses=_LIST)
async def models(
    request: Request,
    resources: ResourcesDep,
    owner: ConnectionOwnerDep,
    anthropic_version: AnthropicVersion = None,
    limit: Annotated[
        int | None,
        Query(ge=1, le=1000, description="in Anthropic's format: most models of a page; absent for all"),
    ] = None,
    after_id: Annotated[
        str | None, Query(description="in Anthropic's format: the models after this one")
    ] = None,
    before_id: Annotated[
        str | None, Query(description="in Anthropic's format: the models before this one")
    ] = None,
) -> ModelList | AnthropicModelList:
    """All models of all providers that list their models, as `provider/model`; `echo` is always among them.

    Those that the caller has connected, or that an admin shares, come first, as `my.…` and `shared.…`. Another
    PROMPTer that asks does not get them.

    Providers are asked in parallel; one that does not answer within 3 s is left out.
    """
    is_discovery = request.headers.get("user-agent", "").startswith(DISCOVERY_AGENT)
    listed = await resources.catalog.list_models(owner, found=not is_discovery)
    found = [_chat_model(model, resources) for model in listed]
    if anthropic_version is not None:
        return _make_page(found, limit or len(found), after_id, before_id)
    return ModelList(data=found)


@router.get("/audio/models", summary="Models for transcription", responses=_LIST)
async def audio_models(resources: ResourcesDep) -> ModelList:
    """The speech engines that are ready, and `whisper-1` for the default one."""
    return ModelList(data=await _speech_models(resources))


@router.get(
    "/models/{model_id:path}",
    summary="One model",
    responses={
        200: {"description": "It can be asked for"},
        403: NOT_ALLOWED,
        404: describe_openai_error(
            "No such model",
            model_not_found=(
                "model_not_found",
                "there is no model of this name; GET /v1/models lists those there are",
                404,
                "model",
            ),
        ),
        "default": describe_openai_error("Any other error, in the same shape"),
    },
)
async def model(
    model_id: str,
    resources: ResourcesDep,
    owner: ConnectionOwnerDep,
    anthropic_version: AnthropicVersion = None,
) -> ModelOut | AnthropicModelOut:
    """A model for chat or for transcription, by its id, its bare name, or an alias."""
    found = await _find_model(model_id, resources, owner)
    return found if anthropic_version is None else _to_anthropic(found)


async def _find_model(model_id: str, resources: Resources, owner: UUID | None) -> ModelOut:
    try:
        if model_id != WHISPER:  # the alias `*` must not take the name that every speech client sends
            found = await resources.catalog.resolve(model_id, owner)
            return _out(found.id, found.provider, resources)
    except ModelNotFound:
        speech = {one.id: one for one in await _speech_models(resources)}
        if model_id not in speech:
            raise
        return speech[model_id]
    return (await _speech_models(resources))[-1]


def _make_page(
    found: Sequence[ModelOut], limit: int, after_id: str | None, before_id: str | None
) -> AnthropicModelList:
    """A page of the list; an id that is not in it begins at the list's start, or ends at its end."""
    ids = [each.id for each in found]
    start = ids.index(after_id) + 1 if after_id in ids else 0
    end = ids.index(before_id) if before_id in ids else len(ids)
    if before_id in ids and after_id is None:
        page, has_more = found[max(start, end - limit) : end], end - limit > start
    else:
        page, has_more = found[start:end][:limit], end - start > limit
    return AnthropicModelList(
        data=[_to_anthropic(each) for each in page],
        has_more=has_more,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
    )


def _to_anthropic(one: ModelOut) -> AnthropicModelOut:
    created = datetime.fromtimestamp(one.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return AnthropicModelOut(id=one.id, display_name=one.name, created_at=created)


def _chat_model(one: Model, resources: Resources) -> ModelOut:
    name = f"{one.name} ({one.title or one.provider})" if one.name else one.title
    return _out(one.id, one.provider, resources, name)


def _out(model_id: str, owner: str, resources: Resources, name: str = "") -> ModelOut:
    return ModelOut(id=model_id, created=resources.started_s, owned_by=owner, name=name or model_id)


async def _speech_models(resources: Resources) -> list[ModelOut]:
    engines = await resources.stt.list_states()
    ready = [_out(engine.name, engine.name, resources) for engine in engines if engine.status == "ready"]
    default = next((engine.name for engine in engines if engine.default), "auto")
    return [*ready, _out(WHISPER, default, resources, f"{default}, by OpenAI's name")]


api_router = APIRouter(prefix="/api/models", tags=["conversations"])


@api_router.get(
    "", summary="Models to choose from", responses={**describe_answer("All that can be asked for now")}
)
async def list_model_ids(resources: ResourcesDep, caller: CallerDep) -> list[str]:
    """The `model` of a conversation or a message: `provider/model`, or a provider's name; `echo` is always there.

    Each once. Providers are asked in parallel, and one that does not answer within 3 s is left out;
    `GET /providers/llm` says why.
    """
    listed = await resources.catalog.list_models(caller.user_id)
    return list(dict.fromkeys(model.id for model in listed))


@api_router.get(
    "/abilities",
    summary="What models can do besides text",
    responses={**describe_answer("The models of `GET /api/models`, in the same order")},
)
async def list_abilities(resources: ResourcesDep, caller: CallerDep) -> list[ModelAbilitiesOut]:
    """Whether each model sees pictures, as far as its provider or its name tells. No model is asked."""
    listed = await resources.catalog.list_models(caller.user_id)
    found = []
    for model_id in dict.fromkeys(model.id for model in listed):
        try:
            images = await find_sight(await resources.catalog.resolve(model_id, caller.user_id))
        except PrompterError:
            images = None  # it cannot be asked now: an answer says why
        found.append(ModelAbilitiesOut(id=model_id, images=images))
    return found
