"""A recording's audio to transcribed utterances: in windows, at pauses, or as an engine cuts by itself."""

from typing import Protocol

import anyio
import anyio.to_thread
import numpy as np

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.providers.base import (
    SAMPLE_RATE_HZ,
    SAMPLES_PER_MS,
    RawSttSession,
    Samples,
    Segment,
    Transcript,
    Word,
)
from app.providers.boundary import ProviderBoundary
from app.services.audio.pcm import measure_dbfs
from app.services.audio.segmenter import (
    Segmenter,
    SegmentEvent,
    UtteranceAudio,
    UtteranceEnded,
    UtteranceStarted,
)
from app.services.decoding.utterance import OpenEngine, UtteranceDecoder
from app.services.transcription.packing import PackedWindow, Piece, WindowPacker
from app.services.transcription.result import (
    DiscardedAudio,
    TranscribedUtterance,
    TranscribedWord,
    UncoveredAudio,
)

RAW_CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10
"""An engine that sees every chunk is given this much at a time: about as much as a microphone client sends."""


TranscribedPart = TranscribedUtterance | DiscardedAudio | UncoveredAudio


class RecordingTranscriber(Protocol):
    """Turns audio into utterances. One call at a time; `aclose` closes the engine after its running call."""

    @property
    def is_busy(self) -> bool:
        """Whether an utterance is open: others may wait for its place."""
        ...

    async def push(self, block: Samples) -> list[TranscribedPart]:
        """Take the next audio; return the utterances that end in it, and what came to nothing.

        Raises:
            EngineFailed, and our other errors that the engine raises.
        """
        ...

    async def finish(self) -> list[TranscribedPart]:
        """The recording is over; return its last utterance, if any. Raises as `push` does."""
        ...

    async def aclose(self) -> None: ...


class SegmentedTranscriber:
    """For engines that are given utterances: a segmenter cuts the audio at pauses.

    Utterances of recordings take turns at the engines (`utterances`), and so do segmenters (`segmenters`): decoders,
    workers and cores stay free for those who speak.
    """

    def __init__(
        self,
        engine: OpenEngine,
        settings: Settings,
        *,
        silence_ms: int | None,
        utterances: anyio.CapacityLimiter,
        segmenters: anyio.CapacityLimiter,
    ) -> None:
        """`silence_ms` is the pause that ends an utterance; None takes that of the profile `dictation`."""
        self._engine = engine
        self._decoder = UtteranceDecoder(engine)
        self._segmenter = Segmenter(settings, SAMPLE_RATE_HZ, silence_ms or settings.endpointing.dictation_ms)
        self._utterances = utterances if engine.scheduler else None
        self._segmenters = segmenters
        self._audio: list[Samples] = []
        self._onset = 0
        self.is_busy = False

    async def push(self, block: Samples) -> list[TranscribedPart]:
        return await self._decode(
            await anyio.to_thread.run_sync(self._segmenter.push, block, limiter=self._segmenters)
        )

    async def finish(self) -> list[TranscribedPart]:
        return await self._decode(
            await anyio.to_thread.run_sync(self._segmenter.finish, limiter=self._segmenters)
        )

    async def aclose(self) -> None:
        await self._close_utterance()
        await self._engine.aclose()

    async def _decode(self, events: list[SegmentEvent]) -> list[TranscribedPart]:
        return [part for event in events for part in await self._handle(event)]

    async def _handle(self, event: SegmentEvent) -> list[TranscribedPart]:
        match event:
            case UtteranceStarted():
                await self._begin(event)
            case UtteranceAudio():
                self._audio.append(event.samples)
                await self._decoder.accept(event.samples)
            case UtteranceEnded():
                return await self._end(event)
            case _:
                pass  # a pause that may be the end: a recording has no eager finals
        return []

    async def _begin(self, utterance: UtteranceStarted) -> None:
        if self._utterances is not None:
            await self._utterances.acquire_on_behalf_of(self)
            self.is_busy = True
        self._onset = utterance.onset
        self._audio = []
        await self._decoder.begin(utterance)

    async def _end(self, ended: UtteranceEnded) -> list[TranscribedPart]:
        try:
            if ended.discard_reason is not None:
                return [self._discarded(ended.discard_reason, ended)]
            transcript = (await self._decoder.finish(ended)).transcript
            if transcript.rejected or not transcript.text:
                return [self._discarded(name_rejection(transcript, ended.likely_reason), ended)]
            offset_ms = ended.start // SAMPLES_PER_MS
            uncovered = [
                UncoveredAudio(
                    start_ms=offset_ms + gap.start_ms, end_ms=offset_ms + gap.end_ms, dbfs=gap.dbfs
                )
                for gap in transcript.uncovered
            ]
            return [self._transcribed(transcript, ended), *uncovered]
        finally:
            await self._close_utterance()

    async def _close_utterance(self) -> None:
        await self._decoder.close()
        if self._utterances is not None and self.is_busy:
            self.is_busy = False
            self._utterances.release_on_behalf_of(self)

    def _discarded(self, reason: str, ended: UtteranceEnded) -> DiscardedAudio:
        samples = np.concatenate(self._audio or [np.empty(0, np.int16)])
        speech = samples[self._onset - ended.start : ended.speech_end - ended.start]
        return DiscardedAudio(
            reason=reason,
            start_ms=self._onset // SAMPLES_PER_MS,
            end_ms=ended.speech_end // SAMPLES_PER_MS,
            dbfs=measure_dbfs(speech),
        )

    def _transcribed(self, transcript: Transcript, ended: UtteranceEnded) -> TranscribedUtterance:
        """The utterance with times from the start of the recording."""
        offset_ms = ended.start // SAMPLES_PER_MS
        words = tuple(
            TranscribedWord(
                text=word.text,
                start_ms=offset_ms + word.start_ms,
                end_ms=offset_ms + word.end_ms,
                confidence=word.confidence,
            )
            for word in transcript.words
        )
        start_ms, end_ms = self._onset // SAMPLES_PER_MS, ended.speech_end // SAMPLES_PER_MS
        if words:
            start_ms, end_ms = min(start_ms, words[0].start_ms), max(end_ms, words[-1].end_ms)
        return TranscribedUtterance(
            text=transcript.text,
            start_ms=start_ms,
            end_ms=max(end_ms, start_ms),
            words=words,
            lang=transcript.lang or self._engine.config.primary_lang,
            model=transcript.model,
            joined=transcript.joined,
        )


class PackedTranscriber:
    """For engines that decode a window as a whole: what lies between pauses is decoded together, as much as fits.

    Takes turns like a `SegmentedTranscriber`; a place is held only while a window is decoded.
    """

    PAUSE_MS = 320
    """Silence that divides the audio into pieces: windows are cut between them."""

    def __init__(
        self,
        engine: OpenEngine,
        settings: Settings,
        *,
        utterances: anyio.CapacityLimiter,
        segmenters: anyio.CapacityLimiter,
    ) -> None:
        self._engine = engine
        self._decoder = UtteranceDecoder(engine)
        self._segmenter = Segmenter(settings, SAMPLE_RATE_HZ, self.PAUSE_MS)
        # One window has one language: where that is not known, it may change in a pause that ends an utterance.
        known = engine.config.required_langs or engine.provider.capabilities.languages or ()
        longest_pause = None if len(known) == 1 else settings.endpointing.dictation_ms * SAMPLES_PER_MS
        self._packer = WindowPacker(int(settings.limits.utterance_s * SAMPLE_RATE_HZ), longest_pause)
        self._utterances = utterances if engine.scheduler else anyio.CapacityLimiter(1)
        self._segmenters = segmenters
        self._audio: list[Samples] = []
        self._onset = 0
        self.is_busy = False

    async def push(self, block: Samples) -> list[TranscribedPart]:
        events = await anyio.to_thread.run_sync(self._segmenter.push, block, limiter=self._segmenters)
        return await self._decode([window for event in events for window in self._handle(event)])

    async def finish(self) -> list[TranscribedPart]:
        events = await anyio.to_thread.run_sync(self._segmenter.finish, limiter=self._segmenters)
        windows = [window for event in events for window in self._handle(event)]
        return await self._decode(windows + self._packer.finish())

    async def aclose(self) -> None:
        await self._decoder.close()
        await self._engine.aclose()

    def _handle(self, event: SegmentEvent) -> list[PackedWindow]:
        match event:
            case UtteranceStarted():
                self._audio = []
                self._onset = event.onset
            case UtteranceAudio():
                self._audio.append(event.samples)
            case UtteranceEnded():
                samples = event.audio if event.audio is not None else np.concatenate(self._audio)
                return self._packer.push(
                    Piece(
                        start=event.start,
                        onset=self._onset,
                        speech_end=event.speech_end,
                        samples=samples,
                        voiced_ms=event.evidence.voiced_ms,
                        voiced_share=event.evidence.voiced_share or 1.0,
                    )
                )
            case _:
                pass  # a pause that may be the end: a recording has no eager finals
        return []

    async def _decode(self, windows: list[PackedWindow]) -> list[TranscribedPart]:
        return [part for window in windows for part in await self.decode_window(window)]

    async def decode_window(self, window: PackedWindow) -> list[TranscribedPart]:
        """Decode audio that no segmenter has cut. Raises as `push` does."""
        async with self._utterances:
            self.is_busy = True
            try:
                await self._decoder.begin(
                    UtteranceStarted(utterance_id=0, start=window.start, onset=window.onset)
                )
                await self._decoder.accept(window.samples)
                final = await self._decoder.decode_final(window.speech_samples, is_sure=window.is_sure)
            finally:
                await self._decoder.close()
                self.is_busy = False
        transcript = final.transcript
        if transcript.rejected or not transcript.text:
            return [discard_window(window, name_rejection(transcript))]
        lang = transcript.lang or self._engine.config.primary_lang
        return [*unpack_transcript(transcript, window, lang), *locate_uncovered(transcript, window)]


def name_rejection(transcript: Transcript, likely: DiscardReason | None = None) -> str:
    """Why this transcript has no text. `likely` is what the detector would say."""
    return transcript.rejected or likely or DiscardReason.EMPTY


def discard_window(window: PackedWindow, reason: str) -> DiscardedAudio:
    """The window as audio that came to nothing."""
    speech = [
        piece.samples[piece.onset - piece.start : piece.speech_end - piece.start] for piece in window.pieces
    ]
    return DiscardedAudio(
        reason=reason,
        start_ms=window.onset // SAMPLES_PER_MS,
        end_ms=window.pieces[-1].speech_end // SAMPLES_PER_MS,
        dbfs=measure_dbfs(np.concatenate(speech)),
    )


def unpack_transcript(
    transcript: Transcript, window: PackedWindow, lang: str | None
) -> list[TranscribedUtterance]:
    """The text of a window in parts, each with its words, and times from the start of the recording."""
    whole = Segment(transcript.text, 0, window.speech_samples // SAMPLES_PER_MS)
    left = [_place_word(word, window) for word in transcript.words]
    found: list[TranscribedUtterance] = []
    for number, segment in enumerate(transcript.segments or (whole,)):
        words, left = _take_words(left, segment.text)
        start, end = window.locate_speech(segment.start_ms * SAMPLES_PER_MS, segment.end_ms * SAMPLES_PER_MS)
        start_ms, end_ms = start // SAMPLES_PER_MS, end // SAMPLES_PER_MS
        if words:
            start_ms, end_ms = min(start_ms, words[0].start_ms), max(end_ms, words[-1].end_ms)
        if found:
            start_ms = max(start_ms, found[-1].end_ms)
        found.append(
            TranscribedUtterance(
                text=segment.text,
                start_ms=start_ms,
                end_ms=max(end_ms, start_ms),
                words=tuple(words),
                lang=lang,
                model=transcript.model,
                joined=transcript.joined and number == 0,
            )
        )
    return found


def locate_uncovered(transcript: Transcript, window: PackedWindow) -> list[UncoveredAudio]:
    """The speech of a window that has no words, with times from the start of the recording."""
    found = []
    for gap in transcript.uncovered:
        start, end = window.locate_speech(gap.start_ms * SAMPLES_PER_MS, gap.end_ms * SAMPLES_PER_MS)
        found.append(
            UncoveredAudio(start_ms=start // SAMPLES_PER_MS, end_ms=end // SAMPLES_PER_MS, dbfs=gap.dbfs)
        )
    return found


def _place_word(word: Word, window: PackedWindow) -> TranscribedWord:
    start = window.locate(word.start_ms * SAMPLES_PER_MS)
    end = window.locate(word.end_ms * SAMPLES_PER_MS, end=True)
    return TranscribedWord(
        text=word.text,
        start_ms=start // SAMPLES_PER_MS,
        end_ms=max(start, end) // SAMPLES_PER_MS,
        confidence=word.confidence,
    )


def _take_words(
    words: list[TranscribedWord], text: str
) -> tuple[list[TranscribedWord], list[TranscribedWord]]:
    """The words that make up the text, and those after them."""
    letters = _count_letters(text)
    for count, word in enumerate(words):
        if letters <= 0:
            return words[:count], words[count:]
        letters -= _count_letters(word.text)
    return words, []


def _count_letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


class PassthroughTranscriber:
    """For engines that see every chunk, speech or not: each of their finals is an utterance."""

    is_busy = False

    def __init__(self, engine: OpenEngine, session: RawSttSession) -> None:
        self._engine = engine
        self._session = session
        self._boundary = ProviderBoundary(engine.name)
        self._received = 0
        self._final_end = 0

    async def push(self, block: Samples) -> list[TranscribedPart]:
        found: list[TranscribedPart] = []
        for at in range(0, len(block), RAW_CHUNK_SAMPLES):
            chunk = block[at : at + RAW_CHUNK_SAMPLES]
            self._received += len(chunk)
            with self._boundary:
                texts = self._session.accept_chunk(chunk.astype("<i2").tobytes())
            found += [self._transcribed(text) for kind, text in texts if kind == "final" and text]
        return found

    async def finish(self) -> list[TranscribedPart]:
        """Chunks since the last final give no utterance, as in a dictation."""
        return []

    async def aclose(self) -> None:
        await self._engine.aclose()

    def _transcribed(self, text: str) -> TranscribedUtterance:
        start, self._final_end = self._final_end, self._received
        return TranscribedUtterance(
            text=text,
            start_ms=start // SAMPLES_PER_MS,
            end_ms=self._final_end // SAMPLES_PER_MS,
            lang=self._engine.config.primary_lang,
        )
