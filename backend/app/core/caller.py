"""Who asks: what a request has been found to come from, and all that doors and services need to know of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

Role = Literal["admin", "user"]
Scope = Literal["stt", "llm", "chat", "metrics"]
Via = Literal["local", "session", "key"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
LOCAL_USER_ID = UUID("00000000-0000-7000-8000-000000000001")
"""Owns everything while there are no accounts; the first admin becomes this user."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, or a program that acts for one."""

    user_id: UUID
    name: str
    role: Role
    via: Via
    """`local`: there are no accounts. `session`: logged in. `key`: an API key."""
    scopes: frozenset[Scope] = SCOPES
    """What a key may be used for; a person may do all."""
    credential_id: UUID | None = None
    """Of the session or the key: what can be revoked."""
    expires_at: datetime | None = None


LOCAL = Caller(LOCAL_USER_ID, "local", "admin", "local")
"""The one user of a server without accounts."""
