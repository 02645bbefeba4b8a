"""How an answer ends: its stored status and error, and the last event that its readers get."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from app.core.errors import Interrupted, NotFound, PrompterError, UpstreamTimeout
from app.core.logging import report_fault
from app.core.notes import Note, NoteCode
from app.services.chat.events import AnswerEnd, Done, Failed
from app.storage.messages import Message

logger = logging.getLogger(__name__)

STOPPED = NoteCode.STOPPED.value
"""The code in the stored `error` of an answer that its user stopped. Readers get `done`, not an error."""

EndReason = Literal["stopped", "shutdown", "deleted", "called_dead"]
"""Why an answer ends before its model does: its user, the server's end, the deletion of its conversation, or another
server, which has not heard of this one for so long that it has marked the answer as interrupted."""


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What is known of the model's answer besides its text."""

    model: str | None = None
    """The full id of the model; None where it was not resolved."""
    provider: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one answer ended."""

    status: Literal["complete", "interrupted", "failed"] = "complete"
    code: str = ""
    message: str = ""
    note: Note | None = None
    """None where nothing is known but the code."""

    @property
    def is_complete(self) -> bool:
        return self.status == "complete"

    @property
    def is_stopped(self) -> bool:
        return self.code == STOPPED

    @property
    def error(self) -> dict[str, Any] | None:
        """The `error` to store with the answer."""
        if not self.code:
            return None
        note = self.note or Note(self.code)
        return {"code": self.code, "message": self.message, "note": note.to_dict()}

    @classmethod
    def from_error(cls, error: PrompterError) -> "Outcome":
        return cls(status="failed", code=error.code, message=error.message, note=error.note)

    @classmethod
    def from_fault(cls, error: BaseException) -> "Outcome":
        """The outcome of a fault in the server itself, which is logged without its message."""
        return cls.from_error(report_fault(logger, "in an answer", error))

    @classmethod
    def from_reason(cls, reason: EndReason) -> "Outcome":
        """The outcome of an answer that was ended before its model ended it."""
        if reason == "stopped":
            return cls("interrupted", STOPPED, "its user stopped it")
        if reason == "deleted":
            return cls.from_error(NotFound("the conversation of this answer has been deleted"))
        if reason == "called_dead":
            cut = Interrupted(
                "this server and its database lost each other while it answered; what had arrived is here"
            )
            return cls("interrupted", cut.code, cut.message)
        shutdown = Interrupted("the server ended while it answered; what had arrived is here")
        return cls("interrupted", shutdown.code, shutdown.message)

    @classmethod
    def from_timeout(cls, answer_s: float) -> "Outcome":
        """The outcome of an answer that reached its time limit."""
        error = UpstreamTimeout(
            f"the answer took longer than {answer_s:g} s (chat.answer_s); what had arrived is here"
        )
        return cls("interrupted", error.code, error.message)


def make_end(message_id: UUID, outcome: Outcome, result: ModelResult) -> AnswerEnd:
    """The last event of an answer."""
    if not (outcome.is_complete or outcome.is_stopped):
        return Failed(
            message_id=message_id,
            code=outcome.code,
            message=outcome.message,
            note=outcome.note or Note(outcome.code),
        )
    return Done(
        message_id=message_id,
        status="stopped" if outcome.is_stopped else "completed",
        model=result.model,
        provider=result.provider,
        finish_reason=result.finish_reason,
        usage=result.usage,
    )


def load_end(message: Message) -> AnswerEnd | None:
    """The last event of a stored answer; None while it is made."""
    if message.status == "streaming":
        return None
    outcome = Outcome()
    if message.status != "complete":
        error = message.error or {}
        outcome = Outcome(
            status=message.status,
            code=error.get("code", Interrupted.code),
            message=error.get("message", "the answer was cut short; what had arrived is here"),
            note=_load_note(error.get("note")),
        )
    result = ModelResult(
        model=message.model,
        provider=message.provider,
        finish_reason=message.finish_reason,
        usage=message.usage,
    )
    return make_end(message.id, outcome, result)


def _load_note(stored: Mapping[str, Any] | None) -> Note | None:
    """The note of a stored error; older ones have none."""
    return None if stored is None else Note(stored["code"], stored["params"])
