"""Hears the kept audio of a dictation again, with another engine, model or language: each time makes a version."""

import logging
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol
from uuid import UUID

import anyio

from app.core.config import Settings
from app.core.errors import (
    AudioNotKept,
    BadRequest,
    PrompterError,
    RedoUnderWay,
)
from app.core.idempotency import RequestKey
from app.core.supervision import Supervisor
from app.providers.base import SttConfig
from app.services.decoding.languages import choose_languages
from app.services.decoding.providers import SttProviders
from app.services.transcription.job import TranscriptionService
from app.services.transcription.request import TranscriptionRequest
from app.services.transcription.result import (
    RecordingTranscript,
    TranscribedUtterance,
    TranscriptionProgress,
)
from app.storage import dictation_versions, dictations, idempotency
from app.storage.database import Database
from app.storage.dictation_versions import StoredVersion, VersionResult
from app.storage.dictations import NewFinal, StoredDictation, StoredFinal
from app.utils.ids import parse_id

logger = logging.getLogger(__name__)

MAX_VERSIONS = 20
"""Versions of one dictation that are stored."""


class AudioSource(Protocol):
    """Where the audio of dictations is kept."""

    async def write_wav(self, user_id: UUID, dictation_id: str, file: BinaryIO) -> Any:
        """Write the whole audio as WAV; the file is at 0 afterwards. Raises NotFound, AudioNotKept, OSError."""
        ...

    def find(self, user_id: UUID, dictation_id: UUID) -> Any:
        """What is kept of a dictation; None where nothing is. Does not wait."""
        ...

    async def forget(self, dictation_id: UUID) -> None:
        """Delete what is kept of a dictation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoRequest:
    """How to hear a dictation again. None and empty values are the server's choice."""

    provider: str | None = None
    model: str | None = None
    lang: str | None = None
    """BCP-47; None for any."""
    langs: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version, and how far it is while it is made."""

    stored: StoredVersion
    done_ms: int | None = None
    """How much of the audio is heard; None where another server process hears it, and at the end."""
    duration_ms: int | None = None


@dataclass(slots=True)
class _Running:
    dictation_id: UUID
    scope: anyio.CancelScope
    done_ms: int = 0
    duration_ms: int | None = None


class RedoService:
    """The versions of dictations. One of a dictation is made at a time, as a recording: after live speech."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        audio: AudioSource,
        engines: SttProviders,
        transcriptions: TranscriptionService,
        wait_until_stored: Callable[[], Awaitable[None]],
    ) -> None:
        """`wait_until_stored` waits for finals that are not stored yet."""
        self._settings = settings
        self._database = database
        self._audio = audio
        self._engines = engines
        self._transcriptions = transcriptions
        self._wait_until_stored = wait_until_stored
        self.tasks = Supervisor("redone dictations")
        self._running: dict[UUID, _Running] = {}

    async def begin(
        self, user_id: UUID, dictation_id: str, request: RedoRequest, key: RequestKey | None
    ) -> Version:
        """Begin a version; it is made in the background. The same `key` begins no second one.

        Raises:
            NotFound: this user has no such dictation.
            AudioNotKept: its audio is not there, or not any more.
            UnknownProvider, UnknownModel, LanguageNotSupported, ProviderNotReady
            RedoUnderWay: another version of it is being made.
            BadRequest: it has `MAX_VERSIONS`.
            ServerFull: as many recordings are transcribed as may be.
            IdReused: another request had this key.
        """
        id_ = _parse_dictation_id(dictation_id)
        await self._wait_until_stored()
        async with self._database.read() as session:
            await dictations.require(session, user_id, id_)
        lang, langs = choose_languages(request.lang, request.langs, self._settings.stt)
        asked = SttConfig(lang=lang, langs=langs, model=request.model)
        choice = await self._engines.choose(request.provider, asked.required_langs, request.model)
        name = choice.provider.name
        async with AsyncExitStack() as stack:
            async with self._database.write() as session:
                if made := await idempotency.claim(session, user_id, key):
                    stored, _ = await dictation_versions.get(session, user_id, id_, made)
                    return self._follow(stored)
                if self._audio.find(user_id, id_) is None:
                    raise self._not_kept()
                await self._refuse_too_many(session, id_)
                await stack.enter_async_context(self._transcriptions.reserve())
                stored = await dictation_versions.create(
                    session,
                    user_id,
                    id_,
                    self._database.run_id,
                    provider=name,
                    model=request.model,
                    lang=None if lang == "auto" else lang,
                )
                await idempotency.note_made(session, user_id, key, stored.id)
            place = stack.pop_all()
        job = TranscriptionRequest(
            model=f"{name}/{request.model}" if request.model else name,
            lang=request.lang,
            langs=request.langs,
            words=True,
            vocabulary=request.vocabulary,
        )
        self._running[stored.id] = _Running(id_, anyio.CancelScope())
        self.tasks.start_job(self._run, user_id, stored, job, place)
        return self._follow(stored)

    async def list_all(
        self, user_id: UUID, dictation_id: str
    ) -> tuple[StoredDictation, tuple[StoredFinal, ...], list[Version]]:
        """Return a dictation with what was heard live, and its further versions, the oldest first.

        Raises:
            NotFound: this user has no such dictation.
        """
        id_ = _parse_dictation_id(dictation_id)
        await self._wait_until_stored()
        async with self._database.read() as session:
            dictation, finals = await dictations.get(session, user_id, id_)
            found = await dictation_versions.list_all(session, user_id, id_)
        return dictation, finals, [self._follow(stored) for stored in found]

    async def get(
        self, user_id: UUID, dictation_id: str, version_id: str
    ) -> tuple[Version, tuple[StoredFinal, ...], datetime]:
        """Return a version with its finals, and when the dictation began. Raises NotFound."""
        id_, wanted = _parse_dictation_id(dictation_id), _parse_version_id(version_id)
        async with self._database.read() as session:
            dictation = await dictations.require(session, user_id, id_)
            stored, finals = await dictation_versions.get(session, user_id, id_, wanted)
        return self._follow(stored), finals, dictation.started_at

    async def choose(self, user_id: UUID, dictation_id: str, version_id: UUID | None) -> None:
        """Show a version that is done, or what was heard live (None, or the dictation's id). Raises NotFound."""
        id_ = _parse_dictation_id(dictation_id)
        async with self._database.write() as session:
            await dictation_versions.choose(session, user_id, id_, None if version_id == id_ else version_id)

    async def delete(self, user_id: UUID, dictation_id: str, version_id: str) -> None:
        """Delete a version; one that is being made ends. Raises NotFound."""
        id_, deleted = _parse_dictation_id(dictation_id), _parse_version_id(version_id)
        async with self._database.write() as session:
            await dictation_versions.remove(session, user_id, id_, deleted)
        if (running := self._running.get(deleted)) is not None:
            running.scope.cancel()

    async def delete_audio(self, user_id: UUID, dictation_id: str) -> None:
        """Delete what is kept of the audio of a dictation. Raises NotFound where this user has no such dictation."""
        id_ = _parse_dictation_id(dictation_id)
        async with self._database.read() as session:
            await dictations.require(session, user_id, id_)
        await self._audio.forget(id_)

    def forget(self, dictation_id: UUID) -> None:
        """A dictation was deleted: what hears it again ends."""
        for running in self._running.values():
            if running.dictation_id == dictation_id:
                running.scope.cancel()

    async def _refuse_too_many(self, session: Any, dictation_id: UUID) -> None:
        if await dictation_versions.count(session, dictation_id, working=True):
            raise RedoUnderWay("this dictation is being heard again; wait for that version, or delete it")
        if await dictation_versions.count(session, dictation_id) >= MAX_VERSIONS:
            raise BadRequest(f"a dictation has at most {MAX_VERSIONS} further versions; delete one")

    def _not_kept(self) -> AudioNotKept:
        return AudioNotKept(
            "the audio of this dictation is not kept; it is there for"
            f" {self._settings.storage.audio_hours:g} hours (storage.audio_hours), where its user keeps audio"
        )

    def _follow(self, stored: StoredVersion) -> Version:
        running = self._running.get(stored.id)
        if running is None:
            return Version(stored=stored)
        return Version(stored=stored, done_ms=running.done_ms, duration_ms=running.duration_ms)

    async def _run(
        self, user_id: UUID, stored: StoredVersion, request: TranscriptionRequest, place: AsyncExitStack
    ) -> None:
        running = self._running[stored.id]
        try:
            async with place:
                with running.scope:
                    await self._make(user_id, stored, request, running)
        finally:
            del self._running[stored.id]

    async def _make(
        self, user_id: UUID, stored: StoredVersion, request: TranscriptionRequest, running: _Running
    ) -> None:
        try:
            transcript = await self._transcribe(user_id, stored, request, running)
        except PrompterError as error:
            await self._fail(stored.id, error)
            return
        except Exception:
            # A bug, or a disk that fails: the version must not look as if it were still being made.
            failure = PrompterError("the server could not hear this dictation again; its log has the place")
            await self._fail(stored.id, failure)
            raise
        result = VersionResult(
            provider=stored.provider or "",
            model=next((one.model for one in transcript.utterances if one.model), stored.model),
            lang=transcript.lang,
            finals=[_to_final(n, one) for n, one in enumerate(transcript.utterances)],
        )
        await self._database.write_at_last(
            lambda session: dictation_versions.finish(session, stored.id, result)
        )

    async def _transcribe(
        self, user_id: UUID, stored: StoredVersion, request: TranscriptionRequest, running: _Running
    ) -> RecordingTranscript:
        with tempfile.TemporaryFile() as file:
            await self._audio.write_wav(user_id, str(stored.dictation_id), file)
            job = self._transcriptions.create_job(file, request)
            try:
                await job.open()
                while (step := await job.next()) is not None:
                    if isinstance(step, TranscriptionProgress):
                        running.done_ms = max(running.done_ms, round(step.done_s * 1000))
                        if step.duration_s is not None:
                            running.duration_ms = round(step.duration_s * 1000)
                    elif isinstance(step, TranscribedUtterance):
                        running.done_ms = max(running.done_ms, step.end_ms)
                return job.so_far
            finally:
                await job.aclose()

    async def _fail(self, version_id: UUID, error: PrompterError) -> None:
        failure = error.to_dict()
        await self._database.write_at_last(
            lambda session: dictation_versions.fail(session, version_id, failure)
        )


def _to_final(n: int, utterance: TranscribedUtterance) -> NewFinal:
    words = [
        {
            "word": word.text.strip(),
            "start_ms": word.start_ms,
            "end_ms": word.end_ms,
            "confidence": word.confidence,
        }
        for word in utterance.words
    ]
    return NewFinal(
        n=n,
        utterance_id=str(n + 1),
        text=utterance.text,
        start_ms=utterance.start_ms,
        end_ms=utterance.end_ms,
        lang=utterance.lang,
        joined=utterance.joined,
        words=words or None,
    )


def _parse_dictation_id(text: str) -> UUID:
    if (found := parse_id(text)) is None:
        raise dictations.unknown_dictation()
    return found


def _parse_version_id(text: str) -> UUID:
    if (found := parse_id(text)) is None:
        raise dictation_versions.unknown_version()
    return found
