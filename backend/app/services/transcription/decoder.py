"""The engine's side of a recording: what it hears, one utterance after the other, and what it makes of each."""

from dataclasses import dataclass

import anyio

from app.providers.base import (
    SAMPLE_RATE_HZ,
    Hypothesis,
    RawSttSession,
    Samples,
    SttConfig,
    SttSession,
    SttStream,
    Transcript,
    WindowSttSession,
)
from app.providers.boundary import ProviderBoundary, close_provider
from app.services.audio.endpointing import Verdict
from app.services.audio.segmenter import SegmentEvent, UtteranceAudio, UtteranceEnded, UtteranceStarted
from app.services.decoding.jobs import Priority
from app.services.decoding.scheduled_stream import ScheduledStream
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import WindowStream
from app.services.transcription.result import TranscribedUtterance, TranscribedWord

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
RAW_CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10
"""What an engine that sees every chunk is given at a time: about what a microphone client sends."""


@dataclass(frozen=True, slots=True)
class Cores:
    """How recordings come to this machine's cores."""

    scheduler: Scheduler
    windows: WindowSizes
    utterances: anyio.CapacityLimiter
    """Utterances of recordings that engines hold at once: decoders and lanes stay free for those who speak."""


class _Deaf:
    """Nobody listens to partials of a recording."""

    def partial(self, hypothesis: Hypothesis, covered_samples: int) -> None: ...

    def eager_final(self, transcript: Transcript) -> None: ...


class UtteranceListener:
    """An engine that hears utterances. Its streams and its session are closed after their running call."""

    def __init__(
        self, engine: SttSession | WindowSttSession, config: SttConfig, provider: str, cores: Cores | None
    ) -> None:
        """`cores` is None for an engine that takes none here."""
        self._engine = engine
        self._config = config
        self._provider = provider
        self._boundary = ProviderBoundary(provider)
        self._cores = cores
        self._number = cores.scheduler.new_session(live=False) if cores else 0
        self._windows = self._windowed(engine) if isinstance(engine, WindowSttSession) else None
        self._stream: SttStream | WindowStream | None = None
        self._held = False
        self._onset = 0

    @property
    def busy(self) -> bool:
        """Whether an utterance is open: others may wait for its place."""
        return self._held

    async def take(self, event: SegmentEvent) -> TranscribedUtterance | None:
        """Work on an event; give the text where it ended an utterance.

        Raises:
            EngineFailed, and what else of ours the engine raises.
        """
        with self._boundary:
            match event:
                case UtteranceStarted():
                    await self._begin(event)
                case UtteranceAudio():
                    assert self._stream is not None
                    await self._stream.accept(event.samples)
                case UtteranceEnded():
                    return await self._end(event)
                case _:
                    pass  # a pause that may be the end: nobody is in a hurry
        return None

    async def aclose(self) -> None:
        await self._close()
        await close_provider(self._provider, self._engine.aclose())
        if self._cores:
            self._cores.scheduler.forget(self._number)

    async def _begin(self, event: UtteranceStarted) -> None:
        if self._cores:
            await self._cores.utterances.acquire_on_behalf_of(self)
            self._held = True
        self._onset = event.onset
        self._stream = await self._open(event.start)

    async def _open(self, start: int) -> SttStream | WindowStream:
        if self._windows is not None:
            return WindowStream(self._windows, start, self._onset, _Deaf(), final=Priority.FILE)
        assert not isinstance(self._engine, WindowSttSession)
        stream = await self._engine.open_stream()
        if self._cores is None:
            return stream
        return ScheduledStream(stream, self._cores.scheduler, self._number, self._provider, live=False)

    async def _end(self, event: UtteranceEnded) -> TranscribedUtterance | None:
        try:
            if event.verdict is not Verdict.KEEP:
                return None
            if event.audio is not None:  # a cut in hindsight: the engine has heard beyond it
                await self._close_stream()
                self._stream = await self._open(event.start)
                await self._stream.accept(event.audio)
            assert self._stream is not None
            transcript = await self._stream.finish(event.speech_end - event.start)
            return self._said(transcript, event)
        finally:
            await self._close()

    def _said(self, transcript: Transcript, event: UtteranceEnded) -> TranscribedUtterance | None:
        if transcript.rejected or not transcript.text:
            return None
        offset = event.start // _SAMPLES_PER_MS
        words = tuple(
            TranscribedWord(word.text, offset + word.start_ms, offset + word.end_ms, word.confidence)
            for word in transcript.words
        )
        start_ms, end_ms = self._onset // _SAMPLES_PER_MS, event.speech_end // _SAMPLES_PER_MS
        if words:
            start_ms, end_ms = min(start_ms, words[0].start_ms), max(end_ms, words[-1].end_ms)
        lang = transcript.lang or self._config.primary_lang
        return TranscribedUtterance(
            transcript.text, start_ms, max(end_ms, start_ms), words, lang, transcript.model
        )

    async def _close(self) -> None:
        await self._close_stream()
        if self._cores and self._held:
            self._held = False
            self._cores.utterances.release_on_behalf_of(self)

    async def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_provider(self._provider, stream.aclose())

    def _windowed(self, engine: WindowSttSession) -> WindowSession:
        scheduler, windows = (
            (self._cores.scheduler, self._cores.windows) if self._cores else (None, WindowSizes())
        )
        return WindowSession(engine, self._config, windows, scheduler, self._number, self._provider, None)


class RawListener:
    """An engine that sees every chunk as received, speech or not; its finals are the text."""

    def __init__(self, engine: RawSttSession, config: SttConfig, provider: str) -> None:
        self._engine = engine
        self._config = config
        self._provider = provider
        self._boundary = ProviderBoundary(provider)
        self._heard = 0
        self._told = 0

    def push(self, samples: Samples) -> list[TranscribedUtterance]:
        """Take audio of any length; give the finals it brought."""
        said = []
        for at in range(0, len(samples), RAW_CHUNK_SAMPLES):
            chunk = samples[at : at + RAW_CHUNK_SAMPLES]
            self._heard += len(chunk)
            with self._boundary:
                answers = self._engine.accept_chunk(chunk.astype("<i2").tobytes())
            said += [self._final(text) for kind, text in answers if kind == "final" and text]
        return said

    async def aclose(self) -> None:
        await close_provider(self._provider, self._engine.aclose())

    def _final(self, text: str) -> TranscribedUtterance:
        start, self._told = self._told, self._heard
        return TranscribedUtterance(
            text, start // _SAMPLES_PER_MS, self._heard // _SAMPLES_PER_MS, (), self._config.primary_lang
        )
