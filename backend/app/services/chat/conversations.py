"""Conversations of a user: made, listed, read, changed and deleted."""

from typing import Any, Unpack
from uuid import UUID

from app.services.chat.answers import Answers
from app.storage import conversations, messages
from app.storage.common import Page
from app.storage.conversations import DEFAULT_TITLE, Changes, Conversation
from app.storage.database import Database
from app.storage.messages import Message
from app.storage.types import storable

__all__ = ["DEFAULT_TITLE", "Changes", "Conversation", "Conversations", "Message", "one_line"]


class Conversations:
    """What belongs to one user does not exist for another: `NotFound`, in the same words as of what is not there."""

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def create(
        self,
        user_id: UUID,
        *,
        title: str = "",
        model: str | None = None,
        system_prompt: str | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Conversation:
        """A new one; its first message names it where no title is given."""
        async with self._database.write() as session:
            return await conversations.create(
                session,
                user_id,
                title=one_line(title) or DEFAULT_TITLE,
                model=model,
                system_prompt=system_prompt,
                settings=settings,
            )

    async def newest(
        self, user_id: UUID, *, limit: int, before: str | None = None, q: str = ""
    ) -> Page[Conversation]:
        """One page, the last changed first; with `q` only those in which its words stand.

        Raises:
            BadRequest: `before` is no cursor.
        """
        async with self._database.read() as session:
            return await conversations.newest(session, user_id, limit=limit, before=before, q=q)

    async def get(self, user_id: UUID, conversation_id: UUID) -> Conversation:
        """Raises: NotFound"""
        async with self._database.read() as session:
            return await conversations.get(session, user_id, conversation_id)

    async def change(
        self, user_id: UUID, conversation_id: UUID, *, show: UUID | None = None, **changes: Unpack[Changes]
    ) -> Conversation:
        """Change what is given; `show` is a message whose branch is to be shown, down to its newest leaf.

        Raises:
            NotFound: this user has no such conversation, or it no such message.
            Busy: an answer is under way, and another branch is to be shown.
        """
        async with self._database.write() as session:
            if show is not None:
                message = await messages.get(session, user_id, show)
                if message.conversation_id != conversation_id:
                    raise messages.unknown_message(show)
                await messages.show(session, user_id, show)
            if changes:
                return await conversations.change(session, user_id, conversation_id, **changes)
            return await conversations.get(session, user_id, conversation_id)

    async def delete(self, user_id: UUID, conversation_id: UUID) -> None:
        """With all its messages; an answer under way ends.

        Raises:
            NotFound
        """
        async with self._database.write() as session:
            await conversations.remove(session, user_id, conversation_id)
        self._answers.forget(conversation_id)

    async def messages(
        self, user_id: UUID, conversation_id: UUID, *, all_branches: bool = False, last: int | None = None
    ) -> tuple[Message, ...]:
        """Those of the branch that is shown, or of all of them; oldest first.

        Raises:
            NotFound
        """
        async with self._database.read() as session:
            if all_branches:
                return (await messages.tree(session, user_id, conversation_id))[-last if last else 0 :]
            return await messages.branch(session, user_id, conversation_id, last=last)


def one_line(title: str) -> str:
    """A title without line breaks, spaces around it, and what no database takes."""
    return storable(" ".join(title.split()))
