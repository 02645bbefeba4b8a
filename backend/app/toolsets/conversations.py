"""The toolset `conversations`: searches the caller's own conversations and dictations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.core.config import Settings
from app.toolsets.base import Tool, ToolContext, ToolFailed

_MOST = 20
_PAGE, _PAGES = 100, 10
"""How many hits are read to get past those in the conversation of the call."""


class FoundPassage(BaseModel):
    """A passage with the words."""

    kind: str
    """`title`, `message` or `dictation`."""
    title: str | None
    """The title of the conversation."""
    role: str | None
    """The author: `user` or `assistant`."""
    date: datetime
    text: str
    """The text around the words, at most 160 characters."""
    conversation_id: UUID | None


class SearchResult(BaseModel):
    found: bool
    places: list[FoundPassage]


class ConversationsToolset:
    """Searches with the caller's rights: an API key without the scope `chat` finds nothing."""

    name = "conversations"
    description = "searches the user's own conversations and dictations; from this server's database"

    def __init__(self, settings: Settings) -> None:
        """Needs no settings."""

    def tools(self) -> Sequence[Tool]:
        return (Tool(self.search_conversations),)

    async def search_conversations(self, context: ToolContext, query: str, limit: int = 10) -> SearchResult:
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
        others = await _find_elsewhere(context, query, wanted)
        places = [
            FoundPassage(
                kind=hit.kind,
                title=hit.title,
                role=hit.role,
                date=hit.created_at,
                text=hit.snippet,
                conversation_id=hit.conversation_id,
            )
            for hit in others
        ]
        return SearchResult(found=bool(places), places=places)

    async def aclose(self) -> None:
        """Nothing to close."""


async def _find_elsewhere(context: ToolContext, query: str, wanted: int) -> Sequence[Any]:
    """Hits outside the conversation of the call, which holds the words of the question and is known already."""
    user_id, own, before = context.caller.user_id, context.conversation_id, None
    found: list[Any] = []
    for _ in range(_PAGES):
        hits = await context.search.find(user_id, query, limit=_PAGE if own else wanted, before=before)
        found += [hit for hit in hits if not own or hit.conversation_id != own]
        if len(found) >= wanted or len(hits) < _PAGE:
            break
        before = hits[-1].id
    return found[:wanted]
