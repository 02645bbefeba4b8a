"""The host of an assistant's tools in one answer: records what they do, and asks the user where a call needs it."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import anyio

from app.core.assistants import ApprovalDecision
from app.core.errors import StorageUnavailable
from app.core.security import Caller
from app.providers.agent.events import ApprovalRequired, ToolCall, ToolResult, ToolUpdate
from app.schemas.chat import ToolEventName
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.checkpoints import Checkpointer
from app.services.chat.model_loop import AnswerIds
from app.services.llm.context import RunContext
from app.storage import approvals
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tool_events import MOST_CHARS, interrupt_open_calls
from app.utils.deadline import PausableDeadline

POLL_S = 1.0
"""How often the database is read for a decision that another process received (s)."""


class ToolHost:
    """What one answer offers to its assistant. The answer's deadline is paused while its user is asked."""

    def __init__(
        self,
        database: Database,
        ids: AnswerIds,
        buffer: AnswerBuffer,
        checkpoints: Checkpointer,
        deadline: PausableDeadline,
        approval_s: float,
    ) -> None:
        self._database = database
        self._ids = ids
        self._buffer = buffer
        self._checkpoints = checkpoints
        self._deadline = deadline
        self._approval_s = approval_s
        self._decisions: dict[str, ApprovalDecision] = {}
        self._decided = anyio.Event()

    def make_context(self) -> RunContext:
        """The context of the run: the rights of its user, for conversations only."""
        caller = Caller(
            user_id=self._ids.user_id, name="", role="user", via="session", scopes=frozenset({"chat"})
        )
        return RunContext(
            caller=caller,
            conversation_id=self._ids.conversation_id,
            on_tool_update=self.record,
            request_approval=self.request_approval,
        )

    def record(self, update: ToolUpdate) -> None:
        """Add what a tool did to the answer. A question is skipped: `request_approval` adds it once it is stored."""
        about = _describe_call(update)
        if isinstance(update, ApprovalRequired):
            return
        if isinstance(update, ToolCall):
            self._add("tool_call", {**about, "arguments": update.arguments})
        elif isinstance(update, ToolResult):
            truncated = update.truncated or len(update.result) > MOST_CHARS
            self._add(
                "tool_result", {**about, "result": update.result, "truncated": truncated, "ms": update.ms}
            )
        else:
            self._add("tool_error", {**about, "code": update.code, "error": update.message, "ms": update.ms})

    async def request_approval(self, request: ApprovalRequired) -> ApprovalDecision:
        """Ask the user, who has `approval_s`. The question is stored before anybody reads it.

        Raises:
            NotFound: the answer was deleted.
            StorageUnavailable: the question cannot be stored.
        """
        with self._deadline.pause():
            await self._ask(request)
            decision: ApprovalDecision | None = None
            with anyio.move_on_after(self._approval_s):
                decision = await self._wait_for_decision(request.call_id)
        # Outside the pause: the time of the answer limits how long it waits for a database that is away.
        decision = decision or await self._expire(request.call_id)
        self._add("approval_decided", {**_describe_call(request), "decision": decision})
        return decision

    def deliver_decision(self, call_id: str, decision: ApprovalDecision) -> None:
        """Pass on a decision that this process has received and stored."""
        self._decisions[call_id] = decision
        self._decided.set()
        self._decided = anyio.Event()

    def interrupt_calls(self, code: str, message: str) -> None:
        """The answer ends: end every call that still runs or waits."""
        position = {"text": self._buffer.text.size, "reasoning": self._buffer.reasoning.size}
        for error in interrupt_open_calls(self._buffer.tool_events, **position, code=code, message=message):
            self._buffer.add_tool_event(error)

    def _add(self, name: ToolEventName, data: dict[str, Any]) -> None:
        self._buffer.add_tool_event(self._buffer.make_tool_event(name, data))
        self._checkpoints.note_change()

    async def _ask(self, request: ApprovalRequired) -> None:
        expires_at = utc_now() + timedelta(seconds=self._approval_s)
        data = {
            **_describe_call(request),
            "arguments": request.arguments,
            "message_id": str(self._ids.message_id),
            "expires_at": _format_time(expires_at),
        }
        question = self._buffer.make_tool_event("approval_required", data)
        await self._checkpoints.store_question(question, expires_at)

    async def _wait_for_decision(self, call_id: str) -> ApprovalDecision:
        """The user's decision. On PostgreSQL another process may receive it, so the database is polled."""
        while True:
            decided = self._decided
            if (decision := self._decisions.get(call_id)) is not None:
                return decision
            if self._database.is_sqlite:
                await decided.wait()
                continue
            with anyio.move_on_after(POLL_S):
                await decided.wait()
                continue
            with suppress(StorageUnavailable):  # read again soon
                async with self._database.read() as session:
                    stored = await approvals.read_decision(session, self._ids.message_id, call_id)
                if stored is not None:
                    return stored

    async def _expire(self, call_id: str) -> ApprovalDecision:
        """Close the question. Until that is stored its user can decide, so it is tried until it succeeds."""
        while True:
            with suppress(StorageUnavailable):
                async with self._database.write() as session:
                    return await approvals.expire(session, self._ids.message_id, call_id)
            await anyio.sleep(POLL_S)


def _describe_call(update: ToolUpdate) -> dict[str, Any]:
    return {"call_id": update.call_id, "name": update.name, "toolset": update.toolset}


def _format_time(moment: datetime) -> str:
    """In the format of every other time on the wire."""
    return moment.isoformat().replace("+00:00", "Z")
