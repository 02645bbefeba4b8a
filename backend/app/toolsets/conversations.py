"""The toolset `conversations`: search over what the caller has said and been answered, and nobody else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.core.config import Settings
from app.toolsets.base import Tool, ToolContext, ToolFailed

_MOST = 20
_PAGE, _PAGES = 100, 10
"""How far it looks past the conversation that asks."""


class Place(BaseModel):
    """Where the words stand."""

    kind: str
    """`title`, `message` or `dictation`."""
    title: str | None
    """Of the conversation."""
    role: str | None
    """Who said it: `user` or `assistant`."""
    date: datetime
    text: str
    """The piece around the words, at most 160 characters."""
    conversation_id: UUID | None


class Places(BaseModel):
    found: bool
    places: list[Place]


class ConversationsToolset:
    """Has the rights of its caller: also those that an API key lacks."""

    name = "conversations"
    description = "searches the user's own conversations and dictations; from this server's database"

    def __init__(self, settings: Settings) -> None:
        """Nothing of the settings is needed."""

    def tools(self) -> Sequence[Tool]:
        return (Tool(self.search_conversations),)

    async def search_conversations(self, context: ToolContext, query: str, limit: int = 10) -> Places:
        """Search the user's own earlier conversations and dictations; the newest come first.

        Args:
            query: Words that all stand in one message or title; the last one may be unfinished.
            limit: How many to tell, at most 20.
        """
        if "chat" not in context.caller.scopes:
            raise ToolFailed(
                "this API key may not read conversations: it lacks the scope 'chat'; say that it cannot be looked up"
            )
        wanted = max(1, min(limit, _MOST))
        others = await _elsewhere(context, query, wanted)
        places = [
            Place(
                kind=hit.kind,
                title=hit.title,
                role=hit.role,
                date=hit.created_at,
                text=hit.snippet,
                conversation_id=hit.conversation_id,
            )
            for hit in others
        ]
        return Places(found=bool(places), places=places)

    async def aclose(self) -> None:
        """Nothing to close."""


async def _elsewhere(context: ToolContext, query: str, wanted: int) -> Sequence[Any]:
    """Not in the conversation that asks: it holds the words of the question, and is known anyhow."""
    user_id, own, before = context.caller.user_id, context.conversation_id, None
    found: list[Any] = []
    for _ in range(_PAGES):
        hits = await context.search.find(user_id, query, limit=_PAGE if own else wanted, before=before)
        found += [hit for hit in hits if not own or hit.conversation_id != own]
        if len(found) >= wanted or len(hits) < _PAGE:
            break
        before = hits[-1].id
    return found[:wanted]
