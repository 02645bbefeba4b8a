"""The wire of connected models: what a user says of a connection, what is told of it, and how a trial went."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from app.core.config import VendorName

TrialProblem = Literal[
    "wrong_key",
    "unknown_host",
    "refused",
    "tls",
    "redirects",
    "no_api",
    "no_models",
    "loading",
    "rate_limited",
    "too_slow",
    "model_failed",
    "unreachable",
]
"""What keeps an upstream from answering."""

_ADDRESS = (
    "the address of the API, usually ending in `/v1`: public https, or an origin of `llm.allowed_base_urls`"
)
_KEY_CHARS = 1000
Models = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=200)]


class ConnectionTestIn(BaseModel):
    """What to try."""

    vendor: VendorName = Field("other", description="whose API it is; `other` guesses from the address")
    base_url: str = Field(
        "",
        max_length=1000,
        description=f"{_ADDRESS}; empty takes the vendor's usual one",
        examples=["https://api.openai.com/v1"],
    )
    api_key: SecretStr = Field(
        SecretStr(""), max_length=_KEY_CHARS, description="the key for that address; empty sends none"
    )
    model: str = Field(
        "", max_length=200, description="the model to ask; empty takes the first that is listed"
    )


class ConnectionIn(ConnectionTestIn):
    """A new connection."""

    title: str = Field(
        "", max_length=60, description="a name to show to people; empty takes the vendor's or the host's"
    )
    model: str = Field(
        "", max_length=200, description="the model for requests that name only the connection; may be empty"
    )
    models: Models = Field([], description="the models to offer; empty offers all that the server lists")


class ConnectionChangeIn(BaseModel):
    """What changes; absent fields stay as they are."""

    title: str | None = Field(None, min_length=1, max_length=60, description="a name to show to people")
    base_url: str | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description=f"{_ADDRESS}. A key belongs to its address: another one needs `api_key` too",
    )
    api_key: SecretStr | None = Field(
        None,
        max_length=_KEY_CHARS,
        description="the new key, which replaces the stored one at once; empty removes it",
    )
    model: str | None = Field(None, max_length=200, description="as in a new connection")
    models: Models | None = Field(None, description="as in a new connection")
    shared: bool | None = Field(
        None, description="whether all users may use it; only an admin can share a connection"
    )


class ConnectionOut(BaseModel):
    """A connection, without its key."""

    id: UUID = Field(description="the connection's id")
    name: str = Field(
        description="how its models' ids begin for its owner, as in `my.openai/gpt-5`; for others, if it is shared, "
        "they begin with `shared.` instead of `my.`",
        examples=["my.openai"],
    )
    title: str = Field(description="the name to show to people", examples=["OpenAI"])
    vendor: str = Field(description="whose API it is", examples=["openai"])
    base_url: str = Field(description="the address of the API", examples=["https://api.openai.com/v1"])
    has_key: bool = Field(description="whether a key is stored; it is never returned")
    key_hint: str = Field(
        description="the last characters of the key; empty if there is none, or a short one",
        examples=["9f3a"],
    )
    needs_key: bool = Field(
        description="whether the stored key can no longer be read, as after a restore without the key file"
    )
    model: str = Field(description="the model for requests that name only the connection; may be empty")
    models: list[str] = Field(description="the models to offer; empty for all that the server lists")
    shared: bool = Field(description="whether all users may use it")
    created_at: datetime = Field(description="when it was made")
    updated_at: datetime = Field(description="when it was last changed")


class ConnectionDeletedOut(BaseModel):
    """The connection and its key are deleted."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")


class ConnectionTrialOut(BaseModel):
    """How a trial went."""

    ok: bool = Field(description="whether a model has answered")
    problem: TrialProblem | None = Field(
        description="what keeps it from answering; null if nothing does", examples=["wrong_key"]
    )
    message: str = Field(description="the problem in English, and how to go on; empty if there is none")
    vendor: str = Field(description="whose API it is, as far as the address tells", examples=["openai"])
    title: str = Field(description="its name for people", examples=["OpenAI"])
    base_url: str = Field(description="the address in its usual form", examples=["https://api.openai.com/v1"])
    models: list[str] = Field(description="the models that it lists, those that answer no prompts last")
    model: str = Field(description="the model that was asked; empty if none was", examples=["gpt-5-mini"])
    list_ms: int | None = Field(description="how long the list of models took (ms); null if there is none")
    first_token_ms: int | None = Field(
        description="how long the first piece of an answer took (ms); null if there was none"
    )
