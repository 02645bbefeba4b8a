"""Bodies of `/v1/messages` and of the list of models in Anthropic's format: known fields are checked, others pass."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.schemas.openai_responses import MOST_TOKENS

_ALLOW_EXTRA = ConfigDict(extra="allow")


def _check_content(value: Any) -> Any:
    """Refuse content of another type with one message, not with one for each type of the union."""
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        return value
    raise ValueError("should be a text or a list of blocks")


Content = Annotated[str | list[dict[str, Any]], BeforeValidator(_check_content)]


class TurnIn(BaseModel):
    """One message of the conversation."""

    model_config = _ALLOW_EXTRA

    role: Literal["user", "assistant", "system"] = Field(
        description="role of whoever wrote the message", examples=["user"]
    )
    content: Content = Field(description="text or blocks of the message", examples=["Say hello"])


class TokenCountIn(BaseModel):
    """A request to count the tokens of a conversation. Other fields that Anthropic documents have no effect."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"model": "echo", "messages": [{"role": "user", "content": "Say hello"}]}]
        },
    )

    messages: list[TurnIn] = Field(
        min_length=1,
        max_length=10_000,
        description="the conversation, oldest first",
        examples=[[{"role": "user", "content": "Say hello"}]],
    )
    model: str | None = Field(
        None,
        description="an id of `/v1/models`, `profile/model`, a provider's name, or an alias; absent takes the default",
        examples=["echo"],
    )
    system: Content | None = Field(
        None, description="the system's message, text or blocks", examples=["Answer in one word."]
    )
    tools: list[dict[str, Any]] | None = Field(
        None,
        max_length=1000,
        description="functions that the client runs; others are left out and named in a header",
        examples=[[]],
    )
    tool_choice: dict[str, Any] | None = Field(
        None, description="`type`: `auto`, `any`, `none` or `tool`", examples=[{"type": "auto"}]
    )
    thinking: dict[str, Any] | None = Field(
        None,
        description="`type` `enabled` or `adaptive` has the thoughts sent",
        examples=[{"type": "disabled"}],
    )
    output_config: dict[str, Any] | None = Field(
        None, description="`effort`, and a `format` with a JSON schema", examples=[{"effort": "low"}]
    )


class MessagesIn(TokenCountIn):
    """A request for a message. Other fields that Anthropic documents are accepted without effect."""

    max_tokens: int | None = Field(
        None, ge=1, le=MOST_TOKENS, description="longest answer (tokens)", examples=[500]
    )
    stream: bool | None = Field(None, description="true sends server-sent events", examples=[False])
    stop_sequences: list[str] | None = Field(
        None, max_length=100, description="texts that end the answer", examples=[["\n\n"]]
    )
    temperature: float | None = Field(None, ge=0, le=2, description="randomness", examples=[0.7])
    top_p: float | None = Field(
        None,
        ge=0,
        le=1,
        description="probability mass of the likeliest tokens to choose from",
        examples=[0.9],
    )
    top_k: int | None = Field(
        None, ge=0, le=MOST_TOKENS, description="number of the likeliest tokens to choose from", examples=[40]
    )


class MessageUsageOut(BaseModel):
    """Tokens that a message took."""

    model_config = _ALLOW_EXTRA

    input_tokens: int = Field(description="tokens read, without those of a cache", examples=[11])
    output_tokens: int = Field(description="tokens written", examples=[2])
    cache_read_input_tokens: int = Field(description="tokens that the upstream's cache had", examples=[0])
    cache_creation_input_tokens: int = Field(description="always 0", examples=[0])


class AnthropicMessageOut(BaseModel):
    """A whole message."""

    model_config = _ALLOW_EXTRA

    id: str = Field(description="id of this message", examples=["msg_5905e6dbcbfa455399569db40f8d8c9a"])
    type: Literal["message"] = Field(description="always `message`")
    role: Literal["assistant"] = Field(description="always `assistant`")
    model: str = Field(description="full id of the model that answers", examples=["lm_studio/qwen3-8b"])
    content: list[dict[str, Any]] = Field(description="blocks: `thinking`, `text`, `tool_use`")
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"] | None = Field(
        description="why it ends", examples=["end_turn"]
    )
    stop_sequence: str | None = Field(description="the text that ended it, where the upstream tells")
    usage: MessageUsageOut = Field(description="tokens that it took")


class TokenCountOut(BaseModel):
    """How many tokens a conversation has."""

    input_tokens: int = Field(
        description="an estimate, four characters a token and 1500 an image", examples=[11]
    )


class AnthropicModelOut(BaseModel):
    """A model that requests can name."""

    type: Literal["model"] = Field("model", description="always `model`")
    id: str = Field(description="id that requests use", examples=["lm_studio/qwen3-8b"])
    display_name: str = Field(description="name for people", examples=["qwen3-8b (lm_studio)"])
    created_at: str = Field(
        description="time since which the server offers it", examples=["2026-11-20T10:00:00Z"]
    )


class AnthropicModelList(BaseModel):
    """The list of models, or a page of it."""

    data: list[AnthropicModelOut] = Field(description="the models")
    has_more: bool = Field(description="whether more follow", examples=[False])
    first_id: str | None = Field(description="id of the first of this page; null where it is empty")
    last_id: str | None = Field(description="id of the last of this page; null where it is empty")
