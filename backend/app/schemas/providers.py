"""The lists of providers: speech engines, language models, assistants."""

from enum import StrEnum

from pydantic import BaseModel, Field

from app.schemas.errors import NoteOut


class ProviderState(StrEnum):
    """All states of a provider."""

    READY = "ready"
    LOADING = "loading"
    NOT_INSTALLED = "not_installed"
    NOT_CONFIGURED = "not_configured"
    NO_MODEL = "no_model"
    UNAUTHORIZED = "unauthorized"
    UNREACHABLE = "unreachable"


USABLE = (ProviderState.READY, ProviderState.LOADING)
"""A request that comes while a model loads waits for it."""


class SttCapabilitiesOut(BaseModel):
    """The capabilities of a speech engine."""

    languages: list[str] | None = Field(
        description="primary language tags; null means any", examples=[["en"]]
    )
    streaming: bool = Field(description="whether it gives partials during speech")
    words: bool = Field(description="whether it gives the times of words")
    vocabulary: bool = Field(description="whether it uses the list of terms in `start`")
    network: bool = Field(description="whether it sends audio to another machine")
    raw_audio: bool = Field(description="whether it gets every chunk, without speech detection")
    translates: bool = Field(False, description="whether it translates recordings into English")


class ProviderOut(BaseModel):
    """One provider with its state."""

    name: str = Field(description="the name by which requests ask for it", examples=["pocketsphinx"])
    type: str = Field(
        description="the kind of provider: embedded, local, cloud, mock …", examples=["embedded"]
    )
    status: ProviderState = Field(description="the state that it is in now", examples=["ready"])
    description: str = Field(description="what the provider is, or how to make it ready")
    note: NoteOut | None = Field(None, description="the description as a code with parameters")
    title: str = Field("", description="the product's name for people, where it has one", examples=["Ollama"])
    model: str | None = Field(
        None, description="the model for requests that name none, where it is known", examples=["base"]
    )
    host: str | None = Field(
        None,
        description="the other machine that does the work; null for the server's own",
        examples=["10.0.0.7"],
    )
    default: bool = Field(
        description="whether it answers requests that name no provider; none does that cannot"
    )


class SttProviderOut(ProviderOut):
    """One speech engine."""

    models: list[str] = Field(
        description="the models that `start.config.model` can name", examples=[["base"]]
    )
    capabilities: SttCapabilitiesOut = Field(description="the capabilities of the engine")


class SttProviderList(BaseModel):
    """The speech engines."""

    items: list[SttProviderOut] = Field(description="all that are registered, ready or not")


class AssistantOut(BaseModel):
    """How an assistant describes itself."""

    title: str = Field(description="the name to show to people", examples=["LOFT"])
    description: str = Field(
        description="the purpose of the assistant; may be empty", examples=["Looks up orders"]
    )


class ConnectionRefOut(BaseModel):
    """What a connected model tells of its connection."""

    title: str = Field(description="the name to show to people", examples=["OpenAI"])
    own: bool = Field(description="whether the caller has connected it; false if an admin shares it")


class LlmProviderOut(ProviderOut):
    """One provider of language models, one connected model, or one assistant."""

    chosen: bool = Field(
        False,
        description="whether requests that name no provider go to it, although it may not be able to answer",
    )
    assistant: AssistantOut | None = Field(
        None, description="the title and purpose of an assistant; null for all others"
    )
    connection: ConnectionRefOut | None = Field(
        None, description="the title of a model that a user has connected; null for all others"
    )


class LlmProviderList(BaseModel):
    """The language-model providers."""

    items: list[LlmProviderOut] = Field(description="all that are registered, ready or not")
