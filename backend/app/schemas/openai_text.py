"""Bodies of `/v1/completions` and `/v1/embeddings`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.schemas.openai_chat import ChatUsageOut, StreamOptionsIn

MOST_PROMPTS = 16
"""Prompts of one request, which are answered one after the other."""
MOST_INPUTS = 2048
"""Texts of one request for embeddings; as OpenAI."""

_ALLOW_EXTRA = ConfigDict(extra="allow")


def _check_prompt(value: Any) -> Any:
    """Refuse token numbers with one message, not with one for each type of the union."""
    is_list = isinstance(value, list)
    if isinstance(value, str) or (is_list and value and all(isinstance(each, str) for each in value)):
        return value
    raise ValueError(
        "should be a text or a list of texts: numbers of tokens mean something else to each model"
    )


class TextCompletionIn(BaseModel):
    """A request for a text completion. Other fields of `/v1/chat/completions` are passed on."""

    model_config = ConfigDict(
        extra="allow",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"model": "echo", "prompt": "Say hello"}]},
    )

    prompt: Annotated[str | list[str], BeforeValidator(_check_prompt)] = Field(
        description=f"what to answer: a text, or a list of at most {MOST_PROMPTS}", examples=["Say hello"]
    )
    model: str | None = Field(
        None,
        max_length=400,
        description="id of a model, or an alias; absent takes the default",
        examples=["echo"],
    )
    stream: bool | None = Field(None, description="true sends pieces as server-sent events", examples=[False])
    stream_options: StreamOptionsIn | None = Field(None, description="how to stream")
    echo: bool | None = Field(None, description="true puts the prompt in front of the text", examples=[False])
    suffix: str | None = Field(None, description="text after the gap; refused: chat models fill no gaps")
    max_tokens: int | None = Field(None, ge=1, description="longest answer (tokens)", examples=[500])
    temperature: float | None = Field(None, ge=0, le=2, description="randomness", examples=[0.7])
    top_p: float | None = Field(None, ge=0, le=1, description="probability mass of the likeliest tokens")
    n: int | None = Field(None, ge=1, le=16, description="number of answers to each prompt", examples=[1])
    stop: str | list[str] | None = Field(None, description="texts that end the answer", examples=[["\n\n"]])
    seed: int | None = Field(
        None, description="the same seed gives the same answer, where the model supports it"
    )


class TextChoiceOut(BaseModel):
    """One answer."""

    text: str = Field(description="the text", examples=["Say hello"])
    index: int = Field(
        description="number of the answer, from 0; `n` for each prompt, in order", examples=[0]
    )
    logprobs: None = Field(None, description="always null")
    finish_reason: str | None = Field(description="`stop`, `length`, `content_filter` …", examples=["stop"])


class TextCompletionOut(BaseModel):
    """All answers of a request."""

    id: str = Field(description="id of this completion", examples=["cmpl-5905e6dbcbfa455399569db40f8d8c9a"])
    object: Literal["text_completion"] = Field(description="always `text_completion`")
    created: int = Field(description="time of the request (s since 1970)", examples=[1795190400])
    model: str = Field(description="full id of the model that answers", examples=["lm_studio/qwen3-8b"])
    choices: list[TextChoiceOut] = Field(description="the answers")
    usage: ChatUsageOut = Field(description="tokens that all answers took")


def _check_input(value: Any) -> Any:
    """As `_check_prompt`: a text, texts, the tokens of a text, or those of texts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        for is_kind in (_is_text, _is_token, _is_tokens):
            if all(is_kind(each) for each in value):
                return value
    raise ValueError("should be a text, a list of texts, or numbers of tokens")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_token(value: Any) -> bool:
    return type(value) is int


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_token, value))


class EmbeddingsIn(BaseModel):
    """A request for embeddings. Other fields are passed on."""

    model_config = ConfigDict(
        extra="allow",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"model": "ollama/nomic-embed-text", "input": "Say hello"}]},
    )

    model: str = Field(
        min_length=1,
        max_length=400,
        description="id of a model of a service that computes embeddings, or an alias",
        examples=["ollama/nomic-embed-text"],
    )
    input: Annotated[Any, BeforeValidator(_check_input)] = Field(
        description=f"a text, a list of at most {MOST_INPUTS} texts, or tokens", examples=["Say hello"]
    )
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="how the service writes the numbers", examples=["float"]
    )
    dimensions: int | None = Field(
        None, ge=1, description="length of each embedding, where the model can choose"
    )


class EmbeddingOut(BaseModel):
    """The embedding of one input."""

    model_config = _ALLOW_EXTRA

    object: Literal["embedding"] = Field("embedding", description="always `embedding`")
    index: int = Field(description="number of the input, from 0", examples=[0])
    embedding: list[float] | str = Field(description="the numbers, or their base64", examples=[[0.1, -0.2]])


class EmbeddingsUsageOut(BaseModel):
    """Tokens that were read."""

    model_config = _ALLOW_EXTRA

    prompt_tokens: int = Field(description="tokens read", examples=[3])
    total_tokens: int = Field(description="the same", examples=[3])
    estimated: bool | None = Field(
        None, description="true where the service gives no usage: four characters are counted as a token"
    )


class EmbeddingsOut(BaseModel):
    """The embeddings of all inputs, in their order."""

    object: Literal["list"] = Field("list", description="always `list`")
    data: list[EmbeddingOut] = Field(description="the embeddings")
    model: str = Field(description="full id of the model", examples=["ollama/nomic-embed-text"])
    usage: EmbeddingsUsageOut
