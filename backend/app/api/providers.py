"""The lists of providers, each with its state and what to do about it."""

from fastapi import APIRouter

from app.api.deps import ResourcesDep
from app.schemas.errors import guarded
from app.schemas.providers import LlmProviderList, SttProviderList

router = APIRouter(prefix="/providers", tags=["providers"])


@router.get("/stt", summary="Speech engines", responses=guarded("All engines"))
async def speech_engines(resources: ResourcesDep) -> SttProviderList:
    """Every engine, ready or not; answers within about 3 s whatever a provider does."""
    return SttProviderList(items=await resources.engines.list_providers())


@router.get("/llm", summary="Language-model providers", responses=guarded("All providers"))
async def language_models(resources: ResourcesDep) -> LlmProviderList:
    """Every provider of language models, and every assistant, ready or not; answers within some seconds whatever
    an upstream does."""
    return LlmProviderList(items=await resources.catalogue.states())
