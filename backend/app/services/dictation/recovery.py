"""Makes text of the audio of dictations that broke off: with their clients, where those come back, or without them."""

import logging
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import PrompterError
from app.core.supervision import Supervisor
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_writer import DictationRecorder, DictationStore, DictationWriter
from app.services.transcription.job import TranscriptionService
from app.services.transcription.request import TranscriptionRequest
from app.services.transcription.result import RecordingTranscript, TranscribedUtterance
from app.storage import dictations
from app.storage.audio_spool import SpoolEntry
from app.storage.database import Database
from app.utils.chunked_audio import make_wav

logger = logging.getLogger(__name__)

RETRY_S = 60.0
"""Between two tries, where the engine or the database is not there."""
KEPT = 200
"""Recovered dictations whose finals are kept in memory for clients that come late."""
STORE_CHECK_S = 0.5


@dataclass(frozen=True, slots=True)
class Claim:
    """What there is of a dictation that broke off, for the session that goes on with it."""

    entry: SpoolEntry
    recorder: DictationRecorder
    """Goes on with the dictation."""
    audio: bytes = b""
    """What has no text yet, PCM16 at the rate of the entry."""
    finals: Sequence[TranscribedUtterance] = ()
    """The text that was made of it meanwhile."""

    from_ms: int = 0
    """Where in the lost session the first sample of the next one lies."""

    @property
    def safe_ms(self) -> int:
        """How much of the lost session's audio is here, from its first sample."""
        return self.entry.about.to_ms(self.entry.end)

    @property
    def base_ms(self) -> int:
        """Where in the dictation that sample lies."""
        return self.entry.about.base_ms + self.from_ms


class Recovery:
    """Waits `limits.resume_s` for the client of each dictation that broke off, and then goes on without it.

    Whoever comes first has the audio, so that no utterance appears twice.
    """

    def __init__(
        self,
        settings: Settings,
        spool: AudioSpool,
        transcriptions: TranscriptionService,
        database: Database,
        writer: DictationWriter,
        store: DictationStore,
    ) -> None:
        self._wait_s = settings.limits.resume_s
        self._spool = spool
        self._transcriptions = transcriptions
        self._database = database
        self._writer = writer
        self._store = store
        self.tasks = Supervisor("recovered dictations")
        self._running: dict[UUID, tuple[SpoolEntry, anyio.Event]] = {}
        self._recovered: OrderedDict[UUID, tuple[SpoolEntry, Sequence[TranscribedUtterance]]] = OrderedDict()
        spool.on_left = lambda entry: self.tasks.start_job(self._run, entry)

    async def claim(
        self, owner: UUID, session_id: str | None, dictation_id: UUID, rate_hz: int
    ) -> Claim | None:
        """What is there for this user's session that goes on with a dictation; None: nothing.

        Waits while the audio is being made into text.

        Raises:
            StorageUnavailable, OSError: it waits for its client again.
        """
        if (entry := self._spool.claim(owner, dictation_id, rate_hz)) is not None:
            return await self._claim_audio(entry, session_id)
        for entry, done in list(self._running.values()):
            if entry.about.belongs_to(owner, dictation_id):
                await done.wait()
        for entry, finals in list(self._recovered.values()):
            if entry.about.belongs_to(owner, dictation_id):
                from_ms = entry.about.to_ms(entry.end)
                recorder = await self._go_on(entry, from_ms, session_id)
                del self._recovered[entry.id]
                return Claim(entry, recorder, finals=finals, from_ms=from_ms)
        return None

    async def _claim_audio(self, entry: SpoolEntry, session_id: str | None) -> Claim:
        claim: Claim | None = None
        try:
            unheard = await self._skip_stored(entry)
            audio = await self._spool.read(unheard)
            from_ms = entry.about.to_ms(unheard.settled)
            claim = Claim(unheard, await self._go_on(entry, from_ms, session_id), audio, from_ms=from_ms)
        finally:
            if claim is None:
                self._spool.give_back(entry)
                self.tasks.start_job(self._run, entry)
        return claim

    async def _go_on(
        self, entry: SpoolEntry, from_ms: int, session_id: str | None, *, is_recovered: bool = False
    ) -> DictationRecorder:
        """Record a further session, which begins at `from_ms` of the lost one. Raises StorageUnavailable."""
        about = entry.about
        return await self._store.go_on(
            about.user_id,
            session_id,
            about.dictation_id,
            about.started_at,
            base_ms=about.base_ms + from_ms,
            is_recovered=is_recovered,
        )

    async def _run(self, entry: SpoolEntry) -> None:
        await anyio.sleep(self._wait_s)
        while self._spool.take(entry):
            done = anyio.Event()
            self._running[entry.id] = (entry, done)
            try:
                await self._recover(entry)
                return
            except (PrompterError, OSError) as error:
                reason = error.message if isinstance(error, PrompterError) else error.strerror
                logger.warning("a dictation that broke off cannot be recovered now: %s", reason)
                self._spool.give_back(entry)
            finally:
                del self._running[entry.id]
                done.set()
            await anyio.sleep(RETRY_S)

    async def _recover(self, entry: SpoolEntry) -> None:
        """Raises PrompterError, OSError."""
        entry = await self._skip_stored(entry)
        audio = await self._spool.read(entry)
        transcript = await self._transcribe(entry, audio)
        about = entry.about
        from_ms = about.to_ms(entry.settled)
        recorder = await self._go_on(entry, from_ms, about.session_label, is_recovered=True)
        _record(recorder, entry, transcript)
        while recorder.unstored_from_ms is not None:
            await self._writer.wait_until_stored()
            await anyio.sleep(STORE_CHECK_S)
        await self._spool.finish(entry)
        self._recovered[entry.id] = entry, transcript.utterances
        if len(self._recovered) > KEPT:
            self._recovered.popitem(last=False)
        logger.info(
            "recovered a dictation that broke off: audio_s=%.1f finals=%d",
            about.to_ms(len(audio)) / 1000,
            len(transcript.utterances),
        )

    async def _skip_stored(self, entry: SpoolEntry) -> SpoolEntry:
        """The entry without audio whose text was stored just before the server died."""
        async with self._database.read() as session:
            end_ms = await dictations.find_end_ms(session, entry.about.dictation_id)
        stored = entry.about.to_bytes((end_ms - entry.about.base_ms) * 16)
        return replace(entry, settled=min(max(entry.settled, stored), entry.end))

    async def _transcribe(self, entry: SpoolEntry, audio: bytes) -> RecordingTranscript:
        about = entry.about
        request = TranscriptionRequest(
            model=f"{about.provider}/{about.model}" if about.model else about.provider,
            lang=None if about.lang == "auto" else about.lang,
            langs=about.langs,
            vocabulary=about.vocabulary,
        )
        with tempfile.TemporaryFile() as file:
            await run_sync(lambda: file.write(make_wav(audio, about.rate_hz)))
            file.seek(0)
            async with self._transcriptions.reserve():
                job = self._transcriptions.create_job(file, request)
                try:
                    await job.open()
                    return await job.whole()
                finally:
                    await job.aclose()


def _record(recorder: DictationRecorder, entry: SpoolEntry, transcript: RecordingTranscript) -> None:
    for n, utterance in enumerate(transcript.utterances):
        recorder.add_final(
            {
                "utterance_id": f"recovered-{n + 1}",
                "text": utterance.text,
                "start_ms": utterance.start_ms,
                "end_ms": utterance.end_ms,
                "lang": utterance.lang,
                "joined": utterance.joined,
                "provider": entry.about.provider,
                "model": utterance.model or entry.about.model,
            }
        )
    recorder.end()
