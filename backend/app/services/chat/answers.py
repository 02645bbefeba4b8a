"""The answers that this process makes: each is started by a message, followed by readers, and ended with the server."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import anyio

from app.core.assistants import ApprovalDecision
from app.core.config import Settings
from app.core.errors import (
    BadRequest,
    Busy,
    ImagesNotSupported,
    Interrupted,
    MessageTooBig,
    NotFound,
    PrompterError,
    ServerFull,
    StorageUnavailable,
)
from app.core.metrics import Observer
from app.core.supervision import Supervisor
from app.services.attachments.attachments import Attachments
from app.services.attachments.parts import needs_sight
from app.services.chat.answer import AnswerRun
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.checkpoints import CheckpointWriter
from app.services.chat.events import Cursor, Delivery, Failed
from app.services.chat.model_loop import AnswerDeps, AnswerIds, AnswerOptions
from app.services.chat.outcome import load_end
from app.services.chat.titles import Titles
from app.services.llm.abilities import find_sight
from app.services.llm.models import ModelCatalog
from app.services.llm.waiting import WaitWatch
from app.storage import answers as answer_rows
from app.storage import approvals, conversations, messages
from app.storage.attachments import NewFiles
from app.storage.database import Database
from app.storage.messages import Message, NewTurn, Parent
from app.storage.tool_events import load_tool_events

__all__ = ["AnswerOptions", "Answers", "AttachedIds", "Message", "NewTurn", "Parent"]

POLL_S = 1.0
"""How often an answer that another process makes is read again (s)."""
STOP_S = 10.0
"""How long `stop` waits until the end is stored (s)."""
STOP_POLL_S = 0.25
"""How often a process looks for requests to stop that others have received; so often those look for the end (s)."""
DRAIN_S = 1.5
"""How long the end of the server waits for the same (s): Ctrl-C should take no more than 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedIds:
    """The files that a message is sent with."""

    ids: tuple[UUID, ...] = ()
    as_text: bool = False
    """Whether pictures are sent as their names alone."""


NO_FILES = AttachedIds()


class Answers:
    """Owns the running answers of this process. An answer belongs to its conversation, not to a request.

    A conversation has at most one running answer. A reader that leaves does not end it: its model, `stop`, the
    deletion of its conversation, `chat.answer_s` or the server's end does. Ended answers are read from the database.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        catalog: ModelCatalog,
        observer: Observer,
        is_speech_live: Callable[[], bool] = lambda: False,
        attachments: Attachments | None = None,
    ) -> None:
        """`is_speech_live`: somebody dictates, which needs the cores of this machine."""
        self._settings = settings.chat
        self._files = settings.attachments
        self.attachments = attachments or Attachments(settings, database)
        self._database = database
        self._checkpoints = CheckpointWriter(database)
        self._deps = AnswerDeps(
            settings=settings.chat,
            database=database,
            checkpoints=self._checkpoints,
            catalog=catalog,
            observer=observer,
            attachments=self.attachments,
        )
        self._runs: dict[UUID, AnswerRun] = {}
        self._reserved = 0
        self.tasks = Supervisor("answers")
        """The running answers, and the titles that are asked for after them."""
        self.titles = Titles(
            settings.chat,
            database,
            catalog,
            self.tasks,
            is_busy=lambda: bool(self._runs) or is_speech_live(),
        )
        self._closing = False

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Make answers until the block ends; the database must outlive it."""
        async with self.tasks.run():
            self.tasks.start_loop("checkpoints", self._checkpoints.run)
            if not self._database.is_sqlite:
                self.tasks.start_loop("requests to stop", self._watch_stop_requests)
            yield
            await self.drain()

    @property
    def count(self) -> int:
        """The number of running answers."""
        return len(self._runs)

    async def drain(self) -> None:
        """Start no more answers, and end every running one as interrupted. Takes at most `DRAIN_S`; repeatable."""
        self._closing = True
        self.titles.close()
        runs = list(self._runs.values())
        for run in runs:
            run.end("shutdown")
        with anyio.move_on_after(DRAIN_S):
            for run in runs:
                await run.finished.wait()

    # -- start

    async def send(
        self,
        user_id: UUID,
        conversation_id: UUID,
        text: str,
        *,
        parent: Parent = "leaf",
        options: AnswerOptions | None = None,
        client_message_id: UUID | None = None,
        files: AttachedIds = NO_FILES,
    ) -> NewTurn:
        """Store a user's message and start its answer; follow `turn.assistant.id`.

        To edit a message, give the parent of the edited one as `parent`. An untitled conversation gets its title from
        the text. A later failure, for example an unknown model, ends the answer with `Failed`; the message stays.
        A `client_message_id` that has come before makes nothing: the turn is the first one's.

        Raises:
            BadRequest: the text is empty and there is no file, or there are too many.
            MessageTooBig: it is over `chat.message_chars`.
            NotFound: this user has no such conversation or file, or it has no such parent.
            AttachmentNotReady: the text of a file is still being made, or could not be made.
            ImagesNotSupported: a file is a picture, and the model is known to see none.
            Busy: an answer is under way in this conversation.
            IdReused: another message had this `client_message_id`.
            ServerFull, Interrupted, StorageUnavailable
        """
        options = options or AnswerOptions()
        self._check_message(text, files)
        find = partial(
            messages.find_turn,
            user_id=user_id,
            conversation_id=conversation_id,
            client_message_id=client_message_id,
            content=text,
            parent=parent,
            files=files.ids,
        )
        if client_message_id is not None:  # a repeat is answered also where no more answers are made
            async with self._database.read() as session:
                if turn := await find(session):
                    return turn
        await self._check_files(user_id, conversation_id, options, files)
        with self._reserve_slot():
            async with self._database.write() as session:
                if client_message_id is not None and (turn := await find(session, lock=True)):
                    return turn
                turn = await messages.append_turn(
                    session,
                    user_id,
                    conversation_id,
                    text,
                    run_id=self._database.run_id,
                    parent=parent,
                    model=options.model,
                    client_message_id=client_message_id,
                    files=self._make_files(files),
                )
            self._start(user_id, turn.user.id, turn.assistant, options)
        return turn

    async def answer(
        self,
        user_id: UUID,
        conversation_id: UUID,
        question_id: UUID,
        *,
        options: AnswerOptions | None = None,
        client_message_id: UUID | None = None,
    ) -> Message:
        """Start one more answer to a stored message; follow the id of the message returned. Repeats are as in `send`.

        Raises:
            BadRequest: the message is not a user's.
            NotFound: this user has no such conversation, or it has no such message.
            Busy: an answer is under way in this conversation.
            IdReused: another message had this `client_message_id`.
            ServerFull, Interrupted, StorageUnavailable
        """
        options = options or AnswerOptions()
        find = partial(
            messages.find_answer,
            user_id=user_id,
            conversation_id=conversation_id,
            client_message_id=client_message_id,
            question_id=question_id,
        )
        if client_message_id is not None:
            async with self._database.read() as session:
                if answer := await find(session):
                    return answer
        with self._reserve_slot():
            async with self._database.write() as session:
                if client_message_id is not None and (answer := await find(session, lock=True)):
                    return answer
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
                    client_message_id=client_message_id,
                )
            self._start(user_id, question_id, answer, options)
        return answer

    def check_text(self, text: str) -> None:
        """Check that a text can be a message.

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

    def _check_message(self, text: str, files: AttachedIds) -> None:
        """As `check_text`, for a message that files can make one."""
        if text.strip() or not files.ids:
            self.check_text(text)
        if len(files.ids) > self._files.files:
            raise BadRequest(
                f"a message has at most {self._files.files} attachments (attachments.files), this one {len(files.ids)}"
            )

    async def _check_files(
        self, user_id: UUID, conversation_id: UUID, options: AnswerOptions, files: AttachedIds
    ) -> None:
        """Refuse pictures for a model that is known to see none, before anything is stored.

        Raises:
            NotFound, ImagesNotSupported
        """
        found = await self.attachments.check_sendable(user_id, files.ids) if files.ids else ()
        if files.as_text or not any(needs_sight(each) and not each.as_text for each in found):
            return
        async with self._database.read() as session:
            conversation = await conversations.get(session, user_id, conversation_id)
        try:
            model = await self._deps.catalog.resolve(options.model or conversation.model, user_id)
        except PrompterError:
            return  # the answer tells it, beside the stored message
        if await find_sight(model) is False:
            raise ImagesNotSupported(
                "this model sees no pictures: choose one that does, or send `attachments_as_text` to send their names "
                "alone"
            )

    def _make_files(self, files: AttachedIds) -> NewFiles:
        return NewFiles(ids=files.ids, text_tokens=self._files.text_tokens, as_text=files.as_text)

    # -- follow

    async def follow(
        self, user_id: UUID, message_id: UUID, cursor: Cursor | None = None
    ) -> AsyncGenerator[Delivery, None]:
        """The events of an answer after a cursor, to its end. The caller closes the generator.

        Whether the answer runs here, runs in another process or has ended, the texts of all events are the answer.

        Raises:
            NotFound: this user has no such answer.
            StorageUnavailable: also while iterating, where another process makes the answer.
        """
        cursor = cursor or Cursor()
        run = self._runs.get(message_id)
        if run is not None and run.ids.user_id == user_id:
            return run.buffer.read(cursor)
        message = await self._read_answer(user_id, message_id)
        return self._poll(user_id, message, cursor)

    async def _read_answer(self, user_id: UUID, message_id: UUID) -> Message:
        async with self._database.read() as session:
            message = await messages.get(session, user_id, message_id)
        if message.role != "assistant":
            raise messages.unknown_message()
        return message

    async def _poll(self, user_id: UUID, message: Message, cursor: Cursor) -> AsyncGenerator[Delivery, None]:
        """The same events from the database, which is polled while another process makes the answer."""
        watch = WaitWatch(time.monotonic(), Cursor())
        while True:
            buffer = _load_buffer(message)
            for delivery in buffer.read_available(cursor):
                cursor = delivery.cursor
                yield delivery
            if message.status != "streaming":
                return
            if (
                status := watch.observe(buffer.cursor, time.monotonic(), is_asking=buffer.is_asking)
            ) is not None:
                yield Delivery(cursor, status)
            await anyio.sleep(POLL_S)
            if (run := self._runs.get(message.id)) is not None:  # its request has just stored it
                async with aclosing(run.buffer.read(cursor)) as deliveries:
                    async for delivery in deliveries:
                        yield delivery
                return
            try:
                message = await self._read_answer(user_id, message.id)
            except NotFound as error:
                reason = "the conversation of this answer has been deleted"
                failed = Failed(message_id=message.id, code=error.code, message=reason, note=error.note)
                yield Delivery(cursor, failed)
                return

    # -- approve

    async def decide(
        self, user_id: UUID, message_id: UUID, call_id: str, *, approved: bool
    ) -> ApprovalDecision:
        """Store a user's decision about a call, and pass it to the answer, whichever process makes it.

        Raises:
            NotFound: this user has no such answer, or it asks about no such call.
            ApprovalOver: the call no longer waits.
            StorageUnavailable
        """
        wanted: ApprovalDecision = "approved" if approved else "denied"
        async with self._database.write() as session:
            decision = await approvals.decide(session, user_id, message_id, call_id, wanted)
        if (run := self._runs.get(message_id)) is not None:
            run.tools.deliver_decision(call_id, decision)
        return decision

    # -- end

    async def stop(self, user_id: UUID, conversation_id: UUID) -> UUID | None:
        """End the running answer, whichever process makes it, and keep what has arrived; its id, or None without one.

        Raises:
            NotFound: this user has no such conversation.
            Busy: the process that makes it does not react; its lease will run out.
            StorageUnavailable
        """
        for run in self._runs.values():
            if run.ids.conversation_id == conversation_id and run.ids.user_id == user_id:
                run.end("stopped")
                with anyio.move_on_after(STOP_S):
                    await run.finished.wait()
                return run.ids.message_id
        if self._database.is_sqlite:
            async with self._database.read() as session:
                await conversations.get(session, user_id, conversation_id)
            return None
        return await self._stop_elsewhere(user_id, conversation_id)

    async def _stop_elsewhere(self, user_id: UUID, conversation_id: UUID) -> UUID | None:
        async with self._database.write() as session:
            await conversations.get(session, user_id, conversation_id)
            message_id = await answer_rows.request_stop(session, conversation_id)
        if message_id is None:
            return None
        with anyio.move_on_after(STOP_S):
            while True:
                if (await self._read_answer(user_id, message_id)).status != "streaming":
                    return message_id
                await anyio.sleep(STOP_POLL_S)
        raise Busy(
            "the server that makes this answer does not react; if it is gone, the answer ends within two minutes"
        )

    async def _watch_stop_requests(self) -> None:
        """Stop the answers of this process whose users have asked another one."""
        while True:
            await anyio.sleep(STOP_POLL_S)
            if not self._runs:
                continue
            try:
                async with self._database.read() as session:
                    asked = await answer_rows.find_stop_requests(session, self._database.run_id)
            except StorageUnavailable:
                await anyio.sleep(POLL_S)  # logged already
                continue
            for message_id in asked:
                if (run := self._runs.get(message_id)) is not None:
                    run.end("stopped")

    def end_deleted(self, user_id: UUID, conversation_id: UUID) -> None:
        """End the running answer of a conversation that has been deleted, and have its files deleted."""
        self.attachments.note_change(user_id)
        self.titles.cancel(conversation_id)
        for run in self._runs.values():
            if run.ids.conversation_id == conversation_id:
                run.end("deleted")

    # -- inside

    def _start(self, user_id: UUID, question_id: UUID, answer: Message, options: AnswerOptions) -> None:
        ids = AnswerIds(
            user_id=user_id,
            conversation_id=answer.conversation_id,
            question_id=question_id,
            message_id=answer.id,
        )
        self.titles.give_way()
        run = AnswerRun(self._deps, ids, options)
        self._runs[answer.id] = run
        self.tasks.start_job(self._run, run)
        if self._closing:
            run.end("shutdown")

    async def _run(self, run: AnswerRun) -> None:
        try:
            await run.run()
        finally:
            del self._runs[run.ids.message_id]
        # Before any reader learns of the end: `title_pending` is true by then.
        if run.answered_by is not None and not self._closing:
            ids = run.ids
            self.titles.start(ids.user_id, ids.conversation_id, run.answered_by)

    @contextmanager
    def _reserve_slot(self) -> Iterator[None]:
        """Hold a slot for one more answer until it is started.

        Raises:
            Interrupted: the server is about to end.
            ServerFull: `chat.answers` are running.
        """
        if self._closing:
            raise Interrupted("the server is about to end; try again when it is back", retry_after_s=5)
        if len(self._runs) + self._reserved >= self._settings.answers:
            raise ServerFull(
                f"{self._settings.answers} answers are being made (chat.answers); try again later",
                retry_after_s=10,
            )
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1


def _load_buffer(message: Message) -> AnswerBuffer:
    return AnswerBuffer.load(
        text=message.content,
        reasoning=message.reasoning or "",
        tool_events=load_tool_events(message.tool_data),
        end=load_end(message),
    )
