"""Checkpoints: all running answers are stored a few times a second by one writer, in one transaction each time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import anyio

from app.core.errors import Interrupted, NotFound, StorageUnavailable
from app.core.supervision import reraise_cancellation
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.outcome import EndReason, ModelResult, Outcome
from app.storage import answers, approvals
from app.storage.answers import Checkpoint
from app.storage.database import Database
from app.storage.tool_events import ToolEvent, dump_tool_events

SAVE_S = 0.25
"""Time from one checkpoint to the next (s). A kill takes back this and the time of a write: half a second at most."""
RETRY_S = 1.0
"""The pause after a checkpoint that the database did not take (s)."""


class CheckpointWriter:
    """Stores what has changed of all answers in one transaction: a transaction for each answer would make many wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unsaved: dict[Checkpointer, None] = {}
        self._something_unsaved = anyio.Event()

    def add(self, checkpointer: "Checkpointer") -> None:
        """This answer has changed. Called for every token."""
        self._unsaved[checkpointer] = None
        if not self._something_unsaved.is_set():
            self._something_unsaved.set()

    async def run(self) -> None:
        """Store checkpoints until cancelled."""
        while True:
            await self._something_unsaved.wait()
            next_at = anyio.current_time() + SAVE_S
            self._something_unsaved = anyio.Event()
            batch = list(self._unsaved)
            self._unsaved.clear()
            try:
                await self._save(batch)
            except StorageUnavailable:
                for each in batch:  # the buffers keep everything
                    self.add(each)
                await anyio.sleep(RETRY_S)
            await anyio.sleep_until(next_at)

    async def _save(self, batch: Sequence["Checkpointer"]) -> None:
        """Store these answers. What the database refuses of one of them ends that one."""
        try:
            await self._store(batch)
        except StorageUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001  # a fault of ours ends this answer and no other
            reraise_cancellation(error)
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for each in batch:
                await self._save([each])

    async def _store(self, batch: Sequence["Checkpointer"]) -> None:
        taken: list[Checkpointer] = []
        try:
            # New conversations and messages wait: what has been shown comes first.
            async with self._database.write(is_urgent=True) as session:
                taken = [each for each in batch if each.begin_writing()]
                ids = [each.message_id for each in taken]
                owners = await answers.claim(session, self._database.run_id, ids)
                ours = [each for each in taken if owners[each.message_id] == "ours"]
                # Made here, not before the turn to write: the newest state is stored.
                states = [each.make_checkpoint() for each in ours]
                await answers.store_checkpoints(session, states)
        finally:
            for each in taken:
                each.end_writing()
        for each, state in zip(ours, states, strict=True):
            each.note_saved(state)
        for each in batch:
            match owners.get(each.message_id, "locked"):
                case "locked":
                    if not each.is_over:
                        self.add(each)
                case "deleted":
                    each.on_lost("deleted")
                case "taken":
                    each.on_lost("called_dead")


class Checkpointer:
    """Writes one answer to the database. `on_lost` is called where its row is deleted or taken by another process."""

    def __init__(
        self,
        database: Database,
        writer: CheckpointWriter,
        buffer: AnswerBuffer,
        message_id: UUID,
        on_lost: Callable[[EndReason], None],
    ) -> None:
        self.message_id = message_id
        self.on_lost = on_lost
        self.is_over = False
        """The end is stored, or about to be."""
        self._database = database
        self._writer = writer
        self._buffer = buffer
        self._saved_tool_events = 0
        self._writing = anyio.Lock()
        """Held while the row is written: an older state must not replace a newer one. Taken after the turn to write."""
        self._fault: BaseException | None = None
        self._failed = anyio.Event()

    def note_change(self) -> None:
        """The buffer has more than before. Called for every token."""
        self._writer.add(self)

    async def watch(self) -> None:
        """Raise what keeps this answer from being stored, until cancelled."""
        await self._failed.wait()
        assert self._fault is not None
        raise self._fault

    async def store_question(self, question: ToolEvent, expires_at: datetime) -> None:
        """Store a question to the user and all before it, then add it to the buffer: readers may answer at once.

        Raises:
            NotFound: the answer was deleted.
            Interrupted: it was taken by another process.
            StorageUnavailable
        """
        async with self._database.write() as session, self._writing:
            tool_data = dump_tool_events([*self._buffer.tool_events, question])
            if not await answers.checkpoint(session, tool_data=tool_data, **self._state()):
                if await answers.is_stored(session, self.message_id):
                    raise Interrupted("the answer has ended: another server has not heard of this one")
                raise NotFound("the conversation of this answer has been deleted")
            await approvals.ask(session, self.message_id, question.call_id, expires_at)
        self._buffer.add_tool_event(question)

    async def store_end(self, outcome: Outcome, result: ModelResult) -> bool:
        """Store the answer for good; False where its row is deleted.

        Raises:
            StorageUnavailable
        """
        # Without a resolved model the row keeps the requested one.
        resolved: dict[str, Any] = (
            {"model": result.model, "provider": result.provider} if result.model else {}
        )
        # A checkpoint may come while this waits for its turn.
        async with self._database.write() as session, self._writing:
            self.is_over = True
            return await answers.finish(
                session,
                status=outcome.status,
                error=outcome.error,
                finish_reason=result.finish_reason,
                usage=result.usage,
                tool_data=dump_tool_events(self._buffer.tool_events),
                **resolved,
                **self._state(),
            )

    # -- for the writer

    def begin_writing(self) -> bool:
        """Keep others from writing the row; False where one of them writes it now, or has written its end."""
        if self.is_over:
            return False
        try:
            self._writing.acquire_nowait()
        except anyio.WouldBlock:
            return False
        return True

    def end_writing(self) -> None:
        self._writing.release()

    def make_checkpoint(self) -> Checkpoint:
        """What is to be stored now."""
        events = self._buffer.tool_events
        changed = len(events) > self._saved_tool_events
        return Checkpoint(
            message_id=self.message_id,
            content=str(self._buffer.text),
            reasoning=str(self._buffer.reasoning) or None,
            tool_data=dump_tool_events(events) if changed else None,
        )

    def note_saved(self, state: Checkpoint) -> None:
        """This is stored."""
        if state.tool_data is not None:
            self._saved_tool_events = len(state.tool_data)

    def fail(self, fault: BaseException) -> None:
        """The answer cannot be stored, and ends by that."""
        self._fault = fault
        self._failed.set()

    def _state(self) -> dict[str, Any]:
        return {
            "message_id": self.message_id,
            "run_id": self._database.run_id,
            "content": str(self._buffer.text),
            "reasoning": str(self._buffer.reasoning) or None,
        }
