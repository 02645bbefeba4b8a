"""The words of the provider lists."""

from enum import StrEnum

from pydantic import BaseModel, Field


class ProviderState(StrEnum):
    """The one list of states a provider can be in."""

    READY = "ready"
    LOADING = "loading"
    NOT_INSTALLED = "not_installed"
    NOT_CONFIGURED = "not_configured"
    NO_MODEL = "no_model"
    UNAUTHORIZED = "unauthorized"
    UNREACHABLE = "unreachable"


class SttCapabilitiesOut(BaseModel):
    """What a speech engine can do."""

    languages: list[str] | None = Field(
        description="primary language tags; null means any", examples=[["en"]]
    )
    streaming: bool = Field(description="gives partials while you speak")
    words: bool = Field(description="gives word times")
    vocabulary: bool = Field(description="uses the list of terms in `start`")
    network: bool = Field(description="sends audio to another machine")
    raw_audio: bool = Field(description="sees every chunk, without speech detection")


class ProviderOut(BaseModel):
    """One provider, and what to do to make it ready."""

    name: str = Field(description="what a request calls it", examples=["pocketsphinx"])
    type: str = Field(description="kind: embedded, local, cloud, mock …", examples=["embedded"])
    status: ProviderState = Field(description="whether it can be used now", examples=["ready"])
    description: str = Field(description="what it is, or how to make it ready")
    default: bool = Field(description="used when a request names none")


class SttProviderOut(ProviderOut):
    """One speech engine."""

    models: list[str] = Field(description="names that `start.config.model` may ask for", examples=[["base"]])
    capabilities: SttCapabilitiesOut = Field(description="what it can do")


class SttProviderList(BaseModel):
    """The speech engines."""

    items: list[SttProviderOut] = Field(description="every one that is registered, ready or not")


class AssistantOut(BaseModel):
    """What an assistant is, in its own words."""

    title: str = Field(description="its name for people", examples=["LOFT"])
    description: str = Field(description="what it is for; may be empty", examples=["Looks up orders"])


class LlmProviderOut(ProviderOut):
    """One provider of language models, or one assistant."""

    assistant: AssistantOut | None = Field(None, description="of an assistant; null for all others")


class LlmProviderList(BaseModel):
    """The language-model providers."""

    items: list[LlmProviderOut] = Field(description="every one that is registered, ready or not")
