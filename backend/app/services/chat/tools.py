"""An assistant's tools inside an answer: what they do is told and kept, and its user is asked where they ask."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import anyio

from app.core.errors import NotFound, StorageUnavailable
from app.core.security import Caller
from app.providers.agent.events import ApprovalRequired, Decision, ToolCall, ToolResult, ToolUpdate
from app.services.chat.buffer import AnswerBuffer
from app.services.llm.context import RunContext
from app.storage import answers, approvals
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tool_events import MOST_CHARS, Name, cut_short, dump_tool_events, make_tool_event, open_calls

POLL_S = 1.0
"""How often the database is asked for a word that was said to another process."""


@dataclass(eq=False, slots=True)
class ToolHost:
    """What one answer gives to its assistant."""

    database: Database
    buffer: AnswerBuffer
    user_id: UUID
    conversation_id: UUID
    message_id: UUID
    approval_s: float
    scope: anyio.CancelScope
    """Of the answer; its deadline stands still while somebody is asked."""
    news: Callable[[], None]
    """Called when something has happened that is to be saved."""
    saving: anyio.Lock = field(default_factory=anyio.Lock)
    """Held by whoever saves the answer: what is older must not be written over what is newer."""
    _decided: dict[str, Decision] = field(default_factory=dict)
    _heard: anyio.Event = field(default_factory=anyio.Event)
    _asking: int = 0
    _left_s: float = 0.0

    def run_context(self) -> RunContext:
        """For whom it acts: its user, in conversations, and nothing else that this user may do."""
        caller = Caller(user_id=self.user_id, name="", role="user", via="session", scopes=frozenset({"chat"}))
        return RunContext(caller, self.conversation_id, self.tell, self.approve)

    def tell(self, event: ToolUpdate) -> None:
        """Something happened; what is asked is told by `approve`, once it can be answered."""
        if isinstance(event, ApprovalRequired):
            return
        about = {"call_id": event.call_id, "name": event.name, "toolset": event.toolset}
        if isinstance(event, ToolCall):
            self._happen("tool_call", {**about, "arguments": event.arguments})
        elif isinstance(event, ToolResult):
            truncated = event.truncated or len(event.result) > MOST_CHARS
            told = {"result": event.result, "truncated": truncated, "ms": event.ms}
            self._happen("tool_result", {**about, **told})
        else:
            told = {"code": event.code, "error": event.message, "ms": event.ms}
            self._happen("tool_error", {**about, **told})

    async def approve(self, event: ApprovalRequired) -> Decision:
        """Ask the user, who has `approval_s`; the question is stored before anybody reads it.

        Raises:
            NotFound: the answer is gone.
            StorageUnavailable: nobody can be asked now.
        """
        with self._time_stands_still():
            about = {"call_id": event.call_id, "name": event.name, "toolset": event.toolset}
            await self._ask(about, event.arguments)
            decision: Decision | None = None
            with anyio.move_on_after(self.approval_s):
                decision = await self._word(event.call_id)
            decision = decision or await self._expired(event.call_id)
            self._happen("approval_decided", {**about, "decision": decision})
        return decision

    def decided(self, call_id: str, decision: Decision) -> None:
        """The user has said so to this process, and it is stored."""
        self._decided[call_id] = decision
        self._heard.set()
        self._heard = anyio.Event()

    def cut_short(self, code: str, message: str) -> None:
        """The answer ends: what still runs or waits ends with it."""
        cursor = self.buffer.cursor
        for call in open_calls(self.buffer.happened):
            self.buffer.add(cut_short(call, cursor.text, cursor.reasoning, code, message))

    def _happen(self, name: Name, data: dict[str, Any]) -> None:
        self.buffer.happen(name, data)
        self.news()

    async def _ask(self, about: dict[str, Any], arguments: dict[str, Any]) -> None:
        """Store the question with all that came before it, then tell it."""
        expires_at = utc_now() + timedelta(seconds=self.approval_s)
        asked = {"message_id": str(self.message_id), "expires_at": _told(expires_at)}
        cursor = self.buffer.cursor
        question = make_tool_event(
            "approval_required", cursor.text, cursor.reasoning, {**about, "arguments": arguments, **asked}
        )
        async with self.saving:
            async with self.database.write() as session:
                mine = await answers.checkpoint(
                    session,
                    self.message_id,
                    self.database.run_id,
                    str(self.buffer.text),
                    str(self.buffer.reasoning) or None,
                    dump_tool_events([*self.buffer.happened, question]),
                )
                if not mine:
                    raise NotFound("the conversation of this answer has been deleted")
                await approvals.ask(session, self.message_id, about["call_id"], expires_at)
            self.buffer.add(question)

    async def _word(self, call_id: str) -> Decision:
        """What the user says; on PostgreSQL another process may be told, and the database is asked."""
        while True:
            heard = self._heard
            if (decision := self._decided.get(call_id)) is not None:
                return decision
            if self.database.is_sqlite:
                await heard.wait()
                continue
            with anyio.move_on_after(POLL_S):
                await heard.wait()
                continue
            with suppress(StorageUnavailable):  # asked again soon
                async with self.database.read() as session:
                    stored = await approvals.decision(session, self.message_id, call_id)
                if stored is not None:
                    return stored

    async def _expired(self, call_id: str) -> Decision:
        try:
            async with self.database.write() as session:
                return await approvals.expire(session, self.message_id, call_id)
        except StorageUnavailable:
            return "expired"  # its time is stored: nobody can approve it any more

    @contextmanager
    def _time_stands_still(self) -> Iterator[None]:
        if not self._asking:
            self._left_s = self.scope.deadline - anyio.current_time()
            self.scope.deadline = math.inf
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self.scope.deadline = anyio.current_time() + self._left_s


def _told(moment: datetime) -> str:
    """As the other times on the wire."""
    return moment.isoformat().replace("+00:00", "Z")
