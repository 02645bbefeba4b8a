"""The utterances of one session, decoded one after the other: the same for live speech and for recordings."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

from anyio.abc import TaskGroup

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    RawSttSession,
    Samples,
    SttConfig,
    SttProvider,
    SttSession,
    SttStream,
    Transcript,
    WindowSttSession,
)
from app.providers.boundary import ProviderBoundary, close_provider
from app.services.audio.segmenter import UtteranceEnded, UtteranceStarted
from app.services.decoding.load import Pressure
from app.services.decoding.policy import Priority
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduled_stream import ScheduledStream
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.stability import INCREMENTAL, StablePrefix
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import DecodeListener, LiveWindowStream, WindowStream

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True, eq=False)
class OpenEngine:
    """An engine that is open for one dictation or recording, and its place at the scheduler. Its owner closes it."""

    provider: SttProvider
    session: SttSession | WindowSttSession | RawSttSession
    config: SttConfig
    sizes: WindowSizes = field(default_factory=WindowSizes)
    scheduler: Scheduler | None = None
    """None for an engine that takes no core of this machine: it is called as the audio comes."""
    number: int = 0
    """The session's number at the scheduler."""
    reason: str | None = None
    """Why this engine, where the server chose it."""

    @property
    def name(self) -> str:
        return self.provider.name

    def watch_pressure(self, notify: Callable[[Pressure], None]) -> None:
        """Call `notify` when what the load asks of this session's partials changes; it takes note and does not wait."""
        if self.scheduler is not None:
            self.scheduler.watch(self.number, notify)

    def set_awaited(self, *, is_awaited: bool) -> None:
        """Whether a client waits for results; without one this session gives way to all others."""
        if self.scheduler is not None:
            self.scheduler.set_awaited(self.number, is_awaited=is_awaited)

    def count_speech(self, samples: int) -> None:
        """An utterance with this much speech has ended."""
        if self.scheduler is not None:
            self.scheduler.count_speech(self.number, samples / SAMPLE_RATE_HZ)

    async def aclose(self) -> None:
        """Close the engine's session; its streams are closed. A failure is logged and not raised."""
        await close_provider(self.name, self.session.aclose())
        if self.scheduler is not None:
            self.scheduler.forget(self.number)


async def open_engine(
    engines: SttProviders, settings: Settings, name: str | None, config: SttConfig, *, live: bool
) -> OpenEngine:
    """Choose an engine, start it, and open a session of it. A live session needs room on this machine's cores.

    `name` is None for the engine of the settings. The engine is given the vocabulary only where it can use one.

    Raises:
        UnknownProvider, UnknownModel, LanguageNotSupported, ProviderNotReady, ServerFull, EngineFailed
    """
    choice = await engines.choose(name, config.required_langs, config.model)
    provider = choice.provider
    if not provider.capabilities.vocabulary:
        config = replace(config, vocabulary=())
    with ProviderBoundary(provider.name):
        await provider.start()
        session = await provider.open_session(config)
    scheduler = engines.scheduler_for(provider)
    number = 0
    try:
        if scheduler is not None:
            number = (
                await engines.admit(provider, config.model) if live else scheduler.new_session(live=False)
            )
    except BaseException:
        await close_provider(provider.name, session.aclose())
        raise
    return OpenEngine(
        provider=provider,
        session=session,
        config=config,
        sizes=WindowSizes.from_settings(settings),
        scheduler=scheduler,
        number=number,
        reason=choice.reason,
    )


@dataclass(frozen=True, slots=True)
class LiveOutput:
    """Where the partials and eager finals of live speech go, and the task group that decodes them."""

    listener: DecodeListener
    tasks: TaskGroup
    """Its owner waits for the tasks before it closes the engine."""


@dataclass(frozen=True, slots=True)
class DecodedFinal:
    """The final of an utterance, and the time that it took since the end was known (ms)."""

    transcript: Transcript
    wait_ms: float
    decode_ms: float


class UtteranceDecoder:
    """Gives the utterances of one session to its engine, one at a time: `begin`, `accept` …, `finish`, `close`.

    What the engine raises becomes one of our errors. After an error, and where an utterance is discarded, `close`
    ends it. `close` returns when no call of its stream runs any more.
    """

    def __init__(self, engine: OpenEngine, live: LiveOutput | None = None) -> None:
        """`live` is None for a recording: it has no partials, and gives way to all who speak.

        Raises:
            TypeError: the engine finds utterances by itself.
        """
        self._engine = engine
        self._live = live
        self._boundary = ProviderBoundary(engine.name)
        self._open_stream: Callable[[UtteranceStarted], Awaitable[SttStream]]
        self._is_windowed = False
        match engine.session:
            case WindowSttSession() as session:
                self._is_windowed = True
                self._open_stream = partial(self._open_window_stream, self._window_session(session))
            case RawSttSession():
                raise TypeError(f"the engine {engine.name!r} finds utterances by itself")
            case session:
                self._open_stream = partial(self._open_scheduled_stream, session)
        self._utterance: UtteranceStarted | None = None
        self._stream: SttStream | None = None
        self._prefix = StablePrefix(INCREMENTAL)
        self.accepted_samples = 0
        """Audio of the utterance that the engine has."""

    async def begin(self, utterance: UtteranceStarted) -> None:
        """Open a stream for the utterance."""
        self._utterance = utterance
        self._prefix = StablePrefix(INCREMENTAL)
        self.accepted_samples = 0
        with self._boundary:
            self._stream = await self._open_stream(utterance)

    async def accept(self, samples: Samples) -> None:
        """Give the engine the next audio; a live listener gets the partial that it brings."""
        assert self._stream is not None
        with self._boundary:
            hypothesis = await self._stream.accept(samples)
        self.accepted_samples += len(samples)
        if hypothesis is not None:
            self._emit_partial(hypothesis)

    def pause(self, speech_end: int) -> None:
        """Speech has paused at this session sample: a whole-window engine decodes an eager final now."""
        if isinstance(self._stream, LiveWindowStream):
            assert self._utterance is not None
            self._stream.pause(speech_end - self._utterance.start)

    def resume(self) -> None:
        """Speech goes on after a pause: the eager final is void."""
        if isinstance(self._stream, LiveWindowStream):
            self._stream.resume()

    async def finish(self, ended: UtteranceEnded) -> DecodedFinal:
        """Decode the final of the utterance."""
        if ended.audio is not None:
            await self._begin_again(ended.audio)
        return await self.decode_final(ended.speech_end - ended.start, is_sure=ended.evidence.is_sure)

    async def decode_final(self, speech_samples: int, *, is_sure: bool = True) -> DecodedFinal:
        """Decode the final of the audio that was accepted: its speech ends at sample `speech_samples`.

        `is_sure` says whether the detector is sure that it is speech. What neither detector nor engine is sure of has
        no text: music comes to stock phrases.
        """
        assert self._stream is not None
        began_s = time.monotonic()
        with self._boundary:
            transcript = await self._stream.finish(speech_samples)
        if transcript.is_speech_doubted and not is_sure and not transcript.rejected:
            transcript = replace(transcript, text="", words=(), segments=(), rejected=DiscardReason.NO_SPEECH)
            if isinstance(self._stream, WindowStream):
                self._stream.retract()
        self._engine.count_speech(speech_samples)
        took_ms = (time.monotonic() - began_s) * 1000
        # An eager final is decoded before the end is known: that time was not waited for.
        decode_ms = min(transcript.decode_ms, took_ms) if self._is_windowed else transcript.decode_ms
        return DecodedFinal(transcript, wait_ms=max(took_ms - decode_ms, 0), decode_ms=decode_ms)

    async def close(self) -> None:
        """Close the utterance's stream, if any."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_provider(self._engine.name, stream.aclose())

    async def _begin_again(self, audio: Samples) -> None:
        """Replace the stream: the utterance was cut in hindsight, and the engine has heard beyond the cut."""
        assert self._utterance is not None
        await self.close()
        with self._boundary:
            self._stream = await self._open_stream(self._utterance)
            await self._stream.accept(audio)

    def _emit_partial(self, hypothesis: Hypothesis) -> None:
        """Give the listener a hypothesis of an incremental engine, with a stable prefix where it has none."""
        if self._live is None or not self._engine.config.partials:
            return
        if hypothesis.stable is None:
            words = hypothesis.text.split()
            hypothesis = self._prefix.push(words, self.accepted_samples // _SAMPLES_PER_MS)
        self._live.listener.on_partial(hypothesis.text, hypothesis.stable or "", self.accepted_samples)

    def _window_session(self, session: WindowSttSession) -> WindowSession:
        engine = self._engine
        return WindowSession(
            session,
            engine.config,
            engine.sizes,
            name=engine.name,
            scheduler=engine.scheduler,
            number=engine.number,
        )

    async def _open_window_stream(self, session: WindowSession, utterance: UtteranceStarted) -> SttStream:
        if self._live is None:
            return WindowStream(session, utterance.start, priority=Priority.FILE)
        live = self._live
        return LiveWindowStream(session, utterance.start, utterance.onset, live.listener, live.tasks)

    async def _open_scheduled_stream(self, session: SttSession, _: UtteranceStarted) -> SttStream:
        engine, stream = self._engine, await session.open_stream()
        if engine.scheduler is None:
            return stream
        return ScheduledStream(
            stream, engine.scheduler, engine.number, engine.name, live=self._live is not None
        )
