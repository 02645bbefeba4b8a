"""Every answer that is being made: begun by a message, followed by readers, stopped, and ended with the server."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import anyio
from anyio.abc import TaskGroup

from app.core.config import Settings
from app.core.errors import BadRequest, Interrupted, MessageTooBig, NotFound, ServerFull
from app.core.metrics import Observer
from app.services.chat.answer import AnswerDeps, AnswerOptions, AnswerRun
from app.services.chat.events import AnswerEvent, Cursor, Failed, replay, stored_end, tool_events_of
from app.services.llm.models import Catalogue
from app.storage import approvals, conversations, messages
from app.storage.approvals import Decision
from app.storage.database import Database
from app.storage.messages import Message, NewTurn, Parent

__all__ = ["Answers", "Decision", "Message", "NewTurn", "Parent"]

POLL_S = 1.0
"""How often an answer is looked at that another process makes."""
STOP_S = 10.0
"""How long `stop` waits for the end to be stored."""
DRAIN_S = 1.5
"""How long the end of the server waits for the same; Ctrl-C is to take no more than 2 s."""


class Answers:
    """Owns the running answers of this process. An answer belongs to its conversation, not to a request.

    A conversation has one answer under way at a time. Whoever follows an answer and leaves does not end it: its end,
    `stop`, the deletion of its conversation, `chat.answer_s` or the server's end does. What has ended is forgotten
    here, as what is stored tells the same.
    """

    def __init__(
        self, settings: Settings, database: Database, catalogue: Catalogue, observer: Observer
    ) -> None:
        self._settings = settings.chat
        self._database = database
        self._deps = AnswerDeps(settings.chat, database, catalogue, observer)
        self._runs: dict[UUID, AnswerRun] = {}
        self._beginning = 0
        self._group: TaskGroup | None = None
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """As long as the application, and within the time of its database."""
        async with anyio.create_task_group() as self._group:
            yield
            await self.drain()
            self._group.cancel_scope.cancel()

    @property
    def count(self) -> int:
        """Answers that are being made."""
        return len(self._runs)

    async def drain(self) -> None:
        """Begin nothing more; end every answer, mark it interrupted and store what had arrived. Quick, and may be
        called twice."""
        self._closing = True
        runs = list(self._runs.values())
        for run in runs:
            run.cut("shutdown")
        with anyio.move_on_after(DRAIN_S):
            for run in runs:
                await run.over.wait()

    # -- beginning

    async def send(
        self,
        user_id: UUID,
        conversation_id: UUID,
        text: str,
        *,
        parent: Parent = "leaf",
        options: AnswerOptions | None = None,
    ) -> NewTurn:
        """Store a user's message and begin its answer; follow `turn.assistant.id`.

        To edit a message, give the parent of the edited one as `parent`. An untitled conversation gets its title from
        the text. What goes wrong after this, a model that is gone for instance, ends the answer with `Failed`; the
        message stays.

        Raises:
            BadRequest: the text is empty.
            MessageTooBig: it is over `chat.message_chars`.
            NotFound: this user has no such conversation, or it no such parent.
            Busy: an answer is under way in this conversation.
            ServerFull, Interrupted, StorageUnavailable
        """
        options = options or AnswerOptions()
        self.check(text)
        with self._place():
            async with self._database.write() as session:
                turn = await messages.append_turn(
                    session,
                    user_id,
                    conversation_id,
                    text,
                    run_id=self._database.run_id,
                    parent=parent,
                    model=options.model,
                )
            self._begin(user_id, turn.user.id, turn.assistant, options)
        return turn

    async def answer(
        self, user_id: UUID, conversation_id: UUID, question_id: UUID, *, options: AnswerOptions | None = None
    ) -> Message:
        """Begin one more answer to a message that is there: regenerate; follow the id of the message returned.

        Raises:
            BadRequest: the message is not a user's.
            NotFound: this user has no such conversation, or it no such message.
            Busy: an answer is under way in this conversation.
            ServerFull, Interrupted, StorageUnavailable
        """
        options = options or AnswerOptions()
        with self._place():
            async with self._database.write() as session:
                question = await messages.get(session, user_id, question_id)
                if question.role != "user":
                    raise BadRequest("only a message of the user can be answered again; give its id")
                answer = await messages.append_answer(
                    session,
                    user_id,
                    conversation_id,
                    run_id=self._database.run_id,
                    parent=question_id,
                    model=options.model,
                )
            self._begin(user_id, question_id, answer, options)
        return answer

    def check(self, text: str) -> None:
        """Whether a text can be a message.

        Raises:
            BadRequest: it is empty.
            MessageTooBig: it is over `chat.message_chars`.
        """
        if not text.strip():
            raise BadRequest("`message` is empty; expected what the user says")
        if len(text) > self._settings.message_chars:
            raise MessageTooBig(
                f"a message holds at most {self._settings.message_chars} characters (chat.message_chars), this one "
                f"{len(text)}; send less at a time"
            )

    # -- following

    async def follow(
        self, user_id: UUID, message_id: UUID, cursor: Cursor | None = None
    ) -> AsyncGenerator[AnswerEvent, None]:
        """The events of an answer behind a place, to its end; close the generator when its reader leaves.

        Running, ended, or made by a server that is no more: the texts of all events are the answer, whole.

        Raises:
            NotFound: this user has no such answer.
            StorageUnavailable: also on an `anext`, of an answer that another process makes.
        """
        cursor = cursor or Cursor()
        run = self._runs.get(message_id)
        if run is not None and run.user_id == user_id:
            return run.buffer.read(cursor)
        message = await self._answer(user_id, message_id)
        return self._told(user_id, message, cursor)

    async def _answer(self, user_id: UUID, message_id: UUID) -> Message:
        async with self._database.read() as session:
            message = await messages.get(session, user_id, message_id)
        if message.role != "assistant":
            raise messages.unknown_message(message_id)
        return message

    async def _told(
        self, user_id: UUID, message: Message, cursor: Cursor
    ) -> AsyncGenerator[AnswerEvent, None]:
        """The same of what is stored, waiting for more where another process makes it."""
        while True:
            happened = tool_events_of(message)
            for event in replay(cursor, message.content, message.reasoning or "", happened):
                cursor = event.cursor
                yield event
            if message.status != "streaming":
                yield stored_end(message)
                return
            await anyio.sleep(POLL_S)
            try:
                message = await self._answer(user_id, message.id)
            except NotFound as error:
                yield Failed(
                    cursor, message.id, error.code, "the conversation of this answer has been deleted"
                )
                return

    # -- deciding

    async def decide(self, user_id: UUID, message_id: UUID, call_id: str, *, approved: bool) -> Decision:
        """What a user says to a call that asks; stored, then told to the answer, wherever that is made.

        Raises:
            NotFound: this user has no such answer, or it asks about no such call.
            ApprovalOver: the call waits no more.
            StorageUnavailable
        """
        said: Decision = "approved" if approved else "denied"
        async with self._database.write() as session:
            decision = await approvals.decide(session, user_id, message_id, call_id, said)
        if (run := self._runs.get(message_id)) is not None:
            run.tools.decided(call_id, decision)
        return decision

    # -- ending

    async def stop(self, user_id: UUID, conversation_id: UUID) -> UUID | None:
        """End the answer under way, keeping what had arrived; its id, or None where there is none.

        Raises:
            NotFound: this user has no such conversation.
        """
        for run in self._runs.values():
            if run.conversation_id == conversation_id and run.user_id == user_id:
                run.cut("stopped")
                with anyio.move_on_after(STOP_S):
                    await run.over.wait()
                return run.message_id
        async with self._database.read() as session:
            await conversations.get(session, user_id, conversation_id)
        return None

    def forget(self, conversation_id: UUID) -> None:
        """The conversation has been deleted: end its answer."""
        for run in self._runs.values():
            if run.conversation_id == conversation_id:
                run.cut("deleted")

    # -- inside

    def _begin(self, user_id: UUID, question_id: UUID, answer: Message, options: AnswerOptions) -> None:
        """From here on nobody has to wait for it."""
        assert self._group is not None, "answers are made while the application runs"
        run = AnswerRun(self._deps, user_id, answer.conversation_id, question_id, answer.id, options)
        self._runs[run.message_id] = run
        self._group.start_soon(self._run, run)
        if self._closing:
            run.cut("shutdown")

    async def _run(self, run: AnswerRun) -> None:
        try:
            await run.run()
        finally:
            del self._runs[run.message_id]

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Room for one more answer.

        Raises:
            Interrupted: the server is about to end.
            ServerFull: `chat.answers` are being made.
        """
        if self._closing:
            raise Interrupted("the server is about to end; try again when it is back", retry_after_s=5)
        if len(self._runs) + self._beginning >= self._settings.answers:
            raise ServerFull(
                f"{self._settings.answers} answers are being made (chat.answers); try again later",
                retry_after_s=10,
            )
        self._beginning += 1
        try:
            yield
        finally:
            self._beginning -= 1
