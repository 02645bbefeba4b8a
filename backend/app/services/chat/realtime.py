"""Real-time chat sessions: conversations by another name, begun with a message and answered on request."""

from uuid import UUID

from app.core.errors import BadRequest
from app.services.chat.answer import AnswerOptions
from app.services.chat.answers import Answers
from app.services.chat.conversations import one_line
from app.storage import conversations, messages
from app.storage.conversations import DEFAULT_TITLE, Conversation
from app.storage.database import Database


class RealtimeSessions:
    """The second door's way into conversations; all else is theirs."""

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    async def create(self, user_id: UUID, title: str, initial_message: str) -> Conversation:
        """A session with its first message, if it has one, or nothing at all.

        Raises:
            MessageTooBig, StorageUnavailable
        """
        said = initial_message.strip() != ""
        if said:
            self._answers.check(initial_message)
        async with self._database.write() as session:
            made = await conversations.create(session, user_id, title=one_line(title) or DEFAULT_TITLE)
            if not said:
                return made
            await messages.append(session, user_id, made.id, initial_message)
            return await conversations.get(session, user_id, made.id)

    async def say(self, user_id: UUID, session_id: UUID, content: str | None, model: str | None) -> UUID:
        """Store what the user says and begin its answer; the answer's id.

        Without `content` the message at the end is answered, if it is the user's and nobody has answered it.

        Raises:
            BadRequest, MessageTooBig, NotFound, Busy, ServerFull, Interrupted, StorageUnavailable
        """
        options = AnswerOptions(model or None)
        if content is not None:
            turn = await self._answers.send(user_id, session_id, content, options=options)
            return turn.assistant.id
        async with self._database.read() as session:
            shown = await messages.read_branch(session, user_id, session_id, last=1)
        if not shown or shown[-1].role != "user":
            raise BadRequest("`content` is missing; expected what the user says")
        answer = await self._answers.answer(user_id, session_id, shown[-1].id, options=options)
        return answer.id
