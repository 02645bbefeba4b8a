"""One answer while it is made: asks the model, keeps what comes, saves it now and then, and stores the end."""

import logging
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import anyio

from app.core.config import ChatSettings
from app.core.errors import (
    Interrupted,
    NotFound,
    PrompterError,
    StorageUnavailable,
    UpstreamTimeout,
)
from app.core.logging import report_fault
from app.core.metrics import Observer
from app.providers.base import ChatRequest
from app.providers.boundary import ProviderBoundary
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.context import context
from app.services.chat.events import STOPPED, Done, Failed
from app.services.chat.tools import ToolHost
from app.services.llm.completion import counted, estimated
from app.services.llm.models import Catalogue, Choice
from app.storage import answers, conversations, messages
from app.storage.database import Database
from app.storage.tool_events import dump_tool_events

logger = logging.getLogger(__name__)

SAVE_S = 2.0
SAVE_CHARS = 1024
"""What has arrived is saved when it is this old or this much, whichever comes first, …"""
PAUSE_S = 0.2
"""… but never more often than this, so that many fast answers at once leave the database to others too."""
RETRY_S = 5.0
"""How long after an end that could not be stored it is tried again."""

Cut = Literal["stopped", "shutdown", "deleted"]
"""Why an answer ends before its model does: its user, its server, its conversation."""


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How to ask; None leaves it to the conversation, then to the settings and the model."""

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerDeps:
    """What every run uses."""

    settings: ChatSettings
    database: Database
    catalogue: Catalogue
    observer: Observer


@dataclass(slots=True)
class _Ending:
    """How it ended."""

    status: Literal["complete", "interrupted", "failed"] = "complete"
    code: str = ""
    message: str = ""

    @classmethod
    def failed(cls, error: PrompterError) -> "_Ending":
        return cls("failed", error.code, error.message)


@dataclass(eq=False, slots=True)
class AnswerRun:
    """The answer to one question, from its empty row to its end; readers follow `buffer`.

    No session of the database is open while the model is waited for.
    """

    deps: AnswerDeps
    user_id: UUID
    conversation_id: UUID
    question_id: UUID
    """The message that is answered."""
    message_id: UUID
    """The answer."""
    options: AnswerOptions
    buffer: AnswerBuffer = field(default_factory=AnswerBuffer)
    over: anyio.Event = field(default_factory=anyio.Event)
    """Set when nothing more will be stored."""
    tools: ToolHost = field(init=False)
    """For an assistant's tools."""
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _cut: Cut | None = None
    _choice: Choice | None = None
    _asked: list[dict[str, str]] = field(default_factory=list, repr=False)
    _finish_reason: str | None = None
    _usage: dict[str, Any] | None = None
    _unsaved: int = 0
    _some: anyio.Event = field(default_factory=anyio.Event)
    _much: anyio.Event = field(default_factory=anyio.Event)
    _kept: int = 0
    """How much of what happened is saved."""

    def __post_init__(self) -> None:
        self.tools = ToolHost(
            self.deps.database,
            self.buffer,
            self.user_id,
            self.conversation_id,
            self.message_id,
            self.deps.settings.approval_s,
            self._scope,
            self._save_soon,
        )

    def cut(self, why: Cut) -> None:
        """End it now; what had arrived is stored."""
        self._cut = self._cut or why
        self._scope.cancel()

    async def run(self) -> None:
        """Make the answer. Its end is stored before readers are told of it."""
        try:
            try:
                ending = await self._made()
            except Exception as error:  # noqa: BLE001  # a fault of ours ends this answer, and not the others
                ending = _unexpected(error)
            await self._finish(ending)
        except Exception as error:  # noqa: BLE001  # the same of its end
            self._tell(_unexpected(error))
        finally:
            self.over.set()

    # -- the model

    async def _made(self) -> _Ending:
        ending: _Ending | None = None
        self._scope.deadline = anyio.current_time() + self.deps.settings.answer_s
        with self._scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._save_now_and_then)
                ending = await self._asked_and_heard()
                group.cancel_scope.cancel()
        ending = ending or self._cut_short()
        if self._choice is not None:
            outcome = {"complete": "completed", "failed": "failed"}.get(ending.status, "left")
            self.deps.observer.answered(self._choice.provider, outcome)
        return ending

    def _cut_short(self) -> _Ending:
        if self._cut == "stopped":
            return _Ending("interrupted", STOPPED, "its user stopped it")
        if self._cut == "deleted":
            return _Ending.failed(_deleted())
        if self._cut == "shutdown":
            cause: PrompterError = Interrupted("the server ended while it answered; what had arrived is here")
        else:
            longest_s = self.deps.settings.answer_s
            cause = UpstreamTimeout(
                f"the answer took longer than {longest_s:g} s (chat.answer_s); what had arrived is here"
            )
        return _Ending("interrupted", cause.code, cause.message)

    async def _asked_and_heard(self) -> _Ending:
        try:
            request = await self._request()
            assert self._choice is not None
            with ProviderBoundary(self._choice.provider, "provider"):
                await self._hear(request)
        except PrompterError as error:
            return _Ending.failed(error)
        return _Ending()

    async def _request(self) -> ChatRequest:
        """The conversation as the model is sent it, and who it is sent to.

        Raises:
            NotFound, ModelNotFound, ProviderNotReady, StorageUnavailable
        """
        settings, last = self.deps.settings, self.deps.settings.context_messages
        async with self.deps.database.read() as session:
            conversation = await conversations.get(session, self.user_id, self.conversation_id)
            branch = await messages.read_branch(
                session, self.user_id, self.conversation_id, self.question_id, last=last
            )
        choice = await self.deps.catalogue.resolve(self.options.model or conversation.model)
        self._choice = choice.bind(self.tools.run_context())
        system = conversation.system_prompt or settings.system_prompt
        self._asked = context(branch, system, last=last, budget_tokens=settings.context_tokens)
        return ChatRequest(
            self._choice.model, {"messages": self._asked, **self._fields(conversation.settings)}
        )

    def _fields(self, of_conversation: Mapping[str, Any]) -> dict[str, Any]:
        fields = {}
        for name in ("temperature", "top_p", "max_tokens"):
            value = getattr(self.options, name)
            if value is None:
                value = of_conversation.get(name)
            if value is not None:
                fields[name] = value
        return fields

    async def _hear(self, request: ChatRequest) -> None:
        assert self._choice is not None
        begun_s, longest = time.monotonic(), self.deps.settings.answer_chars
        first = True
        async with aclosing(self._choice.chat.stream(request)) as chunks:
            async for chunk in chunks:
                self._take(chunk)
                if first:
                    first = False
                    waited_s = time.monotonic() - begun_s
                    self.deps.observer.first_token(self._choice.provider, waited_s)
                if self.buffer.chars > longest:
                    self._finish_reason = "length"
                    break

    def _take(self, chunk: dict[str, Any]) -> None:
        """One chunk of the model; called for every token, so it does little."""
        grown = 0
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought := delta.get("reasoning_content"):
                grown += self.buffer.think(thought)
            if said := delta.get("content"):
                grown += self.buffer.say(said)
            if reason := choice.get("finish_reason"):
                self._finish_reason = reason
            break  # one answer was asked for
        if usage := chunk.get("usage"):
            self._usage = counted(usage) or self._usage
        if grown:
            if not self._unsaved:
                self._some.set()
            self._unsaved += grown
            if self._unsaved >= SAVE_CHARS:
                self._much.set()

    # -- the database

    async def _save_now_and_then(self) -> None:
        """Save what has arrived; end the run where its row is gone, or has become another process's."""
        while True:
            await self._some.wait()
            await anyio.sleep(PAUSE_S)
            with anyio.move_on_after(SAVE_S - PAUSE_S):
                await self._much.wait()
            self._some, self._much, self._unsaved = anyio.Event(), anyio.Event(), 0
            happened = len(self.buffer.happened)
            try:
                async with self.tools.saving, self.deps.database.write() as session:
                    mine = await answers.checkpoint(
                        session,
                        self.message_id,
                        self.deps.database.run_id,
                        str(self.buffer.text),
                        str(self.buffer.reasoning) or None,
                        dump_tool_events(self.buffer.happened) if happened > self._kept else None,
                    )
            except StorageUnavailable:
                continue  # it is buffered; what comes next brings this along
            self._kept = happened
            if not mine:
                self.cut("deleted")

    def _save_soon(self) -> None:
        """Something happened that is not to be lost: it is told to nobody again, and may have changed something."""
        self._some.set()
        self._much.set()

    async def _finish(self, ending: _Ending) -> None:
        """Store the end, and tell it. Where it cannot be stored, readers are told that, and it is tried again."""
        stopped = ending.code == STOPPED
        self.tools.cut_short(
            STOPPED if stopped else Interrupted.code,
            "its user stopped the answer" if stopped else "the answer ended before this call did",
        )
        while True:
            try:
                stored = await self._stored(ending)
                break
            except StorageUnavailable as error:
                self._tell(_Ending.failed(error))
                await anyio.sleep(RETRY_S)
        self._tell(ending if stored else _Ending.failed(_deleted()))

    async def _stored(self, ending: _Ending) -> bool:
        error = {"code": ending.code, "message": ending.message} if ending.code else None
        async with self.deps.database.write() as session:
            return await answers.end(
                session,
                self.message_id,
                self.deps.database.run_id,
                ending.status,
                str(self.buffer.text),
                reasoning=str(self.buffer.reasoning) or None,
                model=self._choice.id if self._choice else self.options.model,
                provider=self._choice.provider if self._choice else None,
                finish_reason=self._reason(ending),
                usage=self._spent(ending),
                error=error,
                tool_data=dump_tool_events(self.buffer.happened),
            )

    # -- the end, as readers are told it

    def _tell(self, ending: _Ending) -> None:
        cursor = self.buffer.cursor
        if ending.status != "complete" and ending.code != STOPPED:
            self.buffer.close(Failed(cursor, self.message_id, ending.code, ending.message))
            return
        self.buffer.close(
            Done(
                cursor,
                self.message_id,
                "stopped" if ending.code == STOPPED else "completed",
                self._choice.id if self._choice else None,
                self._choice.provider if self._choice else None,
                self._reason(ending),
                self._spent(ending),
            )
        )

    def _reason(self, ending: _Ending) -> str | None:
        return self._finish_reason or "stop" if ending.status == "complete" else None

    def _spent(self, ending: _Ending) -> dict[str, Any] | None:
        """What the model told; else, of an answer that has begun, an estimate that is marked so."""
        if self._usage is not None or not (self.buffer.chars or ending.status == "complete"):
            return self._usage
        return estimated(self._asked, self.buffer.chars)


def _unexpected(error: Exception) -> _Ending:
    return _Ending.failed(report_fault(logger, "in an answer", error))


def _deleted() -> NotFound:
    return NotFound("the conversation of this answer has been deleted")
