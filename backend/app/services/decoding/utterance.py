"""The utterances of one session, decoded one after the other: the same for live speech and for recordings."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import numpy as np
from anyio.abc import TaskGroup

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.providers.base import (
    SAMPLE_RATE_HZ,
    SAMPLES_PER_MS,
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
from app.services.decoding.window_session import DecodingContext, WindowSession, WindowSizes
from app.services.decoding.window_stream import DecodeListener, LiveWindowStream, WindowStream


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

    @property
    def queue_place(self) -> int | None:
        """The place of this session's final among those that wait for a core, 1 is next; None where none waits."""
        return None if self.scheduler is None else self.scheduler.find_place(self.number)

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
    engines: SttProviders,
    settings: Settings,
    name: str | None,
    config: SttConfig,
    *,
    live: bool,
    is_admitted: bool = False,
) -> OpenEngine:
    """Choose an engine, start it, and open a session of it. A live session needs room on this machine's cores, but
    where it `is_admitted` already: it goes on with another one.

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
                await engines.admit(provider, config.model, is_admitted=is_admitted)
                if live
                else scheduler.new_session(live=False)
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

    While nobody waits for its results (`set_awaited`, then `give_place_back`) an utterance that is going on holds its
    audio and no place of the engine: an incremental engine hears it again from the beginning, in a new stream, when it
    ends or somebody waits again.
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
        self.context: DecodingContext | None = None
        """What the finals so far tell the next decodes; None for an engine that keeps that itself."""
        match engine.session:
            case WindowSttSession() as session:
                self._is_windowed = True
                windows = self._window_session(session)
                self.context = windows.context
                self._open_stream = partial(self._open_window_stream, windows)
            case RawSttSession():
                raise TypeError(f"the engine {engine.name!r} finds utterances by itself")
            case session:
                self._open_stream = partial(self._open_scheduled_stream, session)
        self._utterance: UtteranceStarted | None = None
        self._stream: SttStream | None = None
        self._kept: list[Samples] = []
        """The audio of the utterance, for an incremental engine that has to hear it again."""
        self._is_awaited = True
        self._feeding: anyio.CancelScope | None = None
        self._prefix = StablePrefix(INCREMENTAL)
        self._shown: Hypothesis | None = None
        self.accepted_samples = 0
        """Audio of the utterance that the engine has, or will hear again."""

    async def begin(self, utterance: UtteranceStarted) -> None:
        """Open a stream for the utterance."""
        self._utterance = utterance
        self._prefix, self._shown = StablePrefix(INCREMENTAL), None
        self.accepted_samples = 0
        if self._is_windowed or self._is_awaited:
            await self._open(utterance)

    async def accept(self, samples: Samples) -> None:
        """Give the engine the next audio; a live listener gets the partial that it brings."""
        self.accepted_samples += len(samples)
        if not self._is_windowed and self._live is not None:
            self._kept.append(samples)
        if self._stream is None:
            if not self._is_awaited:
                return
            samples = await self._hear_again()
        hypothesis: Hypothesis | None = None
        with self._boundary, anyio.CancelScope() as self._feeding:
            hypothesis = await self._stream_of_utterance.accept(samples)
        if self._feeding.cancelled_caught:
            await self._close_stream()  # nobody knows how much of it was heard
        self._feeding = None
        if hypothesis is not None and self._is_awaited:
            self._emit_partial(hypothesis)

    def set_awaited(self, *, is_awaited: bool) -> None:
        """Whether somebody waits for results. What the engine is being fed for nobody is broken off."""
        self._is_awaited = is_awaited
        if isinstance(self._stream, LiveWindowStream):
            self._stream.set_awaited(is_awaited=is_awaited)
        elif not is_awaited and self._feeding is not None:
            self._feeding.cancel()

    async def give_place_back(self) -> None:
        """Close the stream of an incremental engine while nobody waits; returns when none of its calls runs."""
        if not self._is_awaited and not self._is_windowed:
            await self._close_stream()

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
        elif self._stream is None:
            audio = await self._hear_again()
            with self._boundary:
                await self._stream_of_utterance.accept(audio)
        return await self.decode_final(ended.speech_end - ended.start, is_sure=ended.evidence.is_sure)

    async def decode_final(self, speech_samples: int, *, is_sure: bool = True) -> DecodedFinal:
        """Decode the final of the audio that was accepted: its speech ends at sample `speech_samples`.

        `is_sure` says whether the detector is sure that it is speech. What neither detector nor engine is sure of has
        no text: music comes to stock phrases.
        """
        stream = self._stream_of_utterance
        began_s = time.monotonic()
        with self._boundary:
            transcript = await stream.finish(speech_samples)
        if transcript.is_speech_doubted and not is_sure and not transcript.rejected:
            transcript = replace(transcript, text="", words=(), segments=(), rejected=DiscardReason.NO_SPEECH)
            if isinstance(stream, WindowStream):
                stream.retract()
        self._engine.count_speech(speech_samples)
        took_ms = (time.monotonic() - began_s) * 1000
        # An eager final is decoded before the end is known: that time was not waited for.
        decode_ms = min(transcript.decode_ms, took_ms) if self._is_windowed else transcript.decode_ms
        return DecodedFinal(transcript, wait_ms=max(took_ms - decode_ms, 0), decode_ms=decode_ms)

    async def close(self) -> None:
        """Close the utterance's stream, if any, and forget its audio."""
        self._kept.clear()
        await self._close_stream()

    async def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_provider(self._engine.name, stream.aclose())

    async def _open(self, utterance: UtteranceStarted) -> None:
        with self._boundary:
            self._stream = await self._open_stream(utterance)
        if isinstance(self._stream, LiveWindowStream):
            self._stream.set_awaited(is_awaited=self._is_awaited)

    async def _begin_again(self, audio: Samples) -> None:
        """Replace the stream: the utterance was cut in hindsight, and the engine has heard beyond the cut."""
        assert self._utterance is not None
        await self.close()
        await self._open(self._utterance)
        with self._boundary:
            await self._stream_of_utterance.accept(audio)

    async def _hear_again(self) -> Samples:
        """Open a new stream, and return all audio so far: the engine's place was given back meanwhile."""
        assert self._utterance is not None
        await self._open(self._utterance)
        self._kept = [np.concatenate(self._kept)] if self._kept else [np.empty(0, np.int16)]
        return self._kept[0]

    @property
    def _stream_of_utterance(self) -> SttStream:
        assert self._stream is not None, "no utterance is going on"
        return self._stream

    def _emit_partial(self, hypothesis: Hypothesis) -> None:
        """Give the listener a hypothesis of an incremental engine, with a stable prefix where it has none."""
        if self._live is None or not self._engine.config.partials:
            return
        if hypothesis.stable is None:
            words = hypothesis.text.split()
            hypothesis = self._prefix.push(words, self.accepted_samples // SAMPLES_PER_MS)
        elif self._shown is not None and not hypothesis.stable.startswith(self._shown.stable or ""):
            return  # a stream that hears the audio again is not as sure yet as the one before
        self._shown = hypothesis
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
