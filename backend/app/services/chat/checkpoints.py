"""Checkpoints of one answer: it is stored now and then, with each question to its user, and at its end."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import anyio

from app.core.errors import Interrupted, NotFound, StorageUnavailable
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.outcome import EndReason, ModelResult, Outcome
from app.storage import answers, approvals
from app.storage.database import Database
from app.storage.tool_events import ToolEvent, dump_tool_events

SAVE_S = 0.35
"""A checkpoint is due this long after the first unsaved character (s): a kill takes back half a second at most."""
SAVE_CHARS = 1024
"""A checkpoint is due earlier with this many unsaved characters."""
PAUSE_S = 0.2
"""Least time between two checkpoints (s), so that many fast answers do not block the database."""


class Checkpointer:
    """Writes one answer to the database. `on_lost` is called where its row is deleted or taken by another process."""

    def __init__(
        self, database: Database, buffer: AnswerBuffer, message_id: UUID, on_lost: Callable[[EndReason], None]
    ) -> None:
        self._database = database
        self._buffer = buffer
        self._message_id = message_id
        self._on_lost = on_lost
        self._unsaved_chars = 0
        self._saved_tool_events = 0
        self._something_unsaved = anyio.Event()
        self._due = anyio.Event()
        self._writing = anyio.Lock()
        """Held while the row is written: an older state must not replace a newer one."""

    def note_growth(self, chars: int) -> None:
        """The buffer has grown by so many characters. Called for every token."""
        if not self._unsaved_chars:
            self._something_unsaved.set()
        self._unsaved_chars += chars
        if self._unsaved_chars >= SAVE_CHARS:
            self._due.set()

    def request(self) -> None:
        """Checkpoint now: tool events cannot be replayed."""
        self._something_unsaved.set()
        self._due.set()

    async def run(self) -> None:
        """Store checkpoints when they are due, until cancelled."""
        while True:
            await self._something_unsaved.wait()
            await anyio.sleep(PAUSE_S)
            with anyio.move_on_after(SAVE_S - PAUSE_S):
                await self._due.wait()
            self._something_unsaved, self._due, self._unsaved_chars = anyio.Event(), anyio.Event(), 0
            try:
                if (loss := await self._save()) is not None:
                    self._on_lost(loss)
            except StorageUnavailable:
                continue  # the buffer keeps everything; the next checkpoint stores it

    async def store_question(self, question: ToolEvent, expires_at: datetime) -> None:
        """Store a question to the user and all before it, then add it to the buffer: readers may answer at once.

        Raises:
            NotFound: the answer was deleted.
            Interrupted: it was taken by another process.
            StorageUnavailable
        """
        async with self._writing:
            async with self._database.write() as session:
                tool_data = dump_tool_events([*self._buffer.tool_events, question])
                if not await answers.checkpoint(session, tool_data=tool_data, **self._state()):
                    if await answers.is_stored(session, self._message_id):
                        raise Interrupted("the answer has ended: another server has not heard of this one")
                    raise NotFound("the conversation of this answer has been deleted")
                await approvals.ask(session, self._message_id, question.call_id, expires_at)
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
        async with self._database.write() as session:
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

    async def _save(self) -> EndReason | None:
        """Store what has arrived; why the answer is lost, if it is."""
        async with self._writing, self._database.write() as session:
            count = len(self._buffer.tool_events)
            changed = count > self._saved_tool_events
            tool_data = dump_tool_events(self._buffer.tool_events) if changed else None
            is_ours = await answers.checkpoint(session, tool_data=tool_data, **self._state())
            is_there = is_ours or await answers.is_stored(session, self._message_id)
        self._saved_tool_events = count
        if is_ours:
            return None
        return "called_dead" if is_there else "deleted"

    def _state(self) -> dict[str, Any]:
        return {
            "message_id": self._message_id,
            "run_id": self._database.run_id,
            "content": str(self._buffer.text),
            "reasoning": str(self._buffer.reasoning) or None,
        }
