"""The bodies of `/v1/chat/completions` and `/v1/models`: strict where an error would cost, open elsewhere."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_OPEN = ConfigDict(extra="allow")


class PartIn(BaseModel):
    """One part of a message: `text`, `image_url`, `input_audio`, `file`, `video_url`, `refusal` …"""

    model_config = _OPEN

    type: str = Field(max_length=100, description="which kind of part it is", examples=["text"])
    text: str | None = Field(None, description="what was said, of a `text` part", examples=["Say hello"])


def _content(value: Any) -> Any:
    """A `content` that is neither text nor a list is told so once, not once for each form it could have."""
    if value is None or isinstance(value, str | list):
        return value
    raise ValueError("should be a text, a list of parts, or null")


class ChatMessageIn(BaseModel):
    """One message of the conversation; fields that are not named here reach the upstream as they are."""

    model_config = _OPEN

    role: Literal["developer", "system", "user", "assistant", "tool", "function"] = Field(
        description="who said it", examples=["user"]
    )
    content: Annotated[str | list[PartIn] | None, BeforeValidator(_content)] = Field(
        None, description="what was said: text or parts, of every role", examples=["Say hello"]
    )


class StreamOptionsIn(BaseModel):
    """How to stream."""

    model_config = _OPEN

    include_usage: bool | None = Field(
        None, description="true: a last chunk without choices tells the tokens", examples=[True]
    )


class ChatCompletionIn(BaseModel):
    """A chat completion. Beside these fields go all that OpenAI documents, and the usual ones of other servers."""

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
        description="an id of `/v1/models`, `profile/model`, a provider's name, or an alias; the default if absent",
        examples=["echo"],
    )
    stream: bool | None = Field(None, description="true sends chunks as server-sent events", examples=[False])
    stream_options: StreamOptionsIn | None = Field(
        None, description="how to stream; ignored without `stream`", examples=[{"include_usage": True}]
    )
    temperature: float | None = Field(None, ge=0, le=2, description="randomness", examples=[0.7])
    top_p: float | None = Field(
        None, ge=0, le=1, description="share of the likeliest tokens to choose from", examples=[0.9]
    )
    max_completion_tokens: int | None = Field(
        None, ge=1, description="longest answer (tokens)", examples=[500]
    )
    max_tokens: int | None = Field(None, ge=1, description="the older name of the same", examples=[500])
    n: int | None = Field(None, ge=1, le=16, description="answers wanted", examples=[1])
    stop: str | list[str] | None = Field(None, description="texts that end the answer", examples=[["\n\n"]])
    seed: int | None = Field(None, description="the same seed, the same answer, if it can", examples=[7])
    tools: list[dict[str, Any]] | None = Field(
        None,
        max_length=1000,
        description="functions that the model may ask the client to call",
        examples=[[]],
    )
    tool_choice: str | dict[str, Any] | None = Field(
        None, description="`auto`, `none`, `required`, or one function", examples=["auto"]
    )
    response_format: dict[str, Any] | None = Field(
        None, description="JSON, or JSON of a schema", examples=[{"type": "json_object"}]
    )


class ChatUsageOut(BaseModel):
    """What the answer cost."""

    model_config = _OPEN

    prompt_tokens: int = Field(description="tokens read", examples=[11])
    completion_tokens: int = Field(description="tokens written", examples=[2])
    total_tokens: int = Field(description="both", examples=[13])
    estimated: bool | None = Field(
        None, description="true where the upstream does not tell: four characters are taken for a token"
    )


class ChatMessageOut(BaseModel):
    """The answer; `tool_calls`, `reasoning_content` and others as the upstream gives them."""

    model_config = _OPEN

    role: Literal["assistant"] = Field(description="always `assistant`")
    content: str | None = Field(description="the text; null beside `tool_calls`", examples=["Say hello"])


class ChoiceOut(BaseModel):
    """One of `n` answers."""

    model_config = _OPEN

    index: int = Field(description="which one", examples=[0])
    message: ChatMessageOut = Field(description="the answer")
    finish_reason: str = Field(
        description="`stop`, `length`, `tool_calls`, `content_filter` or `function_call`", examples=["stop"]
    )


class ChatCompletionOut(BaseModel):
    """A whole answer; other fields as the upstream gives them."""

    model_config = _OPEN

    id: str = Field(description="names this answer", examples=["chatcmpl-5905e6dbcbfa455399569db40f8d8c9a"])
    object: Literal["chat.completion"] = Field(description="always `chat.completion`")
    created: int = Field(description="when it was asked for (s since 1970)", examples=[1795190400])
    model: str = Field(description="who answers, by its full id", examples=["lm_studio/qwen3-8b"])
    choices: list[ChoiceOut] = Field(description="one or more answers")
    usage: ChatUsageOut = Field(description="what it cost")


class ModelOut(BaseModel):
    """One model that can be asked for."""

    id: str = Field(description="what a request calls it", examples=["lm_studio/qwen3-8b"])
    object: Literal["model"] = Field("model", description="always `model`")
    created: int = Field(
        description="when the server began to offer it (s since 1970)", examples=[1795190400]
    )
    owned_by: str = Field(
        description="the provider that answers, see `/providers/llm`", examples=["lm_studio"]
    )
    name: str = Field(description="the same for people", examples=["qwen3-8b (lm_studio)"])


class ModelList(BaseModel):
    """Models."""

    object: Literal["list"] = Field("list", description="always `list`")
    data: list[ModelOut] = Field(description="every one that can be asked for now")
