"""A dictation whose engine listens to utterances: takes audio on one side, recognises it in a task on the other."""

import sys
import time
from collections import deque
from dataclasses import replace

import anyio
import anyio.lowlevel

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.core.errors import SessionTooLong
from app.providers.base import SAMPLE_RATE_HZ
from app.services.audio.input_checks import InputChecks, PaceCheck
from app.services.audio.pcm import to_samples
from app.services.audio.segmenter import Segmenter, SegmentEvent, UtteranceEnded, UtteranceStarted
from app.services.decoding.load import Pressure
from app.services.decoding.utterance import OpenEngine
from app.services.dictation.events import EventBuilder
from app.services.dictation.latency_meter import Meter
from app.services.dictation.limits import BacklogForecast, LimitWatch
from app.services.dictation.outbox import Outbox
from app.services.dictation.progress import ProgressWatch
from app.services.dictation.recognition import FlushMark, RecognitionLoop, StopMark, WorkQueue
from app.services.dictation.recovery import Claim
from app.services.dictation.spool import SpooledAudio

_SLICE_S = 0.2
"""Long chunks are segmented in slices, so that one client's file never holds the event loop for more than ~1 ms."""


_UNHEARD_SAMPLES = 2 * SAMPLE_RATE_HZ
"""The last audio of a silence: an utterance may begin in it, with its pre-roll."""


class SegmentedDictation:
    """From `ready` to `stopped`. One task calls `feed`, `flush` and `stop`; another runs `run`.

    `silence_ms`: see `EndpointConfig`. `spooled` gets all audio; None where none is kept.
    `utterances_before` have been told already.
    """

    def __init__(
        self,
        engine: OpenEngine,
        builder: EventBuilder,
        outbox: Outbox,
        settings: Settings,
        meter: Meter,
        *,
        silence_ms: int | None,
        spooled: SpooledAudio | None = None,
        utterances_before: int = 0,
    ) -> None:
        self._spooled = spooled
        self._utterances_before = self._utterances = utterances_before
        self._untold: deque[int] = deque()
        """Where each utterance begins whose last event has not been emitted."""
        self._settings = settings
        self._silence_ms = silence_ms
        self._builder = builder
        self._outbox = outbox
        self._meter = meter
        self._engine = engine
        self._queue = WorkQueue()
        self._recognition = RecognitionLoop(engine, self._queue, builder, outbox, self._count_told)
        self._progress = ProgressWatch() if builder.is_requested("status") else None
        self._limits = LimitWatch() if builder.is_requested("status") else None
        self._backlog = BacklogForecast(settings.limits.backlog_s)
        self._segmenter: Segmenter | None = None
        self._rate_hz = 0
        self._checks: InputChecks | None = None
        self._pace: PaceCheck | None = None
        self._is_feeding = False
        self._is_leading = False
        """Whether the audio has its text: it is heard for the sake of what follows."""
        self.has_speech = False
        """Whether an utterance has ever begun."""
        self.done = anyio.Event()

    async def run(self) -> None:
        """Recognise until stopped, then emit `stopped`.

        Raises:
            EngineFailed: the engine cannot go on.
        """
        if self._builder.is_requested("status"):
            self._engine.watch_pressure(self._report_status)
        await self._recognition.run()
        self._builder.stopped(self.received_samples)
        self.done.set()
        await self._outbox.deliver()

    @property
    def received_samples(self) -> int:
        """Samples received so far, at 16 kHz."""
        return self._segmenter.total_samples if self._segmenter else 0

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is open and no audio is being processed."""
        return self._segmenter is not None and self._segmenter.is_speaking and not self._is_feeding

    async def feed(self, pcm: bytes, rate_hz: int) -> None:
        """Take a chunk; waits while too much of the audio before it is undecoded.

        Raises:
            SessionTooLong: the session's limit is reached; what was said before is finalised.
        """
        if self._spooled is not None:
            self._spooled.append(pcm, rate_hz)
        await self._hear(pcm, rate_hz)

    async def _hear(self, pcm: bytes, rate_hz: int) -> None:
        if self._segmenter is None:
            self._segmenter = Segmenter(
                self._settings, rate_hz, self._silence_ms, utterances_before=self._utterances_before
            )
            self._rate_hz = rate_hz
            if self._builder.is_requested("status"):
                self._checks, self._pace = InputChecks(rate_hz), PaceCheck(rate_hz)
        samples = to_samples(pcm)
        if self._checks is not None:
            for hint in self._checks.push(samples):
                self._builder.hint(hint)
        if self._pace is not None and (wrong_rate := self._pace.push(len(samples), time.monotonic())):
            self._builder.hint(wrong_rate)
        step = int(self._rate_hz * _SLICE_S)
        self._is_feeding = True
        try:
            with anyio.CancelScope(shield=True):  # whoever leaves: a chunk is taken as a whole or not at all
                for at in range(0, len(samples), step):
                    events = self._segmenter.push(samples[at : at + step])
                    self._enqueue(_clear(events) if self._is_leading else events)
                    self._meter.count_audio(self._segmenter.total_samples)
                    if at + step < len(samples):
                        await anyio.lowlevel.checkpoint()
            await self._wait_for_room()
        finally:
            self._is_feeding = False
        if self._segmenter.total_samples > self._settings.limits.session_s * SAMPLE_RATE_HZ:
            self.stop()
            limit = self._settings.limits.session_s
            raise SessionTooLong(
                f"a session lasts at most {limit:g} s of audio (limits.session_s); start another"
            )

    async def hear_again(self, claim: Claim) -> None:
        """Take the audio of the session that broke off, before any other.

        Finals that the client has are stored, and not emitted. Raises as `feed` does.
        """
        if self._spooled is not None:
            self._spooled.replace(claim.replaces, claim.audio, claim.rate_hz, claim.lead_bytes)
        if not claim.audio:
            return
        until = claim.lead_bytes + claim.told_bytes
        self._builder.told_before = sys.maxsize
        try:
            self._is_leading = True
            await self._hear(claim.audio[: claim.lead_bytes], claim.rate_hz)
            if self._segmenter is not None and self._segmenter.is_speaking:
                self.discard_utterance()
            self._is_leading = False
            await self._hear(claim.audio[claim.lead_bytes : until], claim.rate_hz)
            if self._segmenter is not None and self._segmenter.is_speaking:
                self.finish_utterance()
        finally:
            self._builder.told_before = self._utterances
        await self._hear(claim.audio[until:], claim.rate_hz)

    def finish_utterance(self) -> None:
        """Finalise what has been said so far, as if the audio had ended here."""
        if self._segmenter is not None:
            self._enqueue(self._segmenter.finish())

    def discard_utterance(self) -> None:
        """Discard what has been said so far of an utterance that is going on."""
        if self._segmenter is not None:
            self._enqueue(_clear(self._segmenter.finish()))

    async def flush(self, flush_id: str | int | None) -> None:
        """Finalise what has been said, then emit `flushed`; waits while too many answers are pending."""
        self.finish_utterance()
        self._queue.put(FlushMark(flush_id))
        await self._wait_for_room()

    def stop(self) -> None:
        """Finalise what has been said; `run` ends when every event of it is emitted."""
        self.finish_utterance()
        self._queue.put(StopMark())

    def set_awaited(self, *, is_awaited: bool) -> None:
        """Whether a client waits for the events. If none does, an open utterance keeps its audio, not the engine."""
        self._engine.set_awaited(is_awaited=is_awaited)
        self._recognition.set_awaited(is_awaited=is_awaited)

    def acknowledge(self, audio_seq: int) -> None:
        """Emit an `ack`: how far the server is."""
        safe_ms = None
        if self._spooled is not None:
            self._spooled.settle(self._told_samples)
            safe_ms = self._spooled.safe_ms
        received, backlog = self.received_samples, self._queue.pending_samples
        self._builder.ack(audio_seq, received=received, backlog=backlog, safe_ms=safe_ms)

    def report_progress(self) -> None:
        """Emit what is awaited, where that has changed."""
        if self._progress is None:
            return
        progress = self._progress.observe(
            time.monotonic(),
            backlog_samples=self._queue.pending_samples,
            final_since=self._queue.final_since,
            place=self._engine.queue_place,
        )
        if progress is not None:
            self._builder.progress(progress)

    def report_limits(self, now: float, login_left_s: float | None) -> None:
        """Emit which limit is near, where that has changed. `login_left_s`: until the caller's token expires."""
        if self._limits is None:
            return
        received = self.received_samples
        spooled = self._spooled
        is_near = self._limits.observe(
            now,
            {
                "session": self._settings.limits.session_s - received / SAMPLE_RATE_HZ,
                "backlog": self._backlog.predict(now, self._queue.pending_samples, received),
                "spool": None if spooled is None else spooled.share_left_s,
                "disk": None if spooled is None else spooled.disk_left_s,
                "login": login_left_s,
            },
        )
        if is_near:
            self._builder.limit(self._limits.told)

    def _count_told(self) -> None:
        """An utterance has its last event."""
        self._untold.popleft()
        self.report_progress()

    @property
    def _told_samples(self) -> int:
        """The audio before this sample needs no text any more, but for finals that are not stored."""
        return self._untold[0] if self._untold else max(self.received_samples - _UNHEARD_SAMPLES, 0)

    def _report_status(self, pressure: Pressure) -> None:
        self._builder.status(degraded=pressure.degraded, partials=pressure.partials)

    async def _wait_for_room(self) -> None:
        limits = self._settings.limits
        await self._queue.wait_below(int(limits.backlog_s * SAMPLE_RATE_HZ), limits.outbound_events)

    def _enqueue(self, events: list[SegmentEvent]) -> None:
        if self._queue.is_closed:
            return  # the engine is gone: an utterance that begins now would have no end
        for event in events:
            self._queue.put(event)
            if isinstance(event, UtteranceStarted):
                self.has_speech = True
                self._untold.append(event.start)
                self._utterances = event.utterance_id
                self._builder.speech_started(event.utterance_id, event.start, self.received_samples)
            elif isinstance(event, UtteranceEnded):
                self._builder.speech_stopped(event)


def _clear(events: list[SegmentEvent]) -> list[SegmentEvent]:
    """The same events; utterances that end among them get no text."""
    return [
        replace(event, discard_reason=DiscardReason.CLEARED) if isinstance(event, UtteranceEnded) else event
        for event in events
    ]
