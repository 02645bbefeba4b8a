"""One dictation's engine side: takes utterances from the inbox, one at a time, into the engine's streams."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup

from app.core.errors import PrompterError
from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    SttConfig,
    SttSession,
    SttStream,
    Transcript,
    WindowSttSession,
)
from app.providers.boundary import ProviderBoundary, close_provider
from app.services.audio.endpointing import Verdict
from app.services.audio.segmenter import (
    UtteranceAudio,
    UtteranceEnded,
    UtterancePaused,
    UtteranceResumed,
    UtteranceStarted,
)
from app.services.decoding.scheduled_stream import ScheduledStream
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.stability import Stabilizer
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import WindowStream
from app.services.dictation.events import EngineInfo, EventBuilder, Receipt, Stats, UtteranceState
from app.services.dictation.meter import Meter
from app.services.dictation.outbox import Event, Outbox
from app.services.dictation.queue import FlushMark, StopMark, WorkQueue

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Cores:
    """How a dictation comes to this machine's cores."""

    scheduler: Scheduler | None = None
    """None for an engine that takes none: it is called as the audio comes."""
    number: int = 0
    """The scheduler's name for the dictation; its owner has it forgotten at the end."""
    windows: WindowSizes = field(default_factory=WindowSizes)


class _Utterance:
    """The utterance inside the engine; hears of its partials where the engine decodes windows."""

    def __init__(self, teller: EventBuilder, work: UtteranceStarted, wake: Callable[[], None]) -> None:
        self.told = UtteranceState(work.utterance_id, work.start, onset=work.onset)
        self.onset = work.onset
        self.stream: SttStream | WindowStream
        self.heard = 0
        self.pause: UtterancePaused | None = None
        self.stabilizer = Stabilizer()
        self._teller = teller
        self._wake = wake

    def partial(self, hypothesis: Hypothesis, covered_samples: int) -> None:
        """A hypothesis over the first `covered_samples`."""
        text, stable = hypothesis.text, hypothesis.stable
        if stable is None:
            shown = self.stabilizer.push(text, covered_samples // _SAMPLES_PER_MS)
            text, stable = shown.text, shown.stable
        self._teller.partial(self.told, text, stable, self.told.start + covered_samples)
        self._wake()

    def eager_final(self, transcript: Transcript) -> None:
        """What the final will be if the pause lasts."""
        if self.pause is not None:
            self._teller.eager_final(self.told, self.pause, transcript)
            self._wake()


class Recogniser:
    """Owns the engine session and its streams; runs until the stop mark, or until it is cancelled.

    A stream is closed after its running call has returned, whether the client stays or leaves.
    """

    def __init__(
        self,
        engine: SttSession | WindowSttSession,
        config: SttConfig,
        voice: EngineInfo,
        inbox: WorkQueue,
        outbox: Outbox,
        cores: Cores,
        meter: Meter,
        *,
        events: frozenset[str],
        keep: Callable[[Event], None],
    ) -> None:
        self._engine = engine
        self._config = config
        self._voice = voice
        self._boundary = ProviderBoundary(voice.provider)
        self._inbox = inbox
        self._outbox = outbox
        self._cores = cores
        self._meter = meter
        self._windows: WindowSession | None = None
        self._teller = EventBuilder(config, voice, outbox, meter, events=events, keep=keep)
        self._utterance: _Utterance | None = None
        self._failed_id: int | None = None
        self._tasks: TaskGroup
        self.decoded = 0
        """Session sample up to which the engine has heard everything that was to be heard."""

    @property
    def stats(self) -> Stats:
        return self._teller.stats

    async def run(self) -> None:
        """Work until the dictation is stopped.

        Raises:
            EngineFailed: the engine cannot go on.
        """
        try:
            async with anyio.create_task_group() as self._tasks:
                if isinstance(self._engine, WindowSttSession):
                    self._windows = self._windowed(self._engine)
                try:
                    await self._work()
                finally:
                    await self._close_stream()
        except ExceptionGroup as errors:
            # The group's own tasks tell their errors through the stream: there is one, and it is ours.
            raise errors.exceptions[0] from None
        finally:
            await close_provider(self._voice.provider, self._engine.aclose())

    def _windowed(self, engine: WindowSttSession) -> WindowSession:
        cores, name = self._cores, self._voice.provider
        return WindowSession(
            engine, self._config, cores.windows, cores.scheduler, cores.number, name, self._tasks
        )

    async def _work(self) -> None:
        while not isinstance(work := await self._inbox.get(), StopMark):
            match work:
                case UtteranceStarted():
                    await self._guarded(work.utterance_id, self._started, work)
                case UtteranceAudio():
                    if self._utterance is not None:
                        await self._guarded(self._utterance.told.id, self._heard, work)
                case UtterancePaused() | UtteranceResumed():
                    self._turned(work)
                case UtteranceEnded():
                    await self._guarded(work.utterance_id, self._ended, work)
                case FlushMark():
                    self._outbox.emit({"type": "flushed", "id": work.id})
            await self._outbox.send_pending()

    async def _guarded(self, utterance_id: int, step: Callable[[Any], Any], work: Any) -> None:
        """Run a step; an engine's error ends the utterance, and the dictation only if it cannot go on."""
        if utterance_id == self._failed_id:
            return
        try:
            with self._boundary:
                await step(work)
        except PrompterError as error:
            await self._fail(utterance_id, error)

    async def _fail(self, utterance_id: int, error: PrompterError) -> None:
        self._failed_id = utterance_id
        utterance, self._utterance = self._utterance, None
        told = utterance.told if utterance else UtteranceState(utterance_id, self.decoded)
        self._teller.discarded(told, told.start, self.decoded, "engine_error")
        if utterance:
            await self._closed(utterance.stream)
        if error.fatal:
            for work in self._inbox.close():
                if isinstance(work, UtteranceStarted):
                    told = UtteranceState(work.utterance_id, work.start)
                    self._teller.discarded(told, work.start, work.start, "engine_error")
            raise error
        self._meter.failed(error.code)
        self._outbox.emit({"type": "error", "code": error.code, "message": error.message, "fatal": False})

    async def _started(self, work: UtteranceStarted) -> None:
        utterance = _Utterance(self._teller, work, self._send_soon)
        utterance.stream = await self._open_stream(utterance)
        self._utterance = utterance
        self.stats.utterances += 1

    async def _open_stream(self, utterance: _Utterance) -> SttStream | WindowStream:
        if self._windows is not None:
            return WindowStream(self._windows, utterance.told.start, utterance.onset, utterance)
        assert not isinstance(self._engine, WindowSttSession)
        stream = await self._engine.open_stream()
        if self._cores.scheduler is None:
            return stream
        return ScheduledStream(stream, self._cores.scheduler, self._cores.number, self._voice.provider)

    async def _heard(self, work: UtteranceAudio) -> None:
        utterance = self._utterance
        assert utterance is not None
        hypothesis = await utterance.stream.accept(work.samples)
        utterance.heard += len(work.samples)
        self.decoded = utterance.told.start + utterance.heard
        if hypothesis is not None and self._config.partials:
            utterance.partial(hypothesis, utterance.heard)

    def _turned(self, work: UtterancePaused | UtteranceResumed) -> None:
        """Speech has paused, or goes on: engines that decode windows begin the final in advance."""
        utterance = self._utterance
        if utterance is None or not isinstance(utterance.stream, WindowStream):
            return
        if isinstance(work, UtterancePaused):
            utterance.pause = work
            utterance.stream.pause(work.speech_end - utterance.told.start)
        else:
            utterance.pause = None
            utterance.stream.resume()
            self._teller.turn_resumed(utterance.told, work.heard_until)

    async def _ended(self, work: UtteranceEnded) -> None:
        utterance = self._utterance
        assert utterance is not None
        waited_s = self._inbox.waited_s
        if work.verdict is not Verdict.KEEP:
            self._teller.discarded(utterance.told, work.start, work.end, str(work.verdict))
        else:
            if work.audio is not None:
                await self._restart(utterance, work)
            began_s = time.monotonic()
            transcript = await utterance.stream.finish(work.speech_end - work.start)
            took_ms = (time.monotonic() - began_s) * 1000
            # A final that was begun in advance has done its work before; the rest of the time is its turn's.
            decode_ms = min(transcript.decode_ms, took_ms) if self._windows else transcript.decode_ms
            queue_ms = waited_s * 1000 + max(took_ms - decode_ms, 0)
            receipt = Receipt(work.speech_end, work.heard_until, queue_ms, decode_ms)
            self._teller.final(utterance.told, work, transcript, receipt)
        self.decoded = work.end
        await self._close_stream()

    async def _restart(self, utterance: _Utterance, work: UtteranceEnded) -> None:
        """Decode the utterance anew: it was cut in hindsight, and the engine has heard beyond the cut."""
        assert work.audio is not None
        await self._closed(utterance.stream)
        utterance.stream = await self._open_stream(utterance)
        await utterance.stream.accept(work.audio)

    def _send_soon(self) -> None:
        self._tasks.start_soon(self._outbox.send_pending)

    async def _close_stream(self) -> None:
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            await self._closed(utterance.stream)

    async def _closed(self, stream: SttStream | WindowStream) -> None:
        await close_provider(self._voice.provider, stream.aclose())
