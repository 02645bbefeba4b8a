"""The words of accounts: logging in, who one is, and API keys."""

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
        description="for a browser: keep the refresh token in a cookie that no script can read, and out of the body",
    )


class RefreshIn(BaseModel):
    """The token to renew with; a browser leaves it out and sends the cookie."""

    refresh_token: str | None = Field(
        None, max_length=4096, repr=False, description="the newest refresh token", examples=["rt_3n8y…"]
    )


class UserOut(BaseModel):
    """A user."""

    id: UUID = Field(description="the user's id")
    name: str = Field(description="the user's name", examples=["ada"])
    role: Role = Field(description="`admin` or `user`", examples=["user"])


class LogInOut(BaseModel):
    """Tokens of a log-in."""

    access_token: str = Field(
        repr=False, description="send it as `Authorization: Bearer`", examples=["eyJhbGciOi…"]
    )
    token_type: Literal["bearer"] = Field("bearer", description="always `bearer`")
    expires_in: int = Field(description="life of the access token (s)", examples=[900])
    refresh_token: str | None = Field(
        repr=False,
        description="renews the log-in once, and gives the next one; null where it went into the cookie",
        examples=["rt_3n8y…"],
    )
    refresh_expires_at: datetime = Field(description="end of the log-in, unless it is renewed before")
    user: UserOut = Field(description="who has logged in")


class MeOut(UserOut):
    """Who asks, and what that is good for."""

    mode: Literal["none", "accounts"] = Field(
        description="`none`: this server asks nobody; `accounts`: it does"
    )
    via: Via = Field(description="`session`: logged in; `key`: an API key; `local`: nobody was asked")
    scopes: list[Scope] = Field(description="what this token may be used for", examples=[["stt", "llm"]])
    expires_at: datetime | None = Field(description="end of this token or key; null if it has none")


class LoggedOutOut(BaseModel):
    """The log-in is over."""

    status: Literal["logged_out"] = Field("logged_out", description="always `logged_out`")


class KeyIn(BaseModel):
    """A key to be made."""

    name: str = Field(
        min_length=1, max_length=100, description="what it is for, in your own words", examples=["my editor"]
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10)] = Field(
        description="what it may be used for; `metrics` takes an admin", examples=[["stt", "llm"]]
    )
    expires_days: int | None = Field(
        None, ge=1, le=3650, strict=True, description="life in days; null for no end", examples=[90]
    )


class KeyOut(BaseModel):
    """A key, without its secret."""

    id: UUID = Field(description="by which it is deleted")
    name: str = Field(description="what it is for", examples=["my editor"])
    prefix: str = Field(description="how it begins, to know it by", examples=["pk_x7Kq2mPa"])
    scopes: list[Scope] = Field(description="what it may be used for", examples=[["stt", "llm"]])
    created_at: datetime = Field(description="when it was made")
    expires_at: datetime | None = Field(description="when it ends; null for never")
    last_used_at: datetime | None = Field(description="when it was last used, to the minute; null for never")


class NewKeyOut(KeyOut):
    """A key that has just been made."""

    key: str = Field(
        repr=False, description="the key itself: shown this once, kept nowhere", examples=["pk_x7Kq2mPa…"]
    )


class KeyDeletedOut(BaseModel):
    """The key opens nothing any more."""

    status: Literal["deleted"] = Field("deleted", description="always `deleted`")
