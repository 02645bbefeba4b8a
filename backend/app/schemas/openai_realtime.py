"""The bodies of `POST /v1/realtime/client_secrets`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ExpiresAfterIn(BaseModel):
    """How long a secret is valid."""

    anchor: Literal["created_at"] = Field(
        "created_at", description="the moment from which the time counts; there is no other"
    )
    seconds: int = Field(
        600, ge=10, le=7200, strict=True, description="how long the secret opens sockets (s)"
    )


class ClientSecretIn(BaseModel):
    """What a client secret is for. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    expires_after: ExpiresAfterIn | None = Field(None, description="10 minutes if absent")
    session: dict[str, Any] | None = Field(
        None,
        description="a session as in `session.update`: what the socket begins with",
        examples=[{"type": "transcription", "audio": {"input": {"transcription": {"language": "es"}}}}],
    )


class ClientSecretOut(BaseModel):
    """A new client secret."""

    value: str = Field(
        repr=False, description="the secret, which opens `/v1/realtime` only", examples=["ek_…"]
    )
    expires_at: int = Field(
        description="until when it opens sockets (seconds since 1970)", examples=[1_788_000_000]
    )
    session: dict[str, Any] = Field(description="the session in force, as in `session.created`")
