"""Messages of accounts: log-ins, the current user, API keys, and what a user decides."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.core.security import Role, Scope, Via


class LogInIn(BaseModel):
    """A name and its password."""

    name: str = Field(max_length=200, description="the user's name, in any case", examples=["ada"])
    password: str = Field(
        max_length=4096, repr=False, description="the password", examples=["correct horse battery staple"]
    )
    cookie: bool = Field(
        False,
        description="for a browser: put the refresh token into a cookie that no script can read, not into the body",
    )


class RefreshIn(BaseModel):
    """The refresh token. A browser leaves it out and sends the cookie."""

    refresh_token: str | None = Field(
        None, max_length=4096, repr=False, description="the newest refresh token", examples=["rt_3n8y…"]
    )


class UserOut(BaseModel):
    """A user."""

    id: UUID = Field(description="the user's id")
    name: str = Field(description="the user's name", examples=["ada"])
    role: Role = Field(description="`admin` or `user`", examples=["user"])


class LogInOut(BaseModel):
    """The tokens of a log-in."""

    access_token: str = Field(
        repr=False, description="send it as `Authorization: Bearer`", examples=["eyJhbGciOi…"]
    )
    token_type: Literal["bearer"] = Field("bearer", description="always `bearer`")
    expires_in: int = Field(description="life of the access token (s)", examples=[900])
    refresh_token: str | None = Field(
        repr=False,
        description="renews the log-in once, which gives the next one; null if it is in the cookie",
        examples=["rt_3n8y…"],
    )
    refresh_expires_at: datetime = Field(description="when the log-in ends unless it is renewed")
    user: UserOut = Field(description="the user of the log-in")


class MeOut(UserOut):
    """The current user, and what the token may be used for."""

    mode: Literal["none", "accounts"] = Field(
        description="`none`: the server has no accounts; `accounts`: users log in"
    )
    via: Via = Field(
        description="`session`: a log-in; `key`: an API key; `local`: the server has no accounts"
    )
    scopes: list[Scope] = Field(description="what this token may be used for", examples=[["stt", "llm"]])
    expires_at: datetime | None = Field(description="when this token or key expires; null for never")
    sharing: Literal["off", "machine", "network"] = Field(
        description="whether conversations can be shared by link: `off`; `machine`: a link opens on the server's own "
        "machine alone; `network`: wherever the server is reached"
    )


class LoggedOutOut(BaseModel):
    """The log-in has ended."""

    status: Literal["logged_out"] = Field("logged_out", description="always `logged_out`")


class KeyIn(BaseModel):
    """The description of a new key."""

    name: str = Field(
        min_length=1, max_length=100, description="a name of your choice", examples=["my editor"]
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10)] = Field(
        description="what the key may be used for; `metrics` only for admins", examples=[["stt", "llm"]]
    )
    expires_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        strict=True,
        description="days until the key expires; null for never",
        examples=[90],
    )


class KeyOut(BaseModel):
    """A key, without its secret."""

    id: UUID = Field(description="the key's id")
    name: str = Field(description="the key's name", examples=["my editor"])
    prefix: str = Field(description="the first characters of the key", examples=["pk_x7Kq2mPa"])
    scopes: list[Scope] = Field(description="what the key may be used for", examples=[["stt", "llm"]])
    created_at: datetime = Field(description="when the key was created")
    expires_at: datetime | None = Field(description="when the key expires; null for never")
    last_used_at: datetime | None = Field(
        description="when the key was last used, to the minute; null for never"
    )


class NewKeyOut(KeyOut):
    """A new key."""

    key: str = Field(
        repr=False,
        description="the key itself, which is not stored and never shown again",
        examples=["pk_x7Kq2mPa…"],
    )


class KeyDeletedOut(BaseModel):
    """The key is deleted."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")


class SettingsIn(BaseModel):
    """What the user decides; what is left out stays as it is."""

    keep_audio: bool | None = Field(
        None,
        strict=True,
        description="whether the audio of one's dictations is kept for a time after their end; `false` also deletes "
        "what is kept",
    )


class SettingsOut(BaseModel):
    """What the user has decided, and how far the server goes along with it."""

    keep_audio: bool = Field(
        description="whether the audio of one's dictations is kept for a time after their end"
    )
    audio_hours: float = Field(
        description="for how long (h); 0: this server keeps none, whatever the user decides", examples=[24.0]
    )
    attachment_files: int = Field(description="most files of one message on this server", examples=[20])
    attachment_bytes: int = Field(
        description="largest file of a message on this server (bytes)", examples=[26214400]
    )
