"""One answer from its empty row to its stored end: the model loop, its checkpoints, and its outcome."""

import anyio

from app.core.errors import Interrupted, PrompterError, StorageUnavailable
from app.core.supervision import reraise_cancellation
from app.services.chat.buffer import AnswerBuffer
from app.services.chat.checkpoints import Checkpointer
from app.services.chat.model_loop import AnswerDeps, AnswerIds, AnswerOptions, ModelLoop
from app.services.chat.outcome import STOPPED, EndReason, Outcome, make_end
from app.services.chat.tools import ToolHost
from app.services.llm.context import ResolvedModel
from app.services.llm.waiting import WaitReporter
from app.utils.deadline import PausableDeadline

RETRY_S = 5.0
"""Time between attempts to store an end that could not be stored (s)."""


class AnswerRun:
    """The answer to one question while it is made. Readers follow `buffer`."""

    def __init__(self, deps: AnswerDeps, ids: AnswerIds, options: AnswerOptions) -> None:
        self.ids = ids
        self.buffer = AnswerBuffer()
        self.finished = anyio.Event()
        """Set when nothing more will be stored."""
        self.answered_by: ResolvedModel | None = None
        """The model, once its answer is complete and stored."""
        self._deps = deps
        deadline = PausableDeadline(deps.settings.answer_s)
        self._scope = deadline.make_scope()
        self._end_reason: EndReason | None = None
        self._checkpoints = Checkpointer(
            deps.database, deps.checkpoints, self.buffer, ids.message_id, on_lost=self.end
        )
        self._waits = WaitReporter(lambda: self.buffer.cursor, lambda: deadline.is_paused)
        self._model = ModelLoop(deps, ids, options, self.buffer, self._checkpoints, self._waits.note)
        self.tools = ToolHost(
            deps.database, ids, self.buffer, self._checkpoints, deadline, deps.settings.approval_s
        )

    def end(self, reason: EndReason) -> None:
        """End the answer now. What has arrived is stored. Only the first reason counts."""
        self._end_reason = self._end_reason or reason
        self._scope.cancel()

    async def run(self) -> None:
        """Make the answer. Its end is stored before readers get it."""
        try:
            try:
                outcome = await self._make()
            except BaseException as error:  # noqa: BLE001  # a fault of ours ends this answer and no other
                reraise_cancellation(error)
                outcome = Outcome.from_fault(error)
            await self._finish(outcome)
        except BaseException as error:  # noqa: BLE001  # the same for its end
            reraise_cancellation(error)
            self._close(Outcome.from_fault(error))
        finally:
            self.finished.set()

    async def _make(self) -> Outcome:
        outcome: Outcome | None = None
        with self._scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._checkpoints.watch)
                group.start_soon(self._waits.run, self.buffer.tell)
                outcome = await self._run_model()
                group.cancel_scope.cancel()
        if outcome is None:
            reason = self._end_reason
            outcome = (
                Outcome.from_reason(reason) if reason else Outcome.from_timeout(self._deps.settings.answer_s)
            )
        if self._model.provider is not None:
            label = {"complete": "completed", "failed": "failed"}.get(outcome.status, "left")
            self._deps.observer.count_answer(self._model.metrics_label, label)
        return outcome

    async def _run_model(self) -> Outcome:
        try:
            await self._model.run(self.tools.make_context())
        except PrompterError as error:
            return Outcome.from_error(error)
        return Outcome()

    async def _finish(self, outcome: Outcome) -> None:
        """Store the end, then close the buffer. A failure to store is shown to readers, and storing is tried again."""
        if outcome.is_stopped:
            self.tools.interrupt_calls(STOPPED, "its user stopped the answer")
        else:
            self.tools.interrupt_calls(Interrupted.code, "the answer ended before this call did")
        result = self._model.result(is_complete=outcome.is_complete)
        while True:
            try:
                is_stored = await self._checkpoints.store_end(outcome, result)
                break
            except StorageUnavailable as error:
                self._close(Outcome.from_error(error))
                await anyio.sleep(RETRY_S)
        if is_stored and outcome.is_complete:
            self.answered_by = self._model.model
        self._close(outcome if is_stored else Outcome.from_reason("deleted"))

    def _close(self, outcome: Outcome) -> None:
        result = self._model.result(is_complete=outcome.is_complete)
        self.buffer.close(make_end(self.ids.message_id, outcome, result))
