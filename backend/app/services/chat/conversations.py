"""Conversations of a user: created, listed, changed and branched, also in the words of real-time chat sessions."""

from typing import Any, Unpack
from uuid import UUID

from app.core.errors import BadRequest
from app.core.idempotency import RequestKey
from app.services.chat.answers import AnswerOptions, Answers, AttachedIds
from app.storage import conversations, idempotency, messages
from app.storage.common import Page, replace_unstorable
from app.storage.conversations import DEFAULT_TITLE, Conversation, ConversationChanges
from app.storage.database import Database
from app.storage.messages import Message, NewTurn, Versions, select_versions
from app.storage.tool_events import load_tool_events

__all__ = [
    "DEFAULT_TITLE",
    "Branches",
    "Conversation",
    "ConversationChanges",
    "Conversations",
    "Message",
    "RealtimeSessions",
    "load_tool_events",
    "make_title_line",
    "select_versions",
]


def make_title_line(title: str) -> str:
    """The title on one line, without outer spaces and characters that databases reject."""
    return replace_unstorable(" ".join(title.split()))


class Conversations:
    """The conversations of users. What belongs to another user is `NotFound`, in the same words as what is missing."""

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
        key: RequestKey | None = None,
    ) -> Conversation:
        """Create a conversation. Without a title its first message names it. The same `key` makes no second one.

        Raises:
            IdReused: another request had this key.
            NotFound: what the first request made has been deleted.
        """
        async with self._database.write() as session:
            if made := await idempotency.claim(session, user_id, key):
                return await conversations.get(session, user_id, made)
            created = await conversations.create(
                session,
                user_id,
                title=make_title_line(title) or DEFAULT_TITLE,
                model=model,
                system_prompt=system_prompt,
                settings=settings,
            )
            await idempotency.note_made(session, user_id, key, created.id)
            return created

    async def list_page(
        self, user_id: UUID, *, limit: int, before: str | None = None, q: str = ""
    ) -> Page[Conversation]:
        """One page, the last changed first; with `q`, only conversations in which its words stand.

        Raises:
            BadRequest: `before` is not a cursor.
        """
        async with self._database.read() as session:
            return await conversations.list_page(session, user_id, limit=limit, before=before, q=q)

    async def get(self, user_id: UUID, conversation_id: UUID) -> Conversation:
        """One conversation.

        Raises:
            NotFound: this user has no such conversation.
        """
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
        """Change the given fields. `show` is a message whose branch is shown from now on, down to its newest leaf.

        Raises:
            NotFound: this user has no such conversation, or it has no such message.
            Busy: an answer is under way, and another branch should be shown.
        """
        async with self._database.write() as session:
            if show is not None:
                message = await messages.get(session, user_id, show)
                if message.conversation_id != conversation_id:
                    raise messages.unknown_message()
                await messages.show_branch(session, user_id, show)
            if changes:
                changed = await conversations.change(session, user_id, conversation_id, **changes)
            else:
                changed = await conversations.get(session, user_id, conversation_id)
        if "title" in changes:
            self._answers.titles.keep(conversation_id)
        return changed

    async def delete(self, user_id: UUID, conversation_id: UUID) -> None:
        """Delete a conversation with all its messages, and end its running answer.

        Raises:
            NotFound: this user has no such conversation.
        """
        async with self._database.write() as session:
            await conversations.remove(session, user_id, conversation_id)
        self._answers.end_deleted(user_id, conversation_id)


class Branches:
    """The branches of conversations. Nothing is overwritten: a new answer or an edit is stored beside the old message.

    What belongs to another user is `NotFound`; while an answer is under way, changes are `Busy`.
    """

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def regenerate(
        self,
        user_id: UUID,
        message_id: UUID,
        options: AnswerOptions,
        client_message_id: UUID | None = None,
    ) -> NewTurn:
        """Start one more answer: beside this answer, or to this message of the user. Repeats: see `Answers.send`.

        Raises:
            BadRequest: it is neither an answer to a user nor a message of one.
            NotFound, Busy, IdReused, ServerFull, Interrupted, StorageUnavailable
        """
        async with self._database.read() as session:
            question = await messages.get(session, user_id, message_id)
            if question.role == "assistant" and question.parent_id is not None:
                question = await messages.get(session, user_id, question.parent_id)
            conversation = await conversations.get(session, user_id, question.conversation_id)
        answer = await self._answers.answer(
            user_id, conversation.id, question.id, options=options, client_message_id=client_message_id
        )
        return NewTurn(user=question, assistant=answer, title=conversation.title)

    async def edit(
        self,
        user_id: UUID,
        message_id: UUID,
        text: str,
        options: AnswerOptions,
        client_message_id: UUID | None = None,
        files: AttachedIds | None = None,
    ) -> NewTurn:
        """Store another version of a user's message beside it, and start its answer. Repeats: see `Answers.send`.

        Without `files` it has those of the message.

        Raises:
            BadRequest: the message is not a user's, or the text is empty.
            AttachmentNotReady, ImagesNotSupported
            MessageTooBig, NotFound, Busy, IdReused, ServerFull, Interrupted, StorageUnavailable
        """
        async with self._database.read() as session:
            edited = await messages.get(session, user_id, message_id)
        if edited.role != "user":
            raise BadRequest("only a message of the user can be edited; answers are made again: `regenerate`")
        if files is None:
            same = edited.attachments
            files = AttachedIds(
                ids=tuple(file.id for file in same), as_text=any(file.as_text for file in same)
            )
        return await self._answers.send(
            user_id,
            edited.conversation_id,
            text,
            parent=edited.parent_id,
            options=options,
            client_message_id=client_message_id,
            files=files,
        )

    async def fork(
        self, user_id: UUID, message_id: UUID, title: str = "", key: RequestKey | None = None
    ) -> Conversation:
        """Copy all messages down to this one into a new conversation. The same `key` makes no second one.

        Raises:
            NotFound, Busy, IdReused, StorageUnavailable
        """
        async with self._database.write() as session:
            if made := await idempotency.claim(session, user_id, key):
                return await conversations.get(session, user_id, made)
            message = await messages.get(session, user_id, message_id)
            copy_id = await messages.fork(session, user_id, message.conversation_id, message_id)
            await idempotency.note_made(session, user_id, key, copy_id)
            if title := make_title_line(title):
                return await conversations.change(session, user_id, copy_id, title=title)
            return await conversations.get(session, user_id, copy_id)

    async def list_messages(
        self, user_id: UUID, conversation_id: UUID, *, all_branches: bool, last: int
    ) -> tuple[tuple[Message, ...], Versions]:
        """The last messages of the shown branch or of all branches, oldest first, and which are versions of each other.

        Raises:
            NotFound, StorageUnavailable
        """
        async with self._database.read() as session:
            found = await messages.read_last(
                session, user_id, conversation_id, last, all_branches=all_branches
            )
            return found, await messages.list_versions(session, conversation_id, found)


class RealtimeSessions:
    """Real-time chat sessions: conversations under another name, answered on request."""

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def create(
        self, user_id: UUID, title: str, initial_message: str, key: RequestKey | None = None
    ) -> Conversation:
        """Create a session and its first message, if it has one, in one transaction; once for each `key`.

        Raises:
            MessageTooBig, IdReused, StorageUnavailable
        """
        has_message = initial_message.strip() != ""
        if has_message:
            self._answers.check_text(initial_message)
        async with self._database.write() as session:
            if made := await idempotency.claim(session, user_id, key):
                return await conversations.get(session, user_id, made)
            created = await conversations.create(
                session, user_id, title=make_title_line(title) or DEFAULT_TITLE
            )
            await idempotency.note_made(session, user_id, key, created.id)
            if not has_message:
                return created
            await messages.append(session, user_id, created.id, initial_message)
            return await conversations.get(session, user_id, created.id)

    async def send(
        self,
        user_id: UUID,
        session_id: UUID,
        content: str | None,
        model: str | None,
        client_message_id: UUID | None = None,
    ) -> UUID:
        """Store what the user says and start its answer; the answer's id. Repeats: see `Answers.send`.

        Without `content` the last message is answered, if it is the user's and has no answer.

        Raises:
            BadRequest, MessageTooBig, NotFound, Busy, ServerFull, Interrupted, StorageUnavailable
        """
        options = AnswerOptions(model=model or None)
        if content is not None:
            turn = await self._answers.send(
                user_id, session_id, content, options=options, client_message_id=client_message_id
            )
            return turn.assistant.id
        async with self._database.read() as session:
            shown = await messages.read_branch(session, user_id, session_id, last=1)
            made = await messages.find_by_client_id(session, session_id, client_message_id)
        question_id = shown[-1].id if shown and shown[-1].role == "user" else None
        if made is not None:
            question_id = made.parent_id or made.id
        if question_id is None:
            raise BadRequest("`content` is missing; expected what the user says")
        answer = await self._answers.answer(
            user_id, session_id, question_id, options=options, client_message_id=client_message_id
        )
        return answer.id
