"""Conversations of a user: created, listed, changed, deleted, and branched by regenerating, editing and forking."""

from typing import Any, Unpack
from uuid import UUID

from app.core.errors import BadRequest
from app.services.chat.answer import AnswerOptions
from app.services.chat.answers import Answers
from app.storage import conversations, messages
from app.storage.common import Page, replace_unstorable
from app.storage.conversations import DEFAULT_TITLE, Conversation, ConversationChanges
from app.storage.database import Database
from app.storage.messages import Message, NewTurn, Versions, select_versions

__all__ = [
    "DEFAULT_TITLE",
    "Branches",
    "Conversation",
    "ConversationChanges",
    "Conversations",
    "Message",
    "one_line",
    "select_versions",
]


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
            return await conversations.list_page(session, user_id, limit=limit, before=before, q=q)

    async def get(self, user_id: UUID, conversation_id: UUID) -> Conversation:
        """Raises: NotFound"""
        async with self._database.read() as session:
            return await conversations.get(session, user_id, conversation_id)

    async def change(
        self,
        user_id: UUID,
        conversation_id: UUID,
        *,
        show: UUID | None = None,
        **changes: Unpack[ConversationChanges],
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
                await messages.show_branch(session, user_id, show)
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
        self, user_id: UUID, conversation_id: UUID, *, all_branches: bool = False
    ) -> tuple[Message, ...]:
        """Return the messages of the shown branch, or of all branches, oldest first.

        Raises:
            NotFound: this user has no such conversation.
        """
        async with self._database.read() as session:
            if all_branches:
                ids = await messages.list_ids(session, user_id, conversation_id, all_branches=True)
                return await messages.read_page(session, conversation_id, ids)
            return await messages.read_branch(session, user_id, conversation_id)


def one_line(title: str) -> str:
    """A title without line breaks, spaces around it, and what no database takes."""
    return replace_unstorable(" ".join(title.split()))


class Branches:
    """Nothing is overwritten: a new answer and an edited message stand beside the old one, and are shown.

    What is not this user's is `NotFound`; while an answer is under way in the conversation, `Busy`.
    """

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def regenerate(self, user_id: UUID, message_id: UUID, options: AnswerOptions) -> NewTurn:
        """Begin one more answer: beside this one, or to this message of the user.

        Raises:
            BadRequest: it is neither an answer to a user nor a message of one.
            NotFound, Busy, ServerFull, Interrupted, StorageUnavailable
        """
        async with self._database.read() as session:
            question = await messages.get(session, user_id, message_id)
            if question.role == "assistant" and question.parent_id is not None:
                question = await messages.get(session, user_id, question.parent_id)
            conversation = await conversations.get(session, user_id, question.conversation_id)
        answer = await self._answers.answer(user_id, conversation.id, question.id, options=options)
        return NewTurn(user=question, assistant=answer, title=conversation.title)

    async def edit(self, user_id: UUID, message_id: UUID, text: str, options: AnswerOptions) -> NewTurn:
        """Store another version of a user's message beside it, and begin its answer.

        Raises:
            BadRequest: the message is not a user's, or the text is empty.
            MessageTooBig, NotFound, Busy, ServerFull, Interrupted, StorageUnavailable
        """
        async with self._database.read() as session:
            edited = await messages.get(session, user_id, message_id)
        if edited.role != "user":
            raise BadRequest("only a message of the user can be edited; answers are made again: `regenerate`")
        return await self._answers.send(
            user_id, edited.conversation_id, text, parent=edited.parent_id, options=options
        )

    async def fork(self, user_id: UUID, message_id: UUID, title: str = "") -> Conversation:
        """A new conversation with copies of all messages down to this one; the old one stays as it is.

        Raises:
            NotFound, Busy, StorageUnavailable
        """
        async with self._database.write() as session:
            message = await messages.get(session, user_id, message_id)
            copy_id = await messages.fork(session, user_id, message.conversation_id, message_id)
            if title := one_line(title):
                return await conversations.change(session, user_id, copy_id, title=title)
            return await conversations.get(session, user_id, copy_id)

    async def messages(
        self, user_id: UUID, conversation_id: UUID, *, all_branches: bool, last: int
    ) -> tuple[tuple[Message, ...], Versions]:
        """The messages of the shown branch or of all, oldest first; and which are versions of each other.

        Raises:
            NotFound, StorageUnavailable
        """
        async with self._database.read() as session:
            ids = await messages.list_ids(session, user_id, conversation_id, all_branches=all_branches)
            found = await messages.read_page(session, conversation_id, ids[-last:])
            if not ids:
                await conversations.get(session, user_id, conversation_id)
            return found, await messages.list_versions(session, user_id, conversation_id)
