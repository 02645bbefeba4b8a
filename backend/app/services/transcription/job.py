"""One recording on its way to text, pulled step by step, and the limit of recordings at a time."""

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import ServerFull
from app.providers.base import SAMPLE_RATE_HZ, RawSttSession, Samples, SttConfig
from app.providers.boundary import ProviderBoundary
from app.providers.media.decoder import RecordingDecoder
from app.services.audio.segmenter import Segmenter, SegmentEvent
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.window_session import WindowSizes
from app.services.transcription.decoder import Cores, RawListener, UtteranceListener
from app.services.transcription.request import TranscriptionRequest, find
from app.services.transcription.result import (
    RecordingTranscript,
    TranscribedUtterance,
    TranscriptionProgress,
    main_language,
)

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 1.0
"""Between two words about how far it is, while nothing is said."""

TranscriptionEvent = TranscribedUtterance | TranscriptionProgress


@dataclass(frozen=True, slots=True)
class TranscriptionDeps:
    """What recordings share."""

    settings: Settings
    engines: SttProviders
    cores: Cores
    ears: anyio.CapacityLimiter
    """Recordings that are listened to at a time: it is cheap, and must not take the cores."""


class TranscriptionJob:
    """`open`, then `next` until it gives None, or `whole`; `aclose` in every case. One task at a time.

    Nothing runs between two calls but the decoder, which waits when its pipe is full.
    """

    def __init__(self, file: BinaryIO, ask: TranscriptionRequest, deps: TranscriptionDeps) -> None:
        """`file` has a descriptor and stays the caller's."""
        self._file = file
        self._request = ask
        self._deps = deps
        self._steps = self._work()
        self._first: list[TranscriptionEvent | None] = []
        self._said: list[TranscribedUtterance] = []
        self._heard = 0
        self._began_s = time.monotonic()
        self.provider = ""

    async def open(self) -> None:
        """Choose and start the engine, and hear the first second.

        Raises:
            AudioNotReadable, ModelNotFound, LanguageNotSupported, ProviderNotReady, EngineFailed …: while the client
            can still be given a status.
        """
        self._first = [await anext(self._steps, None)]

    async def next(self) -> TranscriptionEvent | None:
        """The next utterance or sign of progress; None behind the last. Raises as `open` does, and MessageTooBig."""
        step = self._first.pop() if self._first else await anext(self._steps, None)
        if isinstance(step, TranscribedUtterance):
            self._said.append(step)
        return step

    async def whole(self) -> RecordingTranscript:
        """Everything, at the end."""
        while await self.next() is not None:
            pass
        return self.so_far

    @property
    def so_far(self) -> RecordingTranscript:
        """What has been understood until now."""
        said = tuple(self._said)
        asked = (self._request.lang or "auto").split("-")[0].lower()
        return RecordingTranscript(
            said, self._heard / SAMPLE_RATE_HZ, main_language(said, None if asked == "auto" else asked)
        )

    async def aclose(self) -> None:
        """End the work, whatever it does; a running call of the engine is waited for."""
        with anyio.CancelScope(shield=True):
            await self._steps.aclose()

    async def _work(self) -> AsyncGenerator[TranscriptionEvent, None]:
        complete = False
        async with AsyncExitStack() as stack:
            decoder = await stack.enter_async_context(
                RecordingDecoder(self._file, self._deps.settings.limits.upload_s)
            )
            block = await decoder.block()
            mind = await self._mind()
            stack.push_async_callback(mind.aclose)
            yield TranscriptionProgress(0.0, decoder.duration_s)
            told_s = time.monotonic()
            try:
                while block is not None:
                    self._heard += len(block)
                    for said in await mind.hear(block):
                        yield said
                    if not mind.busy and time.monotonic() - told_s >= PROGRESS_EVERY_S:
                        told_s = time.monotonic()
                        yield TranscriptionProgress(self._heard / SAMPLE_RATE_HZ, decoder.duration_s)
                    block = await decoder.block()
                for said in await mind.finish():
                    yield said
                complete = True
            finally:
                self._log(complete=complete)

    async def _mind(self) -> "_Ears | _Raw":
        """The engine with what it needs before it."""
        ask, settings, engines = self._request, self._deps.settings, self._deps.engines
        named = find(ask.model, await engines.checkpoints())
        lang = ask.lang or settings.stt.lang
        provider = (await engines.choose(named.provider, lang, named.model)).provider
        self.provider = provider.name
        terms = ask.vocabulary if provider.capabilities.vocabulary else ()
        config = SttConfig(lang, named.model, ask.words, terms, partials=False)
        with ProviderBoundary(provider.name):
            await provider.start()
            engine = await provider.open_session(config)
        if isinstance(engine, RawSttSession):
            return _Raw(RawListener(engine, config, provider.name))
        cores = self._deps.cores if engines.scheduler_for(provider) else None
        listener = UtteranceListener(engine, config, provider.name, cores)
        return _Ears(listener, settings, ask.silence_ms, self._deps.ears)

    def _log(self, *, complete: bool) -> None:
        logger.info(
            "transcribed provider=%s audio_s=%.1f utterances=%d seconds=%.1f complete=%s",
            self.provider,
            self._heard / SAMPLE_RATE_HZ,
            len(self._said),
            time.monotonic() - self._began_s,
            str(complete).lower(),
        )


class _Ears:
    """Cuts at pauses as a dictation does, and hands on what was heard."""

    def __init__(
        self,
        listener: UtteranceListener,
        settings: Settings,
        silence_ms: int | None,
        limiter: anyio.CapacityLimiter,
    ) -> None:
        self._listener = listener
        self._segmenter = Segmenter(settings, SAMPLE_RATE_HZ, silence_ms or settings.endpointing.dictation_ms)
        self._limiter = limiter

    @property
    def busy(self) -> bool:
        return self._listener.busy

    async def hear(self, block: Samples) -> list[TranscribedUtterance]:
        return await self._told(
            await anyio.to_thread.run_sync(self._segmenter.push, block, limiter=self._limiter)
        )

    async def finish(self) -> list[TranscribedUtterance]:
        return await self._told(await anyio.to_thread.run_sync(self._segmenter.finish, limiter=self._limiter))

    async def aclose(self) -> None:
        await self._listener.aclose()

    async def _told(self, events: list[SegmentEvent]) -> list[TranscribedUtterance]:
        said = [await self._listener.take(event) for event in events]
        return [one for one in said if one is not None]


class _Raw:
    """An engine that sees every chunk needs nothing before it."""

    busy = False

    def __init__(self, listener: RawListener) -> None:
        self._listener = listener

    async def hear(self, block: Samples) -> list[TranscribedUtterance]:
        return self._listener.push(block)

    async def finish(self) -> list[TranscribedUtterance]:
        """Chunks left over give no final, as when dictating."""
        return []

    async def aclose(self) -> None:
        await self._listener.aclose()


RETRY_S = 5.0
"""When a client that was refused may try again."""


class TranscriptionService:
    """One for an application."""

    def __init__(self, settings: Settings, engines: SttProviders, scheduler: Scheduler) -> None:
        self._limit = settings.limits.uploads
        self.open = 0
        """Recordings that are uploaded or transcribed now."""
        whisper = settings.stt.whisper_local
        cores = Cores(
            scheduler,
            WindowSizes(whisper.partial_window, whisper.final_window),
            anyio.CapacityLimiter(scheduler.background_cores),
        )
        self._deps = TranscriptionDeps(settings, engines, cores, anyio.CapacityLimiter(1))

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """One recording's place, from before its upload to the end of its answer.

        Raises:
            ServerFull: all are taken.
        """
        if self.open >= self._limit:
            raise ServerFull(
                f"{self._limit} recordings are being transcribed (limits.uploads); try again in {RETRY_S:g} s",
                retry_after_s=RETRY_S,
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def create_job(self, file: BinaryIO, ask: TranscriptionRequest) -> TranscriptionJob:
        """The work on one file; its owner closes it."""
        return TranscriptionJob(file, ask, self._deps)
