"""The transcription of one recording, pulled step by step, and the service that bounds how many run at a time."""

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

import anyio

from app.core.config import Settings
from app.core.errors import BadRequest, ServerFull
from app.providers.base import SAMPLE_RATE_HZ, RawSttSession, SttConfig, WindowSttSession
from app.providers.media.decoder import RecordingDecoder
from app.services.decoding.languages import choose_languages
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.utterance import OpenEngine, open_engine
from app.services.transcription.decoder import (
    PackedTranscriber,
    PassthroughTranscriber,
    RecordingTranscriber,
    SegmentedTranscriber,
    TranscribedPart,
)
from app.services.transcription.request import TranscriptionRequest, find_model
from app.services.transcription.result import (
    DiscardedAudio,
    RecordingTranscript,
    TranscribedUtterance,
    TranscriptionProgress,
    UncoveredAudio,
    main_language,
)
from app.services.transcription.second_look import LevelTrack, cut_windows

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 1.0
"""Between two signs of progress while no utterance ends."""

RETRY_S = 5.0
"""When a client that was refused may try again."""

TranscriptionStep = TranscribedPart | TranscriptionProgress


@dataclass(frozen=True, slots=True)
class TranscriptionDeps:
    """What all transcriptions share."""

    settings: Settings
    engines: SttProviders
    utterances: anyio.CapacityLimiter
    """Utterances of recordings that engines hold at a time."""
    segmenters: anyio.CapacityLimiter
    """Recordings that are segmented at a time: it is cheap, and must not take the cores."""


class TranscriptionJob:
    """`open`, then `next` until it returns None, or `whole`; `aclose` in every case. One task at a time.

    Between two calls only the file's decoder runs; it waits while its pipe is full.
    """

    def __init__(self, file: BinaryIO, request: TranscriptionRequest, deps: TranscriptionDeps) -> None:
        """`file` has a descriptor and stays the caller's."""
        self._file = file
        self._request = request
        self._deps = deps
        self._steps = self._run()
        self._first: list[TranscriptionStep | None] = []
        self._utterances: list[TranscribedUtterance] = []
        self._discarded: list[DiscardedAudio] = []
        self._uncovered: list[UncoveredAudio] = []
        self._decoded_samples = 0
        self._levels = LevelTrack()
        self._decodes_windows = False
        self._began_s = time.monotonic()
        self._provider = ""

    async def open(self) -> None:
        """Decode the first second of the file, and open the engine.

        Raises (while the client can still be given a status):
            AudioNotReadable, ModelNotFound, LanguageNotSupported, ProviderNotReady, EngineFailed …
        """
        self._first = [await anext(self._steps, None)]

    async def next(self) -> TranscriptionStep | None:
        """The next utterance, loss or sign of progress; None after the last.

        Raises as `open` does, and MessageTooBig.
        """
        step = self._first.pop() if self._first else await anext(self._steps, None)
        match step:
            case TranscribedUtterance():
                self._utterances.append(step)
            case DiscardedAudio():
                self._discarded.append(step)
            case UncoveredAudio():
                self._uncovered.append(step)
        return step

    async def whole(self) -> RecordingTranscript:
        """Transcribe to the end and return everything."""
        while await self.next() is not None:
            pass
        return self.so_far

    @property
    def so_far(self) -> RecordingTranscript:
        """What `next` has returned."""
        utterances = tuple(self._utterances)
        requested = (self._request.lang or "auto").split("-")[0].lower()
        return RecordingTranscript(
            utterances=utterances,
            duration_s=self._decoded_samples / SAMPLE_RATE_HZ,
            lang="en"
            if self._request.translates
            else main_language(utterances, None if requested == "auto" else requested),
            discarded=tuple(self._discarded),
            uncovered=tuple(self._uncovered),
        )

    async def aclose(self) -> None:
        """End the work at once; waits for the engine's running call."""
        with anyio.CancelScope(shield=True):
            await self._steps.aclose()

    async def _run(self) -> AsyncGenerator[TranscriptionStep, None]:
        complete = False
        try:
            async with aclosing(self._transcribe()) as steps:
                async for step in steps:
                    yield step
            if not self._utterances:
                async with aclosing(self._look_again()) as steps:
                    async for step in steps:
                        yield step
            complete = True
        finally:
            if self._provider:
                self._log(complete=complete)

    async def _transcribe(self) -> AsyncGenerator[TranscriptionStep, None]:
        async with AsyncExitStack() as stack:
            file = await stack.enter_async_context(self._open_file())
            block = await file.block()
            transcriber = await self._open_transcriber()
            stack.push_async_callback(transcriber.aclose)
            yield TranscriptionProgress(0.0, file.duration_s)
            shown_s = time.monotonic()
            while block is not None:
                self._decoded_samples += len(block)
                self._levels.push(block)
                for part in await transcriber.push(block):
                    yield part
                if not transcriber.is_busy and time.monotonic() - shown_s >= PROGRESS_EVERY_S:
                    shown_s = time.monotonic()
                    yield TranscriptionProgress(self._decoded_samples / SAMPLE_RATE_HZ, file.duration_s)
                block = await file.block()
            for part in await transcriber.finish():
                yield part

    async def _look_again(self) -> AsyncGenerator[TranscriptionStep, None]:
        """Nothing was heard: decode the loudest windows without the gate, and believe only what is sure."""
        longest = int(self._deps.settings.limits.utterance_s * SAMPLE_RATE_HZ)
        windows = self._levels.choose_windows(longest) if self._decodes_windows else []
        if windows:
            async with AsyncExitStack() as stack:
                transcriber = self._pack(await self._open_engine(cautious=True))
                stack.push_async_callback(transcriber.aclose)
                file = await stack.enter_async_context(self._open_file())
                async for window in cut_windows(file.block, windows):
                    for part in await transcriber.decode_window(window):
                        if not isinstance(part, DiscardedAudio):
                            yield part
        if not self._utterances and not self._discarded and self._decoded_samples:
            yield self._levels.describe()

    def _open_file(self) -> RecordingDecoder:
        return RecordingDecoder(self._file, self._deps.settings.limits.upload_s)

    async def _open_engine(self, *, cautious: bool = False) -> OpenEngine:
        request, deps = self._request, self._deps
        model = find_model(request.model, await deps.engines.list_models())
        lang, langs = choose_languages(request.lang, request.langs, deps.settings.stt)
        config = SttConfig(
            lang=lang,
            langs=langs,
            model=model.model,
            words=request.words,
            vocabulary=request.vocabulary,
            partials=False,
            cautious=cautious,
            translates=request.translates,
        )
        engine = await open_engine(deps.engines, deps.settings, model.provider, config, live=False)
        if request.translates and not engine.provider.capabilities.translates:
            await engine.aclose()
            raise BadRequest(
                f"{engine.name!r} does not translate; ask whisper_local with a checkpoint for many "
                "languages, such as base",
                param="model",
            )
        return engine

    async def _open_transcriber(self) -> RecordingTranscriber:
        request, deps = self._request, self._deps
        engine = await self._open_engine()
        self._provider = engine.name
        if isinstance(engine.session, RawSttSession):
            return PassthroughTranscriber(engine, engine.session)
        self._decodes_windows = isinstance(engine.session, WindowSttSession)
        if self._decodes_windows and request.silence_ms is None:
            return self._pack(engine)
        return SegmentedTranscriber(
            engine,
            deps.settings,
            silence_ms=request.silence_ms,
            utterances=deps.utterances,
            segmenters=deps.segmenters,
        )

    def _pack(self, engine: OpenEngine) -> PackedTranscriber:
        deps = self._deps
        return PackedTranscriber(
            engine, deps.settings, utterances=deps.utterances, segmenters=deps.segmenters
        )

    def _log(self, *, complete: bool) -> None:
        logger.info(
            "transcribed provider=%s audio_s=%.1f utterances=%d seconds=%.1f complete=%s",
            self._provider,
            self._decoded_samples / SAMPLE_RATE_HZ,
            len(self._utterances),
            time.monotonic() - self._began_s,
            str(complete).lower(),
        )


class TranscriptionService:
    """The transcriptions of one application."""

    def __init__(self, settings: Settings, engines: SttProviders, scheduler: Scheduler) -> None:
        self._limit = settings.limits.uploads
        self.open_jobs = 0
        """Recordings that are uploaded or transcribed now."""
        self._deps = TranscriptionDeps(
            settings=settings,
            engines=engines,
            utterances=anyio.CapacityLimiter(scheduler.background_cores),
            segmenters=anyio.CapacityLimiter(1),
        )

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Reserve the place of one recording, from before its upload to the end of its answer.

        Raises:
            ServerFull: all places are taken.
        """
        if self.open_jobs >= self._limit:
            raise ServerFull(
                f"{self._limit} recordings are being transcribed (limits.uploads); try again in {RETRY_S:g} s",
                retry_after_s=RETRY_S,
            )
        self.open_jobs += 1
        try:
            yield
        finally:
            self.open_jobs -= 1

    def create_job(self, file: BinaryIO, request: TranscriptionRequest) -> TranscriptionJob:
        """A job for one file; the caller closes it."""
        return TranscriptionJob(file, request, self._deps)
