"""Makes text of the audio of dictations that broke off: with their clients, where those come back, or without them."""

import logging
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

import anyio
import orjson
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import NotFound, PrompterError, StorageUnavailable
from app.core.supervision import Supervisor
from app.providers.base import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from app.schemas.speech_socket import StartConfig
from app.services.audio.endpointing import FRAME_SAMPLES
from app.services.dictation.events import Event, list_finals
from app.services.dictation.journal import JournalWriter
from app.services.dictation.session_state import SessionAbout, SessionState
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_writer import DictationRecorder, DictationStore, DictationWriter
from app.services.transcription.job import TranscriptionService
from app.services.transcription.request import TranscriptionRequest
from app.services.transcription.result import RecordingTranscript, TranscribedUtterance
from app.storage import dictations
from app.storage.audio_spool import FRAME_BYTES, SpooledDictation, SpoolEntry
from app.storage.database import Database
from app.storage.dictations import NewDictation, StoredFinal
from app.storage.session_log import LoggedSession, SessionTaken
from app.utils.chunked_audio import make_wav
from app.utils.joining import TextPart

logger = logging.getLogger(__name__)

RETRY_S = 60.0
"""Between two tries, where the engine or the database is not there."""
KEPT = 200
"""Recovered dictations whose finals are kept in memory for clients that come late."""
STORE_CHECK_S = 0.5
Spoken = TranscribedUtterance | StoredFinal


LEAD_SAMPLES = 2 * SAMPLE_RATE_HZ
"""An utterance reaches back into the silence before it, and the speech gate knows what it has heard last."""
UNLOGGED_MS = 1000
"""The disk may be so far ahead of the log: its client sends that again. More is of an outage of the database."""
TOLD_MS = 250
"""A final that ends so much later than what its client has was told to it: made again, it ends a little elsewhere."""


@dataclass(frozen=True, slots=True)
class MissedFinal:
    """A final of the lost session, for the client of the next one."""

    part: TextPart
    end_ms: int = 0
    """Where it ends in the next session: 0 before its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What there is of a dictation that broke off, for the session that goes on with it."""

    recorder: DictationRecorder
    """Goes on with the dictation."""
    base_ms: int
    """Where in the dictation the first sample of the next session lies."""
    from_ms: int = 0
    """Where in the lost session it lies."""
    safe_ms: int = 0
    """How much of the lost session's audio is here, from its first sample."""
    audio: bytes = b""
    """What has no stored text yet, PCM16."""
    rate_hz: int = 16_000
    lead_bytes: int = 0
    """The beginning of `audio` whose text is stored: what follows is heard as in an unbroken dictation."""
    told_bytes: int = 0
    """The audio behind it whose finals the client has."""
    finals: Sequence[MissedFinal] = ()
    """What is stored, and has not come to the client."""
    replaces: SpoolEntry | None = None
    """Spooled audio that is not needed any more once the next session has it."""


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
        journals: JournalWriter,
    ) -> None:
        self._journals = journals
        journals.on_orphan, journals.may_adopt = self._adopt, lambda: spool.can_keep
        self._wait_s = settings.limits.resume_s
        self._spool = spool
        self._transcriptions = transcriptions
        self._database = database
        self._writer = writer
        self._store = store
        self.tasks = Supervisor("recovered dictations")
        self._running: dict[UUID, tuple[SpoolEntry, anyio.Event]] = {}
        self._behind: set[UUID] = set()
        """Spooled audio of which another server had the beginning when it was looked at last."""
        self._recovered: OrderedDict[UUID, tuple[SpoolEntry, Sequence[Spoken]]] = OrderedDict()
        self.break_off: Callable[[UUID, UUID], Awaitable[None]] = _has_none
        """Ends a live session of this user's dictation; what was not told is left in the spool."""
        self.is_live: Callable[[UUID, UUID], bool] = lambda owner, dictation_id: False  # noqa: ARG005
        """Whether a live session has this user's dictation."""
        spool.on_left = lambda entry: self.tasks.start_job(self._run, entry)

    async def knows(self, owner: UUID, dictation_id: UUID) -> bool:
        """Whether this user's dictation broke off, and waits for its client, here or on another server."""
        with suppress(StorageUnavailable):
            if await self._journals.find_dictation(owner, dictation_id) is not None:
                return True
        left = [entry for entry, _ in (*self._running.values(), *self._recovered.values())]
        return (
            self.is_live(owner, dictation_id)
            or self._spool.has_left(owner, dictation_id)
            or any(entry.about.belongs_to(owner, dictation_id) for entry in left)
        )

    async def claim(
        self, owner: UUID, session_id: str | None, dictation_id: UUID, rate_hz: int, told_ms: int | None
    ) -> Claim | None:
        """What there is for this user's session that goes on with a dictation; None: nothing.

        A session that waits for its client, or seems to have one, ends. `told_ms`: where in the dictation the last
        final ends that the client has; None: it has all that are stored. Waits while audio is being made into text.

        Raises:
            StorageUnavailable, OSError: it waits for its client again.
        """
        await self.break_off(owner, dictation_id)
        await self._journals.wait_for_ends()
        await self._spool.write_now()
        await self._fetch(owner, dictation_id)
        for entry, done in list(self._running.values()):
            if entry.about.belongs_to(owner, dictation_id):
                await done.wait()
        if (left := self._spool.claim(owner, dictation_id, rate_hz)) is not None:
            return await self._claim_audio(left, session_id, told_ms)
        for entry, finals in list(self._recovered.values()):
            if entry.about.belongs_to(owner, dictation_id):
                end_ms = entry.about.to_ms(entry.end)
                if told_ms is not None:
                    finals = await self._list_missed(owner, dictation_id, told_ms)
                claim = Claim(
                    recorder=await self._go_on(entry, end_ms, session_id),
                    base_ms=entry.about.base_ms + end_ms,
                    from_ms=end_ms,
                    safe_ms=end_ms,
                    finals=[MissedFinal(final.part) for final in finals],
                )
                if told_ms is None:
                    del self._recovered[entry.id]
                return claim
        return None if told_ms is None else await self._claim_text(owner, session_id, dictation_id, told_ms)

    async def _fetch(self, owner: UUID, dictation_id: UUID) -> None:
        """Have the audio of a dictation here that another server had. Raises StorageUnavailable, OSError."""
        logged = await self._journals.find_dictation(owner, dictation_id)
        if logged is not None and self._spool.can_keep:
            await self._journals.adopt(logged.id)

    async def _adopt(self, taken: LoggedSession) -> None:
        """Have here what another server had of a session, which has been taken: it waits for its client, or its text.

        Raises:
            StorageUnavailable, OSError, SessionTaken
        """
        about, state = SessionAbout.load(taken.about), SessionState.load(taken.state)
        recorder = await record_moved(self._store, taken, about, state)
        if state.is_over or state.rate_hz is None:
            recorder.end()
        while recorder.unstored_from_ms is not None:
            await self._writer.wait_until_stored()
            await anyio.sleep(STORE_CHECK_S)
        entry = None
        is_here = self._spool.has_left(taken.user_id, taken.dictation_id, until_ms=_find_end_ms(taken))
        if not state.is_over and state.rate_hz is not None and not is_here:
            described = describe_moved(taken, about, state)
            audio, settled = cut_moved(taken, state)
            entry = await self._spool.adopt(described, audio, settled)
        try:
            await self._journals.forget(taken)
        except (StorageUnavailable, SessionTaken):
            if entry is not None:
                await self._spool.remove(entry.id)
            raise
        if entry is not None:
            self._spool.leave(entry)

    async def _claim_audio(self, entry: SpoolEntry, session_id: str | None, told_ms: int | None) -> Claim:
        about = entry.about
        claim: Claim | None = None
        try:
            await self._writer.wait_until_stored()
            unheard = await self._skip_stored(entry)
            first = _find_lead(unheard)
            audio = await self._spool.read(replace(unheard, settled=first))
            from_ms = about.to_ms(first)
            told_bytes = 0
            finals: Sequence[StoredFinal] = ()
            if told_ms is not None:
                told_bytes = (
                    about.to_bytes(max(told_ms - about.base_ms, 0) * SAMPLES_PER_MS) - unheard.settled
                )
                finals = await self._list_missed(about.user_id, about.dictation_id, told_ms)
            lead_bytes = min(unheard.settled - first, len(audio))
            claim = Claim(
                recorder=await self._go_on(entry, from_ms, session_id),
                base_ms=about.base_ms + from_ms,
                from_ms=from_ms,
                safe_ms=about.to_ms(entry.end),
                audio=audio,
                rate_hz=about.rate_hz,
                lead_bytes=lead_bytes,
                told_bytes=min(max(told_bytes, 0), len(audio) - lead_bytes),
                finals=[_to_missed(final, about.base_ms + from_ms) for final in finals],
                replaces=unheard,
            )
        finally:
            if claim is None:
                self._spool.give_back(entry)
                self.tasks.start_job(self._run, entry)
        return claim

    async def _claim_text(
        self, owner: UUID, session_id: str | None, dictation_id: UUID, told_ms: int
    ) -> Claim | None:
        """A dictation of which all is stored that was heard, and no audio is left."""
        await self._writer.wait_until_stored()
        async with self._database.read() as session:
            try:
                stored, finals = await dictations.get(session, owner, dictation_id)
            except NotFound:
                return None
        end_ms = max((final.end_ms or 0 for final in finals), default=0)
        recorder = await self._store.go_on(owner, session_id, dictation_id, stored.started_at, base_ms=end_ms)
        missed = [MissedFinal(final.part) for final in finals if _is_missed(final, told_ms)]
        return Claim(recorder=recorder, base_ms=end_ms, finals=missed)

    async def _list_missed(self, owner: UUID, dictation_id: UUID, told_ms: int) -> list[StoredFinal]:
        """The stored finals that a client has not got. Raises StorageUnavailable."""
        try:
            async with self._database.read() as session:
                _, finals = await dictations.get(session, owner, dictation_id)
        except NotFound:
            return []
        return [final for final in finals if _is_missed(final, told_ms)]

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
        with suppress(StorageUnavailable):  # logged already; its lease runs out too
            whose = await self._find_whose(entry)
            if whose == "theirs":
                if self._spool.take(entry):
                    await self._spool.remove(entry.id)
                return
            if whose == "ours":
                await self._store.interrupt(entry.about.dictation_id)
        await anyio.sleep(self._wait_s)
        while self._spool.take(entry):
            done = anyio.Event()
            self._running[entry.id] = (entry, done)
            try:
                if await self._recover_unless_moved(entry):
                    return
            except (PrompterError, OSError) as error:
                reason = error.message if isinstance(error, PrompterError) else error.strerror
                logger.warning("a dictation that broke off cannot be recovered now: %s", reason)
                self._spool.give_back(entry)
            finally:
                del self._running[entry.id]
                done.set()
            await anyio.sleep(RETRY_S)

    async def _recover_unless_moved(self, entry: SpoolEntry) -> bool:
        """Make text of it, where no other server does; false where it is to be looked at again.

        Raises:
            PrompterError, OSError
        """
        whose = await self._find_whose(entry)
        if whose == "ours" and entry.id not in self._behind:
            await self._recover(entry)
        elif whose == "theirs":
            await self._spool.remove(entry.id)
        else:  # whoever has had the log may still be making text of it
            self._spool.give_back(entry)
            (self._behind.add if whose == "both" else self._behind.discard)(entry.id)
            return False
        return True

    async def _find_whose(self, entry: SpoolEntry) -> Literal["ours", "theirs", "both"]:
        """Whether another server goes on with it by the log, or makes text of what is there.

        `both`: but this one has more of its audio, since the database was away when the process before ended.

        Raises:
            StorageUnavailable
        """
        found = await self._journals.find_dictation(entry.about.user_id, entry.about.dictation_id)
        if found is None or self._journals.has(found):
            return "ours"
        return "theirs" if entry.end_ms <= _find_end_ms(found) + UNLOGGED_MS else "both"

    async def _recover(self, entry: SpoolEntry) -> None:
        """Raises PrompterError, OSError."""
        entry = await self._skip_stored(entry)
        audio = await self._spool.read(entry)
        about = entry.about
        utterances: Sequence[TranscribedUtterance] = ()
        if audio:
            utterances = (await self._transcribe(entry, audio)).utterances
        from_ms = about.to_ms(entry.settled)
        recorder = await self._go_on(entry, from_ms, about.session_label, is_recovered=True)
        _record(recorder, entry, utterances)
        while recorder.unstored_from_ms is not None:
            await self._writer.wait_until_stored()
            await anyio.sleep(STORE_CHECK_S)
        await self._spool.finish(entry)
        self._recovered[entry.id] = entry, utterances
        if len(self._recovered) > KEPT:
            self._recovered.popitem(last=False)
        logger.info(
            "recovered a dictation that broke off: audio_s=%.1f finals=%d",
            about.to_ms(len(audio)) / 1000,
            len(utterances),
        )

    async def _skip_stored(self, entry: SpoolEntry) -> SpoolEntry:
        """The entry without audio whose text was stored just before the server died."""
        async with self._database.read() as session:
            end_ms = await dictations.find_end_ms(session, entry.about.dictation_id)
        stored = entry.about.to_bytes((end_ms - entry.about.base_ms) * SAMPLES_PER_MS)
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


async def record_moved(
    store: DictationStore, taken: LoggedSession, about: SessionAbout, state: SessionState
) -> DictationRecorder:
    """Record a session that another server had, and store what it has told and had no time to store.

    Raises:
        StorageUnavailable, SessionTaken
    """
    new = NewDictation(
        id=taken.dictation_id,
        user_id=taken.user_id,
        session_label=taken.label,
        lang=None,
        provider=about.provider,
        model=about.model,
        started_at=about.started_at,
    )
    recorder, end_ms = await store.take_over(new, taken, base_ms=about.base_ms, was_stored=state.is_stored)
    events: list[Event] = [orjson.loads(event) for event in taken.events]
    for final in list_finals(events):
        if final["end_ms"] + about.base_ms > end_ms:
            recorder.add_final(final)
    return recorder


def describe_moved(taken: LoggedSession, about: SessionAbout, state: SessionState) -> SpooledDictation:
    """What is needed to make text of the audio of a session that another server had."""
    config = StartConfig.model_validate(about.config)
    assert state.rate_hz is not None
    return SpooledDictation(
        dictation_id=taken.dictation_id,
        user_id=taken.user_id,
        session_label=taken.label,
        started_at=about.started_at,
        rate_hz=state.rate_hz,
        base_ms=about.base_ms + state.heard.find_lead(state.rate_hz)[0] // SAMPLES_PER_MS,
        provider=about.provider,
        model=about.model,
        lang=config.lang or "auto",
        langs=tuple(config.langs),
        vocabulary=tuple(config.vocabulary),
    )


def cut_moved(taken: LoggedSession, state: SessionState) -> tuple[bytes, int]:
    """The audio of such a session, from where it is heard again, and how many bytes of it have their text."""
    assert state.rate_hz is not None
    sample, position = state.heard.find_lead(state.rate_hz)
    first = taken.audio[0][0] if taken.audio else position
    pcm = b"".join(piece for _, piece in taken.audio)[max(position - first, 0) :]
    settled = (state.heard.settled - sample) * state.rate_hz // SAMPLE_RATE_HZ * FRAME_BYTES
    return bytes(max(first - position, 0)) + pcm, min(settled, len(pcm))


def _find_end_ms(logged: LoggedSession) -> int:
    """Where in the dictation the audio ends that the log has had."""
    about, state = SessionAbout.load(logged.about), SessionState.load(logged.state)
    return about.base_ms + (state.written // FRAME_BYTES * 1000 // state.rate_hz if state.rate_hz else 0)


async def _has_none(owner: UUID, dictation_id: UUID) -> None:
    """No session is live."""


def _find_lead(entry: SpoolEntry) -> int:
    """The byte with which to begin: a frame of the speech gate begins there, as it did in the session before."""
    sample = entry.settled // FRAME_BYTES * SAMPLE_RATE_HZ // entry.about.rate_hz
    return min(
        entry.about.to_bytes(max(sample - LEAD_SAMPLES, 0) // FRAME_SAMPLES * FRAME_SAMPLES), entry.settled
    )


def _to_missed(final: StoredFinal, base_ms: int) -> MissedFinal:
    """What the next session hears once more, to know its surroundings, has been said before."""
    return MissedFinal(final.part, max((final.end_ms or 0) - base_ms, 0))


def _is_missed(final: StoredFinal, told_ms: int) -> bool:
    return final.end_ms is not None and final.end_ms > told_ms + TOLD_MS


def _record(
    recorder: DictationRecorder, entry: SpoolEntry, utterances: Sequence[TranscribedUtterance]
) -> None:
    for n, utterance in enumerate(utterances):
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
