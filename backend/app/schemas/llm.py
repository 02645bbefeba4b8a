"""The bodies and events of `/llm/generate`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, field_validator


class MessageIn(BaseModel):
    """One message of the conversation so far."""

    role: Literal["system", "user", "assistant"] = Field(
        description="the author of the message", examples=["user"]
    )
    content: str = Field(
        max_length=1_000_000,
        description="the text of the message",
        examples=["Summarise my notes in two sentences."],
    )


class GenerateConfig(BaseModel):
    """The model to ask, and how. Empty fields fall back to the server's settings."""

    base_url: str = Field(
        "",
        max_length=2000,
        description="the upstream's address, which ends in /v1: public https or an allowed origin; needs `api_key` too",
        examples=["https://api.openai.com/v1"],
    )
    api_key: SecretStr = Field(
        SecretStr(""), description="the API key for `base_url`; used for this request only", examples=["sk-…"]
    )
    model: str = Field(
        "",
        max_length=500,
        description="the upstream's name of the model, or `profile/model`, which needs no `base_url` and no `api_key`",
        examples=["gpt-5-mini"],
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="randomness of the answer; the model's default if absent",
        examples=[0.7],
    )
    max_tokens: int | None = Field(None, ge=1, description="the longest answer (tokens)", examples=[500])
    top_p: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the share of the likeliest tokens to choose from; the model's default if absent",
        examples=[0.9],
    )
    stop: str | Annotated[list[str], Field(max_length=16)] | None = Field(
        None, description="texts that end the answer when the model writes them", examples=[["\n\n"]]
    )
    seed: int | None = Field(
        None, description="the same seed gives the same answer, if the model supports it", examples=[7]
    )

    @field_validator("base_url", "api_key", "model", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value


class GenerateIn(BaseModel):
    """A prompt: messages, a dictation's transcript, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"messages": [{"role": "user", "content": "Say hello"}], "provider": "echo"},
                {
                    "messages": [{"role": "user", "content": "Say hello"}],
                    "provider": "openai_compat",
                    "config": {
                        "base_url": "https://api.openai.com/v1",
                        "api_key": "sk-…",
                        "model": "gpt-5-mini",
                    },
                },
                {"session_id": "s1", "stream": True},
            ]
        }
    )

    messages: list[MessageIn] = Field(
        [],
        max_length=10_000,
        description="the conversation, oldest first",
        examples=[[{"role": "user", "content": "Say hello"}]],
    )
    session_id: str | None = Field(
        None,
        max_length=200,
        description="the label of a dictation, whose finished transcript is sent as the last user message",
        examples=["s1"],
    )
    provider: str | None = Field(
        None,
        max_length=200,
        description="the provider that answers, see `/providers/llm`; the default if absent",
        examples=["echo"],
    )
    stream: bool = Field(
        False, description="whether to send the answer as server-sent events", examples=[False]
    )
    config: GenerateConfig = Field(
        GenerateConfig(), description="the model to ask, and how", examples=[{"model": "gpt-5-mini"}]
    )

    @field_validator("messages", "config", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any, info: Any) -> Any:
        if value is not None:
            return value
        return [] if info.field_name == "messages" else {}


class UsageOut(BaseModel):
    """The tokens of a prompt and its answer; `echo` counts words."""

    prompt_tokens: int = Field(description="tokens of the prompt", examples=[11])
    completion_tokens: int = Field(description="tokens of the answer", examples=[2])
    total_tokens: int = Field(description="tokens of both", examples=[13])


class GenerateOut(BaseModel):
    """A whole answer."""

    provider: str = Field(description="the provider that answered", examples=["echo"])
    model: str | None = Field(
        description="the model that answered, as the upstream names it", examples=["echo"]
    )
    text: str = Field(description="the text of the answer", examples=["Say hello"])
    finish_reason: str = Field(
        description="`stop`, `length` (cut at max_tokens), `content_filter` …", examples=["stop"]
    )
    usage: UsageOut | None = Field(description="null where the upstream does not report it")


class ContentEvent(BaseModel):
    """`event: message`: the next text of a streamed answer."""

    content: str = Field(description="text to append", examples=["Say "])


class DoneEvent(BaseModel):
    """`event: done`: the streamed answer is whole; the last event."""

    status: Literal["completed"] = Field(description="always `completed`")
    message_id: str = Field(
        description="the id of this answer", examples=["msg_5f0c9d3e5a6b7c8d9e0f0d9f6c1e8a7b"]
    )
    finish_reason: str = Field(description="as in the whole answer", examples=["stop"])
    usage: UsageOut | None = Field(description="null where the upstream does not report it")


class StreamErrorEvent(BaseModel):
    """`event: error`: the streamed answer broke off; the last event."""

    error: str = Field(description="what failed, and how to go on", examples=["the upstream broke off"])
    code: str = Field(
        description="the stable code of the error, see the table of errors", examples=["upstream_error"]
    )


GenerateEvent = Annotated[
    ContentEvent | DoneEvent | StreamErrorEvent,
    Field(description="the data of one event of a streamed answer; the event's name says which one it is"),
]
generate_event: TypeAdapter[Any] = TypeAdapter(GenerateEvent)
