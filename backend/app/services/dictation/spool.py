"""Keeps the audio of live dictations until its text is stored. No dictation waits for the disk, or ends with it.

Where the user wants audio to be kept, it stays whole, and goes to `services/history/dictation_audio.py` at the end.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol, TypeVar
from uuid import UUID

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.supervision import Supervisor
from app.providers.base import SAMPLES_PER_MS
from app.services.history.dictation_writer import DictationRecorder
from app.storage.audio_spool import SpooledDictation, SpoolEntry, SpoolStore
from app.utils.ids import new_id

logger = logging.getLogger(__name__)

R = TypeVar("R")

WRITE_EVERY_S = 0.2
"""Audio that arrived is on disk so soon: what a crash may take."""
MOST_WAITING_BYTES = 16_000_000
"""Audio of one dictation that may wait for a disk that stalls: minutes. What is more is not spooled."""
ROOM_CHECK_BYTES = 5_000_000
"""Audio of one dictation between two looks at the room on the disk."""
END_S = 3.0
"""How long the end of the server waits for the disk."""

ABOUT_LOST = "audio of a dictation could not be kept on disk: %s; the dictation goes on without"


class AudioKeeper(Protocol):
    """Where audio goes that its user wants to be kept: see `DictationAudio`."""

    async def is_wanted(self, user_id: UUID) -> bool: ...

    def has_room(self) -> bool: ...

    def keep(self, entry: SpoolEntry) -> bool: ...

    def drop(self, dictation_id: UUID) -> None: ...

    async def forget(self, dictation_id: UUID) -> None: ...

    def look(self) -> None: ...


class SpooledAudio:
    """The audio of one live dictation. No method waits."""

    def __init__(self, about: Callable[[int], SpooledDictation], recorder: DictationRecorder) -> None:
        self.id = new_id()
        self.about: SpooledDictation | None = None
        """None before the first audio, which tells the rate."""
        self._make_about = about
        self._recorder = recorder
        self._waiting: deque[bytes] = deque()
        """The event loop adds at the end, the writing thread takes from the beginning."""
        self._arrived = 0
        self._first_sample = 0
        """Where in the session its first byte lies, at 16 kHz."""
        self.written = 0
        """Bytes that survive a crash."""
        self.settled = 0
        """Bytes whose text is stored, or that have none."""
        self._settled_on_disk = 0
        self.replaces: SpoolEntry | None = None
        """Audio of the session that broke off: what of it has no text is in this one too, from the beginning."""
        self.is_kept: bool | None = None
        """Whether the whole of it stays on disk after its end; None until that is known: nothing is deleted before."""
        self._room_checked = 0
        self.problem = ""
        """Why no more audio is kept; empty while it is."""
        self.share_left_s: float | None = None
        """When the user's share of the disk may be used (s); 0: it is. None where much is left."""
        self.disk_left_s: float | None = None
        """The same of the disk itself."""
        self._is_created = False
        self.is_over = False
        """The dictation has ended, and its text has been told."""
        self.is_left = False
        """The dictation broke off: what was not told is to be recovered."""
        self.is_released = False
        """Nothing more is to be done with it."""

    @property
    def safe_ms(self) -> int:
        """How much of the session's audio survives a crash, from its first sample."""
        return (
            self._first_sample // SAMPLES_PER_MS + self.about.to_ms(self.written)
            if self.about is not None
            else 0
        )

    def go_on_from(self, sample: int) -> None:
        """Another server has had the session's audio before this sample."""
        self._first_sample = sample

    @property
    def dictation_id(self) -> UUID:
        return self._recorder.id

    @property
    def is_removable(self) -> bool:
        """Whether nobody needs it any more, but for what is to be kept."""
        if self._recorder.is_deleted:
            return True
        return self.is_over and self._recorder.unstored_from_ms is None and self.is_kept is not None

    def append(self, pcm: bytes, rate_hz: int) -> None:
        """Take a chunk as it came."""
        if self.problem or self._recorder.is_deleted:
            return
        if self.about is None:
            self.about = self._make_about(rate_hz)
        if self._arrived + len(pcm) - self.written > MOST_WAITING_BYTES:
            self.fail("the disk does not keep up")
            return
        self._waiting.append(pcm)
        self._arrived += len(pcm)

    def replace(self, earlier: SpoolEntry | None, audio: bytes, rate_hz: int, settled: int = 0) -> None:
        """Begin with the audio of the session that broke off, which is deleted once it is written here.

        Its first `settled` bytes need no text.
        """
        self.replaces, self.settled = earlier, settled
        if audio:
            self.append(audio, rate_hz)

    def settle(self, told: int) -> None:
        """The text of the audio up to this sample (16 kHz) has been told; what of it is stored is not kept."""
        if self.about is None:
            return
        unstored_ms = self._recorder.unstored_from_ms
        sample = told if unstored_ms is None else min(told, unstored_ms * SAMPLES_PER_MS)
        self.settled = max(self.settled, self.about.to_bytes(sample - self._first_sample))

    def end(self, *, is_whole: bool) -> None:
        """The dictation has ended. `is_whole`: all that is to be told has been told."""
        self.is_over, self.is_left = is_whole, not is_whole

    def fail(self, reason: str, *, is_share: bool = False) -> None:
        """Keep no more audio; what is on disk stays until its text is stored. `is_share`: the user's share is used."""
        logger.error(ABOUT_LOST, reason)
        self.problem = reason
        self.share_left_s, self.disk_left_s = (0.0, None) if is_share else (None, 0.0)
        self.is_kept = False
        self._waiting = deque()  # a new one: the writing thread may be emptying this one

    def delete(self) -> None:
        """The user has deleted the dictation."""
        self._recorder.is_deleted = True

    def write(self, store: SpoolStore, kept: AudioKeeper) -> None:
        """Bring the disk up to date. Blocks; raises OSError."""
        parts, waiting, is_removable = [], self._waiting, self.is_removable
        while waiting:
            parts.append(waiting.popleft())
        audio = b"".join(parts)
        if audio and self.about is not None:
            if not self._is_created:
                earlier = self.replaces.id if self.replaces is not None else None
                store.create(self.id, replace(self.about, replaces=earlier))
                self._is_created = True
            store.append(self.id, self.written, audio)
            self.written += len(audio)
            self._look_for_room(kept)
        if self.replaces is not None and (self._is_created or is_removable):
            _release(store, kept, self.replaces, is_kept=self.is_kept is not False)
            self.replaces = None
        recorder = self._recorder
        is_found = recorder.is_stored and not (
            recorder.is_deleted or recorder.is_empty or recorder.is_taken_back
        )
        is_kept = self.is_kept is True and is_found
        if is_removable and not is_kept and (entry := self.to_entry()) is not None:
            _release(store, kept, entry, is_kept=False)
            self._is_created = False
        if self._is_created and self.settled > self._settled_on_disk:
            self._settled_on_disk = self.settled
            store.settle(self.id, min(self.settled, self.written), delete=self.is_kept is False)
        if is_removable:
            if (entry := self.to_entry()) is not None:
                _release(store, kept, entry, is_kept=True)
            self._is_created, self.is_released = False, True

    def _look_for_room(self, kept: AudioKeeper) -> None:
        """A disk that fills has no room for audio that is only kept."""
        if self.is_kept and self.written - self._room_checked >= ROOM_CHECK_BYTES:
            self._room_checked = self.written
            self.is_kept = kept.has_room()

    @property
    def bytes_per_s(self) -> int:
        """How much comes in a second of speech."""
        return 0 if self.about is None else 2 * self.about.rate_hz

    @property
    def kept_bytes(self) -> int:
        """What lies on disk, and waits for it."""
        return max(self._arrived - self.settled, 0)

    def to_entry(self) -> SpoolEntry | None:
        """The audio as the next server would find it."""
        if not self._is_created or self.about is None:
            return None
        return SpoolEntry(self.id, self.about, min(self.settled, self.written), self.written)


def _release(store: SpoolStore, kept: AudioKeeper, entry: SpoolEntry, *, is_kept: bool) -> None:
    """All text of this audio is stored: keep it, or delete it, and what is kept of the sessions before it."""
    if not (is_kept and kept.keep(entry)):
        kept.drop(entry.about.dictation_id)
        store.remove(entry.id)


class AudioSpool:
    """The spooled audio of all dictations, and what an earlier server left behind."""

    def __init__(self, settings: Settings, store: SpoolStore, kept: AudioKeeper) -> None:
        self.is_on = settings.storage.spool
        self._most_bytes = settings.storage.spool_mb * 1_000_000
        self._store = store
        self._kept = kept
        self._thread = anyio.CapacityLimiter(1)
        self._writing = anyio.Lock()
        self.tasks = Supervisor("spooled audio")
        self._live: list[SpooledAudio] = []
        self._is_running = False
        self._left: dict[UUID, SpoolEntry] = {}
        """What nobody goes on with, and nobody recovers, by its id."""
        self.on_left: Callable[[SpoolEntry], None] = _ignore
        """Called with audio that a dictation left behind, or an earlier server."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Write until the block ends, and then what is left, for a short time."""
        if self.is_on:
            await self._open()
        async with self.tasks.run():
            if self.is_on:
                self.tasks.start_loop("writing", self._run)
            self._is_running = True
            yield
            self._is_running = False
        if self.is_on:
            for audio in self._live:
                audio.is_kept = audio.is_kept or False
            with anyio.move_on_after(END_S, shield=True):
                await self.write_now()
                await self._call(self._store.close)

    def begin(
        self, owner: UUID, about: Callable[[int], SpooledDictation], recorder: DictationRecorder
    ) -> SpooledAudio | None:
        """Keep the audio of a new dictation; None where none is to be kept. `about` is asked once the rate is known."""
        if not self.can_keep:
            return None
        audio = SpooledAudio(about, recorder)
        self._live.append(audio)
        self.tasks.start_job(self._decide, audio, owner)
        return audio

    def claim(self, owner: UUID, dictation_id: UUID, rate_hz: int) -> SpoolEntry | None:
        """Take the audio of this user's dictation that broke off, if it is here and has this rate."""
        for entry in self._left.values():
            if entry.about.belongs_to(owner, dictation_id) and entry.about.rate_hz == rate_hz:
                return self._left.pop(entry.id)
        return None

    def has_left(self, owner: UUID, dictation_id: UUID, *, until_ms: int = 0) -> bool:
        """Whether audio of this user's dictation was left behind, up to this place in the dictation."""
        left = [entry for entry in self._left.values() if entry.about.belongs_to(owner, dictation_id)]
        return any(entry.end_ms >= until_ms for entry in left)

    def take(self, entry: SpoolEntry) -> bool:
        """Take what was left behind, to recover it; false where somebody else has taken it."""
        return self._left.pop(entry.id, None) is not None

    def give_back(self, entry: SpoolEntry) -> None:
        """It could not be recovered now."""
        self._left[entry.id] = entry

    async def adopt(self, about: SpooledDictation, audio: bytes, settled: int) -> SpoolEntry:
        """Keep audio that another server had, until `leave` says that it is here alone. Raises OSError."""
        entry = SpoolEntry(new_id(), about, settled, len(audio))

        def write() -> None:
            self._store.create(entry.id, about)
            self._store.append(entry.id, 0, audio)
            self._store.settle(entry.id, settled, delete=False)

        await self._call(write)
        return entry

    def leave(self, entry: SpoolEntry) -> None:
        """Nobody goes on with this audio now: it waits for its client, or for its text."""
        self._leave(entry)

    @property
    def can_keep(self) -> bool:
        """Whether audio is kept on this server's disk."""
        return self.is_on and self._is_running

    async def read(self, entry: SpoolEntry) -> bytes:
        """The audio of an entry that is not settled. Raises OSError."""
        return await self._call(lambda: self._store.read(entry))

    async def finish(self, entry: SpoolEntry) -> None:
        """All text of what was left is stored: keep its audio, or delete it. Raises OSError."""
        is_kept = await self._kept.is_wanted(entry.about.user_id)
        await self._call(lambda: _release(self._store, self._kept, entry, is_kept=is_kept))
        self._kept.look()

    async def remove(self, entry_id: UUID) -> None:
        """Delete audio. Raises OSError."""
        await self._call(lambda: self._store.remove(entry_id))

    async def forget(self, dictation_id: UUID) -> None:
        """The user has deleted the dictation: its audio goes too, also where it goes on."""
        live = [audio for audio in self._live if audio.dictation_id == dictation_id]
        for audio in live:
            audio.delete()
        if live:
            await self.write_now()
        await self._kept.forget(dictation_id)
        for entry in list(self._left.values()):
            if entry.about.dictation_id == dictation_id and self.take(entry):
                try:
                    await self.remove(entry.id)
                except OSError as error:
                    logger.error("audio of a deleted dictation cannot be deleted: %s", error.strerror)

    async def _open(self) -> None:
        try:
            await self._call(self._store.open)
            found = await self._call(self._store.list_entries)
        except OSError as error:
            logger.error("audio of dictations is not kept on disk: %s", error.strerror)
            self.is_on = False
            return
        for entry in found:
            self._leave(entry)

    async def _decide(self, audio: SpooledAudio, owner: UUID) -> None:
        is_kept = await self._kept.is_wanted(owner)
        if audio.is_kept is None:
            audio.is_kept = is_kept

    async def _call(self, work: Callable[[], R]) -> R:
        return await run_sync(work, limiter=self._thread)

    async def _run(self) -> None:
        while True:
            await anyio.sleep(WRITE_EVERY_S)
            await self.write_now()

    async def write_now(self) -> None:
        """Bring the disk up to date."""
        async with self._writing:
            await self._write_all()

    async def _write_all(self) -> None:
        live = list(self._live)
        if not live:
            return
        left = {audio for audio in live if audio.is_left}
        self._check_quotas(live)
        await self._call(lambda: self._write(live))
        for audio in live:
            if (audio.is_released or audio in left) and audio in self._live:
                self._live.remove(audio)
                if (entry := audio.to_entry()) is not None:
                    self._leave(entry)
        if any(audio.is_released for audio in live):
            self._kept.look()

    def _write(self, live: list[SpooledAudio]) -> None:
        for audio in live:
            try:
                audio.write(self._store, self._kept)
            except OSError as error:
                if not audio.problem:
                    audio.fail(error.strerror or type(error).__name__)
                audio.is_released = audio.is_removable
        free = self._free_bytes()
        rate = sum(audio.bytes_per_s for audio in live)
        for audio in live:
            if not audio.problem:
                audio.disk_left_s = None if free is None or not rate else free / rate

    def _free_bytes(self) -> int | None:
        try:
            return self._store.free_bytes()
        except OSError:
            return None  # what is written next says what is wrong

    def _check_quotas(self, live: list[SpooledAudio]) -> None:
        kept: dict[UUID, int] = {}
        rates: dict[UUID, int] = {}
        kept_live = [audio for audio in live if audio.about is not None and not audio.problem]
        for audio in kept_live:
            assert audio.about is not None
            owner = audio.about.user_id
            kept[owner] = kept.get(owner, 0) + audio.kept_bytes
            rates[owner] = rates.get(owner, 0) + audio.bytes_per_s
            if kept[owner] > self._most_bytes:
                audio.fail("the user's share of the disk is used (storage.spool_mb)", is_share=True)
        for audio in kept_live:
            assert audio.about is not None
            owner = audio.about.user_id
            room = self._most_bytes - kept[owner]
            if not audio.problem:
                audio.share_left_s = room / rates[owner] if room < self._most_bytes / 2 else None

    def _leave(self, entry: SpoolEntry) -> None:
        self._left[entry.id] = entry
        self.on_left(entry)


def _ignore(entry: SpoolEntry) -> None:
    """Leave it where it is."""
