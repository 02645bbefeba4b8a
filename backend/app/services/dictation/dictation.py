"""A dictation whose engine listens to utterances: takes audio on one side, recognises it in a task on the other."""

import sys
import time
from collections import deque
from collections.abc import Sequence
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
from app.services.dictation.session_state import LEAD_SAMPLES, HeardState, Mark, MarkKind
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
        self._untold: deque[tuple[int, int]] = deque()
        """Number and beginning of each utterance whose last event has not been emitted."""
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
        self.is_logged = False
        """Whether another server can go on with it."""
        self._is_silent = False
        """Whether what is heard has been told by another server."""
        self._received_bytes = 0
        self._marks: list[Mark] = []
        """Where what had been said was finalised, from the last place on that may be heard again."""
        self._flushes_before = 0
        """Of the flushes among `marks`, those that came before are answered."""
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
        self._received_bytes += len(pcm)
        await self._hear(pcm, rate_hz)

    async def _hear(self, pcm: bytes, rate_hz: int) -> None:
        if self._segmenter is None:
            self._segmenter = Segmenter(
                self._settings, rate_hz, self._silence_ms, utterances_before=self._utterances_before
            )
            self._open_checks(rate_hz)
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

    def _open_checks(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        if self._builder.is_requested("status"):
            self._checks, self._pace = InputChecks(rate_hz), PaceCheck(rate_hz)

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
            self._received_bytes = claim.lead_bytes
            await self._hear(claim.audio[: claim.lead_bytes], claim.rate_hz)
            if self._segmenter is not None and self._segmenter.is_speaking:
                self.discard_utterance()
            self._is_leading = False
            self._received_bytes = min(until, len(claim.audio))
            await self._hear(claim.audio[claim.lead_bytes : until], claim.rate_hz)
            if self._segmenter is not None and self._segmenter.is_speaking:
                self.finish_utterance()
        finally:
            self._builder.told_before = self._utterances
        self._received_bytes = len(claim.audio)
        await self._hear(claim.audio[until:], claim.rate_hz)

    # -- for another server that goes on with it

    def read_state(self) -> HeardState:
        """How far it is, at this moment."""
        told = self._builder.told
        received = self.received_samples
        settled = next((start for number, start in self._untold if number > told), None)
        if settled is None:
            settled = max(received - _UNHEARD_SAMPLES, self._builder.told_end, 0)
        self._tidy_marks(settled)
        return HeardState(
            received=received,
            settled=settled,
            told=told,
            told_end=self._builder.told_end,
            started=self._builder.started,
            stopped=self._builder.stopped_speech,
            shown=self._builder.shown,
            speech_samples=self._builder.totals.speech_samples,
            finals=self._builder.totals.finals,
            discarded=self._builder.totals.discarded,
            marks=tuple(self._marks),
            context=self._recognition.context,
        )

    def _tidy_marks(self, settled: int) -> None:
        """Keep the marks that may be heard again, and the last one before; a flush that is answered has no id."""
        answered = self._builder.flushes - self._flushes_before
        self._flushes_before = self._builder.flushes
        tidy: list[Mark] = []
        for mark in self._marks:
            if mark.kind == "flush" and answered:
                answered -= 1
                mark = replace(mark, kind="finish", id=None)
            is_first = len(tidy) == 1 and mark.sample <= settled - LEAD_SAMPLES
            if tidy and tidy[-1].kind == "finish" and (is_first or tidy[-1].position == mark.position):
                tidy.pop()
            tidy.append(mark)
        self._marks = tidy

    def go_on_decoding(self, heard: HeardState) -> None:
        """Decode as the other server would have; to be called before `run`."""
        self._recognition.context_before = heard.context

    async def hear_logged(self, heard: HeardState, pieces: Sequence[tuple[int, bytes]], rate_hz: int) -> None:
        """Go on where another server was: take the audio that has no text, and what was asked for meanwhile.

        Raises as `feed` does.
        """
        sample, position = heard.find_lead(rate_hz)
        first = pieces[0][0] if pieces else position
        pcm = b"".join(piece for _, piece in pieces)[max(position - first, 0) :]
        pcm = bytes(max(first - position, 0)) + pcm  # never needed: what has no text is kept
        if self._spooled is not None:
            self._spooled.go_on_from(sample)
            self._spooled.append(pcm, rate_hz)
        self._builder.restore(heard)
        self._utterances = heard.told
        self._received_bytes = position
        self._segmenter = Segmenter(
            self._settings, rate_hz, self._silence_ms, utterances_before=heard.told, first_sample=sample
        )
        self._meter.go_on_from(sample)
        self._open_checks(rate_hz)
        self._marks = [mark for mark in heard.marks if mark.position <= position and mark.kind != "stop"][-1:]
        later = [mark for mark in heard.marks if mark not in self._marks]
        settled = position + (heard.settled - sample) * rate_hz // SAMPLE_RATE_HZ * 2
        await self._hear_lead(pcm[: settled - position], [mark for mark in later if mark.position < settled])
        rest = pcm[settled - position :]
        await self._hear_marked(rest, [mark for mark in later if mark.position >= settled])

    async def _hear_lead(self, pcm: bytes, marks: Sequence[Mark]) -> None:
        """Hear audio that has its text, for the sake of what follows."""
        assert self._segmenter is not None
        self._is_silent = True
        try:
            await self._hear_marked(pcm, [replace(mark, kind="finish") for mark in marks])
            if self._segmenter.is_speaking:
                self._segmenter.finish()
        finally:
            self._is_silent = False
        self._segmenter.count_from(self._utterances)

    async def _hear_marked(self, pcm: bytes, marks: Sequence[Mark]) -> None:
        for mark in marks:
            part = pcm[: max(mark.position - self._received_bytes, 0)]
            pcm = pcm[len(part) :]
            self._received_bytes += len(part)
            await self._hear(part, self._rate_hz)
            match mark.kind:
                case "finish":
                    self.finish_utterance()
                case "flush":
                    await self.flush(mark.id)
                case "stop":
                    self.stop()
        self._received_bytes += len(pcm)
        await self._hear(pcm, self._rate_hz)

    # -- what it is told

    def finish_utterance(self) -> None:
        """Finalise what has been said so far, as if the audio had ended here."""
        self._finish("finish")

    def _finish(self, kind: MarkKind, flush_id: str | int | None = None) -> None:
        if self._segmenter is not None:
            self._enqueue(self._segmenter.finish())
        if self.is_logged:
            sample = self.received_samples
            self._marks.append(Mark(kind=kind, position=self._received_bytes, sample=sample, id=flush_id))

    def discard_utterance(self) -> None:
        """Discard what has been said so far of an utterance that is going on."""
        if self._segmenter is not None:
            self._enqueue(_clear(self._segmenter.finish()))

    async def flush(self, flush_id: str | int | None) -> None:
        """Finalise what has been said, then emit `flushed`; waits while too many answers are pending."""
        self._finish("flush", flush_id)
        self._queue.put(FlushMark(flush_id))
        await self._wait_for_room()

    def stop(self) -> None:
        """Finalise what has been said; `run` ends when every event of it is emitted."""
        self._finish("stop")
        self._queue.put(StopMark())

    def set_awaited(self, *, is_awaited: bool) -> None:
        """Whether a client waits for the events. If none does, an open utterance keeps its audio, not the engine."""
        self._engine.set_awaited(is_awaited=is_awaited)
        self._recognition.set_awaited(is_awaited=is_awaited)

    def acknowledge(self, audio_seq: int, logged_bytes: int | None = None) -> None:
        """Emit an `ack`: how far the server is. `logged_bytes`: what another server has, too, where one can go on."""
        safe_ms = None
        if self._spooled is not None:
            self._spooled.settle(self._told_samples)
            safe_ms = self._spooled.safe_ms
        if logged_bytes is not None:
            safe_ms = logged_bytes // 2 * 1000 // self._rate_hz if self._rate_hz else 0
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
        return self._untold[0][1] if self._untold else max(self.received_samples - _UNHEARD_SAMPLES, 0)

    def _report_status(self, pressure: Pressure) -> None:
        self._builder.status(degraded=pressure.degraded, partials=pressure.partials)

    async def _wait_for_room(self) -> None:
        limits = self._settings.limits
        await self._queue.wait_below(int(limits.backlog_s * SAMPLE_RATE_HZ), limits.outbound_events)

    def _enqueue(self, events: list[SegmentEvent]) -> None:
        if self._queue.is_closed or self._is_silent:
            return  # the engine is gone: an utterance that begins now would have no end; or nobody is to know
        for event in events:
            self._queue.put(event)
            if isinstance(event, UtteranceStarted):
                self.has_speech = True
                self._untold.append((event.utterance_id, event.start))
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
