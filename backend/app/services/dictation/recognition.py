"""A dictation's recognition: the queue of utterances, with back-pressure, and the loop that decodes them."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
from anyio.abc import TaskGroup

from app.core.discard_reasons import DiscardReason
from app.core.errors import PrompterError
from app.providers.base import Transcript
from app.services.audio.segmenter import (
    SegmentEvent,
    UtteranceAudio,
    UtteranceEnded,
    UtterancePaused,
    UtteranceResumed,
    UtteranceStarted,
)
from app.services.decoding.utterance import LiveOutput, OpenEngine, UtteranceDecoder
from app.services.dictation.events import EventBuilder, Receipt, UtteranceState
from app.services.dictation.outbox import Outbox


@dataclass(frozen=True, slots=True)
class FlushMark:
    """A `flush` of the client: all work before it is finalised first."""

    id: str | int | None


@dataclass(frozen=True, slots=True)
class StopMark:
    """The end of the dictation."""


@dataclass(frozen=True, slots=True)
class LossMark:
    """Nobody waits for results: the engine's place is given back."""


Work = SegmentEvent | FlushMark | StopMark | LossMark

_MERGE_SAMPLES = 16_000
"""Waiting audio is joined into pieces of at most a second, so that partials keep coming."""


class WorkQueue:
    """Waiting work of one dictation, between the task that takes its audio and the task that recognises it."""

    def __init__(self) -> None:
        self._work: deque[tuple[Work, float]] = deque()
        self._arrived = anyio.Event()
        self._progress = anyio.Event()
        self.is_closed = False
        self.pending_samples = 0
        """Audio not yet handed to the engine."""
        self.pending_flushes = 0
        self.final_since: float | None = None
        """When the oldest final that is awaited was due: its utterance has ended."""
        self._pending_finals = 0
        self.waited_s = 0.0
        """How long the piece of work that was taken last had waited."""

    def close(self) -> list[Work]:
        """Take no more work; return what still waits."""
        self.is_closed = True
        left = [work for work, _ in self._work]
        self._work.clear()
        return left

    def put(self, work: Work) -> None:
        """Add a piece of work; never waits."""
        self._work.append((work, time.monotonic()))
        if isinstance(work, UtteranceAudio):
            self.pending_samples += len(work.samples)
        elif isinstance(work, FlushMark):
            self.pending_flushes += 1
        elif isinstance(work, UtteranceEnded):
            self._pending_finals += 1
            self.final_since = self.final_since or time.monotonic()
        self._arrived.set()

    def count_final(self) -> None:
        """The utterance that ended first has its last event."""
        self._pending_finals -= 1
        self.final_since = time.monotonic() if self._pending_finals else None

    async def get(self) -> Work:
        """Wait for the next piece of work; audio that waits is joined."""
        while not self._work:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        work, since = self._work.popleft()
        self.waited_s = time.monotonic() - since
        if isinstance(work, UtteranceAudio):
            work = self._join(work)
            self.pending_samples -= len(work.samples)
        elif isinstance(work, FlushMark):
            self.pending_flushes -= 1
        self._progress.set()
        return work

    async def wait_below(self, samples: int, flushes: int) -> None:
        """Wait until less than `samples` of audio and fewer than `flushes` marks are pending."""
        while self.pending_samples >= samples or self.pending_flushes >= flushes:
            self._progress = anyio.Event()
            await self._progress.wait()

    def _join(self, first: UtteranceAudio) -> UtteranceAudio:
        parts, length = [first.samples], len(first.samples)
        while self._work and isinstance(following := self._work[0][0], UtteranceAudio):
            if length + len(following.samples) > _MERGE_SAMPLES:
                break
            parts.append(following.samples)
            length += len(following.samples)
            self._work.popleft()
        return first if len(parts) == 1 else UtteranceAudio(np.concatenate(parts))


class RecognitionLoop:
    """Owns the open engine; runs until the stop mark, or until it is cancelled.

    An engine error ends its utterance, and ends the dictation where the engine cannot go on.
    """

    def __init__(
        self,
        engine: OpenEngine,
        queue: WorkQueue,
        events: EventBuilder,
        outbox: Outbox,
        on_final: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_final` is called behind the last event of each utterance."""
        self._on_final = on_final
        self._engine = engine
        self._queue = queue
        self._events = events
        self._outbox = outbox
        self._tasks: TaskGroup
        self._running_decoder: UtteranceDecoder | None = None
        self._is_awaited = True
        self._has_loss_mark = False
        self._utterance: UtteranceState | None = None
        self._pause: UtterancePaused | None = None
        self.context_before: dict[str, Any] | None = None
        """What the finals of another server tell the next decodes; to be set before `run`."""
        self._decoded = 0
        """Session sample up to which the engine has all audio that it is to hear."""

    async def run(self) -> None:
        """Recognize until the dictation is stopped, then close the engine.

        Raises:
            EngineFailed: the engine cannot go on.
        """
        try:
            async with anyio.create_task_group() as self._tasks:
                self._running_decoder = UtteranceDecoder(self._engine, LiveOutput(self, self._tasks))
                self._decoder.set_awaited(is_awaited=self._is_awaited)
                if self.context_before is not None and self._decoder.context is not None:
                    self._decoder.context.load(self.context_before)
                try:
                    await self._work()
                finally:
                    await self._close_utterance()
        except BaseExceptionGroup as errors:
            # Decodes in the background pass their errors to `finish`: there is one error, and it is ours.
            raise errors.exceptions[0] from None
        finally:
            await self._engine.aclose()

    @property
    def context(self) -> dict[str, Any] | None:
        """What the finals so far tell the next decodes."""
        decoder = self._running_decoder
        return decoder.context.dump() if decoder is not None and decoder.context is not None else None

    def set_awaited(self, *, is_awaited: bool) -> None:
        """Whether a client waits for results: if none does, an utterance that is going on keeps its audio alone."""
        self._is_awaited = is_awaited
        if self._running_decoder is not None:
            self._running_decoder.set_awaited(is_awaited=is_awaited)
        if not is_awaited and not self._has_loss_mark:
            self._has_loss_mark = True
            self._queue.put(LossMark())

    # -- what the decoder calls

    def on_partial(self, text: str, stable: str, covered_samples: int) -> None:
        """Emit a partial."""
        if (utterance := self._utterance) is not None:
            self._events.partial(utterance, text, stable, utterance.start + covered_samples)
            self._outbox.notify()

    def on_eager_final(self, transcript: Transcript) -> None:
        """Emit what the final will be if the pause lasts."""
        if self._utterance is not None and self._pause is not None:
            self._events.eager_final(self._utterance, self._pause, transcript)
            self._outbox.notify()

    # -- work from the queue

    async def _work(self) -> None:
        while not isinstance(work := await self._queue.get(), StopMark):
            try:
                await self._handle(work)
            except PrompterError as error:
                await self._fail(error)
            if isinstance(work, UtteranceEnded):
                self._queue.count_final()
                self._on_final()
            await self._outbox.deliver()

    async def _handle(self, work: Work) -> None:
        match work:
            case UtteranceStarted():
                await self._begin(work)
            case UtteranceAudio() if self._utterance is not None:
                await self._decoder.accept(work.samples)
                self._decoded = self._utterance.start + self._decoder.accepted_samples
            case UtterancePaused() if self._utterance is not None:
                self._pause = work
                self._decoder.pause(work.speech_end)
            case UtteranceResumed() if self._utterance is not None:
                self._pause = None
                self._decoder.resume()
                self._events.turn_resumed(self._utterance, work.heard_until)
            case UtteranceEnded() if self._utterance is not None:
                await self._end(self._utterance, work)
            case FlushMark():
                self._events.flushed(work.id)
            case LossMark():
                self._has_loss_mark = False
                await self._decoder.give_place_back()

    async def _begin(self, started: UtteranceStarted) -> None:
        self._utterance = self._events.begin_utterance(started.utterance_id, started.start, started.onset)
        self._pause = None
        await self._decoder.begin(started)
        self._events.totals.utterances += 1

    async def _end(self, utterance: UtteranceState, ended: UtteranceEnded) -> None:
        waited_ms = self._queue.waited_s * 1000
        is_cleared = ended.discard_reason is DiscardReason.CLEARED
        if is_cleared or (ended.discard_reason is not None and not utterance.revision):
            # What was shown is decoded in any case, unless the client takes it back itself.
            self._events.discarded(utterance, ended.end, str(ended.discard_reason))
        else:
            final = await self._decoder.finish(ended)
            receipt = Receipt(
                speech_end=ended.speech_end,
                heard_until=ended.heard_until,
                queue_ms=waited_ms + final.wait_ms,
                decode_ms=final.decode_ms,
            )
            self._events.final(utterance, ended, final.transcript, receipt)
        self._decoded = ended.end
        await self._close_utterance()

    async def _fail(self, error: PrompterError) -> None:
        """Discard the utterance that the engine failed on, and all that wait where the engine cannot go on."""
        if (utterance := self._utterance) is not None:
            self._events.discarded(utterance, self._decoded, DiscardReason.ENGINE_ERROR)
        await self._close_utterance()
        if error.fatal:
            for work in self._queue.close():
                if isinstance(work, UtteranceStarted):
                    waiting = UtteranceState(work.utterance_id, work.start)
                    self._events.discarded(waiting, work.start, DiscardReason.ENGINE_ERROR)
            raise error
        self._events.engine_error(error)

    @property
    def _decoder(self) -> UtteranceDecoder:
        assert self._running_decoder is not None, "`run` has not begun"
        return self._running_decoder

    async def _close_utterance(self) -> None:
        self._utterance = None
        await self._decoder.close()
