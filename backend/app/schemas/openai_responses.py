"""Bodies of `/v1/responses`: what every request is checked for; items, parts and tools are read by the translator."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MOST_ITEMS = 10_000
MOST_TOKENS = 1 << 53
"""The largest number that every reader of JSON keeps."""
_ALLOW_EXTRA = ConfigDict(extra="allow")


def _check_input(value: Any) -> Any:
    """Refuse an `input` of another type with one message, not with one for each type of the union."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) <= MOST_ITEMS and all(isinstance(item, dict) for item in value):
        return value
    raise ValueError(f"should be a text or a list of at most {MOST_ITEMS} items")


class ResponseIn(BaseModel):
    """A request for a response. Other fields that OpenAI documents are accepted without effect."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"model": "echo", "input": "Say hello"},
                {
                    "model": "lm_studio/qwen3-8b",
                    "instructions": "Answer in one word.",
                    "input": [{"role": "user", "content": [{"type": "input_text", "text": "Say hello"}]}],
                    "stream": True,
                    "store": False,
                },
            ]
        },
    )

    input: Annotated[str | list[dict[str, Any]], BeforeValidator(_check_input)] = Field(
        description="a text, or the items of the conversation, oldest first",
        examples=["Say hello"],
    )
    model: str | None = Field(
        None,
        description="an id of `/v1/models`, `profile/model`, a provider's name, or an alias; absent takes the default",
        examples=["echo"],
    )
    instructions: str | None = Field(
        None, description="the system's message, in front of `input`", examples=["Answer in one word."]
    )
    stream: bool | None = Field(None, description="true sends server-sent events", examples=[False])
    tools: list[dict[str, Any]] | None = Field(
        None,
        max_length=1000,
        description="functions and custom tools, which the client runs; others are left out and named in a header",
        examples=[[]],
    )
    tool_choice: str | dict[str, Any] | None = Field(
        None, description="`auto`, `none`, `required`, one tool, or `allowed_tools`", examples=["auto"]
    )
    parallel_tool_calls: bool | None = Field(
        None, description="false asks for one call at a time", examples=[True]
    )
    max_output_tokens: int | None = Field(
        None, ge=1, le=MOST_TOKENS, description="longest answer (tokens)", examples=[500]
    )
    temperature: float | None = Field(None, ge=0, le=2, description="randomness", examples=[0.7])
    top_p: float | None = Field(
        None,
        ge=0,
        le=1,
        description="probability mass of the likeliest tokens to choose from",
        examples=[0.9],
    )
    reasoning: dict[str, Any] | None = Field(
        None,
        description="`effort`; a `summary` other than null has the thoughts sent as summaries",
        examples=[{"effort": "low"}],
    )
    text: dict[str, Any] | None = Field(
        None,
        description="`format` asks for JSON, with or without a schema; `verbosity`",
        examples=[{"format": {"type": "json_object"}}],
    )
    include: list[Any] | None = Field(
        None,
        max_length=100,
        description="`reasoning.encrypted_content` puts the thoughts into a field that comes back next turn",
        examples=[["reasoning.encrypted_content"]],
    )
    store: bool | None = Field(None, description="nothing is stored, whatever it says", examples=[False])
    previous_response_id: str | None = Field(
        None, description="refused: nothing is stored, so `input` holds the whole conversation"
    )
    metadata: dict[str, Any] | None = Field(None, description="comes back in the response", examples=[{}])


class ResponseUsageOut(BaseModel):
    """Tokens that a response took."""

    model_config = _ALLOW_EXTRA

    input_tokens: int = Field(description="tokens read", examples=[11])
    output_tokens: int = Field(description="tokens written", examples=[2])
    total_tokens: int = Field(description="tokens read and written", examples=[13])


class ResponseOut(BaseModel):
    """A whole response; fields of the request that are not named here come back in it."""

    model_config = _ALLOW_EXTRA

    id: str = Field(description="id of this response", examples=["resp_5905e6dbcbfa455399569db40f8d8c9a"])
    object: Literal["response"] = Field(description="always `response`")
    created_at: int = Field(description="time of the request (s since 1970)", examples=[1795190400])
    status: Literal["in_progress", "completed", "incomplete", "failed"] = Field(
        description="`incomplete` where the answer was cut off", examples=["completed"]
    )
    model: str = Field(description="full id of the model that answers", examples=["lm_studio/qwen3-8b"])
    output: list[dict[str, Any]] = Field(
        description="items: `reasoning`, `message`, `function_call`, `custom_tool_call`"
    )
    incomplete_details: dict[str, Any] | None = Field(
        description="why it is incomplete: `max_output_tokens` or `content_filter`"
    )
    error: dict[str, Any] | None = Field(description="of a failed one: `code` and `message`")
    usage: ResponseUsageOut | None = Field(description="tokens that it took; null before its end")
