"""Bodies of `/v1/chat/completions` and `/v1/models`: known fields are checked, others pass on to the upstream."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_ALLOW_EXTRA = ConfigDict(extra="allow")


class PartIn(BaseModel):
    """One part of a message: `text`, `image_url`, `input_audio`, `file`, `video_url`, `refusal` …"""

    model_config = _ALLOW_EXTRA

    type: str = Field(max_length=100, description="kind of the part", examples=["text"])
    text: str | None = Field(None, description="text of a part of the kind `text`", examples=["Say hello"])


def _check_content(value: Any) -> Any:
    """Refuse a `content` of another type with one message, not with one for each type of the union."""
    if value is None or isinstance(value, str | list):
        return value
    raise ValueError("should be a text, a list of parts, or null")


class ChatMessageIn(BaseModel):
    """One message of the conversation; fields that are not named here reach the upstream as they are."""

    model_config = _ALLOW_EXTRA

    role: Literal["developer", "system", "user", "assistant", "tool", "function"] = Field(
        description="role of whoever wrote the message", examples=["user"]
    )
    content: Annotated[str | list[PartIn] | None, BeforeValidator(_check_content)] = Field(
        None, description="text or parts of the message, for every role", examples=["Say hello"]
    )


class StreamOptionsIn(BaseModel):
    """How to stream."""

    model_config = _ALLOW_EXTRA

    include_usage: bool | None = Field(
        None,
        description="true ends the stream with a chunk that holds the usage and no choices",
        examples=[True],
    )


class ChatCompletionIn(BaseModel):
    """A request for a chat completion. Other fields that OpenAI or another server documents are passed on."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"model": "echo", "messages": [{"role": "user", "content": "Say hello"}]},
                {
                    "model": "lm_studio/qwen3-8b",
                    "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello"}]}],
                    "stream": True,
                    "stream_options": {"include_usage": True},
                },
            ]
        },
    )

    messages: list[ChatMessageIn] = Field(
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
    stream: bool | None = Field(None, description="true sends chunks as server-sent events", examples=[False])
    stream_options: StreamOptionsIn | None = Field(
        None, description="how to stream; ignored without `stream`", examples=[{"include_usage": True}]
    )
    temperature: float | None = Field(None, ge=0, le=2, description="randomness", examples=[0.7])
    top_p: float | None = Field(
        None,
        ge=0,
        le=1,
        description="probability mass of the likeliest tokens to choose from",
        examples=[0.9],
    )
    max_completion_tokens: int | None = Field(
        None, ge=1, description="longest answer (tokens)", examples=[500]
    )
    max_tokens: int | None = Field(
        None, ge=1, description="older name of `max_completion_tokens` (tokens)", examples=[500]
    )
    n: int | None = Field(None, ge=1, le=16, description="number of answers", examples=[1])
    stop: str | list[str] | None = Field(None, description="texts that end the answer", examples=[["\n\n"]])
    seed: int | None = Field(
        None, description="the same seed gives the same answer, where the model supports it", examples=[7]
    )
    tools: list[dict[str, Any]] | None = Field(
        None,
        max_length=1000,
        description="functions that the model may call; the client runs them",
        examples=[[]],
    )
    tool_choice: str | dict[str, Any] | None = Field(
        None, description="`auto`, `none`, `required`, or one function", examples=["auto"]
    )
    response_format: dict[str, Any] | None = Field(
        None,
        description="asks for a JSON answer, with or without a schema",
        examples=[{"type": "json_object"}],
    )


class ChatUsageOut(BaseModel):
    """Tokens that an answer took."""

    model_config = _ALLOW_EXTRA

    prompt_tokens: int = Field(description="tokens read", examples=[11])
    completion_tokens: int = Field(description="tokens written", examples=[2])
    total_tokens: int = Field(description="tokens read and written", examples=[13])
    estimated: bool | None = Field(
        None, description="true where the upstream gives no usage: four characters are counted as a token"
    )


class ChatMessageOut(BaseModel):
    """The message of an answer; `tool_calls`, `reasoning_content` and others are as the upstream gives them."""

    model_config = _ALLOW_EXTRA

    role: Literal["assistant"] = Field(description="always `assistant`")
    content: str | None = Field(description="the text; null beside `tool_calls`", examples=["Say hello"])


class ChoiceOut(BaseModel):
    """One of the `n` answers of a request."""

    model_config = _ALLOW_EXTRA

    index: int = Field(description="number of the answer, from 0", examples=[0])
    message: ChatMessageOut = Field(description="the answer")
    finish_reason: str = Field(
        description="`stop`, `length`, `tool_calls`, `content_filter` or `function_call`", examples=["stop"]
    )


class ChatCompletionOut(BaseModel):
    """A whole answer; other fields are as the upstream gives them."""

    model_config = _ALLOW_EXTRA

    id: str = Field(description="id of this answer", examples=["chatcmpl-5905e6dbcbfa455399569db40f8d8c9a"])
    object: Literal["chat.completion"] = Field(description="always `chat.completion`")
    created: int = Field(description="time of the request (s since 1970)", examples=[1795190400])
    model: str = Field(description="full id of the model that answers", examples=["lm_studio/qwen3-8b"])
    choices: list[ChoiceOut] = Field(description="one or more answers")
    usage: ChatUsageOut = Field(description="tokens that the answer took")


class ModelOut(BaseModel):
    """A model that requests can name."""

    id: str = Field(description="id that requests use", examples=["lm_studio/qwen3-8b"])
    object: Literal["model"] = Field("model", description="always `model`")
    created: int = Field(
        description="time since which the server offers it (s since 1970)", examples=[1795190400]
    )
    owned_by: str = Field(
        description="the provider that answers, see `/providers/llm`", examples=["lm_studio"]
    )
    name: str = Field(description="name for people", examples=["qwen3-8b (lm_studio)"])


class ModelList(BaseModel):
    """The list of models."""

    object: Literal["list"] = Field("list", description="always `list`")
    data: list[ModelOut] = Field(description="every model that can be asked now")
