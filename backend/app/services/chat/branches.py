"""The tree of a conversation: answered again, edited, copied into one of its own, and shown by another branch."""

from uuid import UUID

from app.core.errors import BadRequest
from app.services.chat.answers import Answers
from app.services.chat.conversations import one_line
from app.services.chat.run import Options
from app.storage import conversations, message_pages, messages
from app.storage.conversations import Conversation
from app.storage.database import Database
from app.storage.message_pages import Versions, beside
from app.storage.messages import Message, Turn

__all__ = ["Branches", "beside"]


class Branches:
    """Nothing is overwritten: a new answer and an edited message stand beside the old one, and are shown.

    What is not this user's is `NotFound`; while an answer is under way in the conversation, `Busy`.
    """

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def regenerate(self, user_id: UUID, message_id: UUID, options: Options) -> Turn:
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
        return Turn(question, answer, conversation.title)

    async def edit(self, user_id: UUID, message_id: UUID, text: str, options: Options) -> Turn:
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
            ids = await message_pages.ids_of(session, user_id, conversation_id, all_branches=all_branches)
            found = await message_pages.page(session, conversation_id, ids[-last:])
            if not ids:
                await conversations.get(session, user_id, conversation_id)
            return found, await message_pages.versions(session, user_id, conversation_id)
