"""The audio of dictations that have ended: kept whole for its user until it is too old, and read again.

It is kept for convenience. So it gives way to everything else: to a disk that fills, to the user's share, to a clock
that jumps, and to whatever deletes its dictation.
"""

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import BinaryIO, TypeVar
from uuid import UUID

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import AudioNotKept, StorageUnavailable
from app.core.supervision import Supervisor
from app.providers.media.encoder import make_wav_head
from app.providers.media.flac import FlacFile
from app.storage import dictations
from app.storage.audio_spool import SpoolEntry
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.kept_audio import KeptAudioStore, KeptPart
from app.storage.users import Users
from app.utils.ids import parse_id

logger = logging.getLogger(__name__)

R = TypeVar("R")

LOOK_S = 60.0
"""Time between two looks at what is too old, or whose dictation has been deleted by another process (s)."""
ROOM_BYTES = 500_000_000
"""What stays free on the disk, for everything that is not kept for convenience."""
SKIPPED_MS = 1000
"""Between two sessions of one dictation: what a crash may have taken."""
BLOCK_BYTES = 1_000_000
WAV_HEAD_BYTES = 44
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAudio:
    """The audio of one dictation, of all its sessions."""

    dictation_id: UUID
    user_id: UUID
    rate_hz: int
    size_bytes: int
    """Of its samples, mono PCM16."""
    until: datetime
    """It is deleted then."""
    parts: tuple[KeptPart, ...]

    @property
    def ms(self) -> int:
        """Its length, from the dictation's first sample."""
        return self.size_bytes // 2 * 1000 // self.rate_hz

    @property
    def started_at(self) -> datetime:
        """When the dictation started."""
        return self.parts[0].about.started_at

    @property
    def wav_bytes(self) -> int:
        """The size of the whole as a WAV file."""
        return WAV_HEAD_BYTES + self.size_bytes


class DictationAudio:
    """Keeps audio, finds it for its user alone, and deletes it in time."""

    def __init__(self, settings: Settings, database: Database, store: KeptAudioStore) -> None:
        self.hours = settings.storage.audio_hours
        self._life = timedelta(hours=settings.storage.audio_hours)
        self._most_bytes = settings.storage.audio_mb * 1_000_000
        self._is_wanted_by_default = settings.accounts.mode == "none"
        self._database = database
        self._store = store
        self._is_open = False
        self._thread = anyio.CapacityLimiter(1)
        self.tasks = Supervisor("kept audio")
        self._lock = threading.Lock()
        """Around changes of `_parts`: the spool's thread keeps, this one's deletes."""
        self._parts: dict[UUID, tuple[KeptPart, ...]] = {}
        """By dictation, in the order of the dictation."""
        self._dropped: set[UUID] = set()
        """Dictations whose audio is gone: those without text have nothing any more."""
        self._seen_s: dict[UUID, float] = {}
        """When this process first saw each part, by a clock that only counts."""
        self._changed = anyio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Delete what is too old, at once and now and then, until the block ends."""
        try:
            await self._call(self._open)
        except OSError as error:
            logger.error("kept audio cannot be used: %s", error.strerror)
        async with self.tasks.run():
            if self._is_open:
                self.tasks.start_loop("deletion", self._run)
            yield
        if self._is_open:
            self._is_open = False
            await self._call(self._store.close)

    # -- keeping

    async def is_wanted(self, user_id: UUID) -> bool:
        """Whether the audio of this user's dictations is to be kept. False where the database cannot say."""
        if not (self._is_open and self.hours):
            return False
        try:
            async with self._database.read() as session:
                user = await Users(session).find_by_id(user_id)
        except StorageUnavailable:
            return False
        return user is not None and self._resolve(user.keep_audio)

    async def read_switch(self, user_id: UUID) -> bool:
        """Whether this user's audio is to be kept, as far as the user decides it.

        Raises:
            StorageUnavailable
        """
        async with self._database.read() as session:
            user = await Users(session).find_by_id(user_id)
        return self._resolve(user.keep_audio if user is not None else None)

    async def set_switch(self, user_id: UUID, *, is_on: bool) -> None:
        """Keep this user's audio from now on, or delete what is kept of it.

        Raises:
            StorageUnavailable
        """
        async with self._database.write() as session:
            await Users(session).change(user_id, keep_audio=is_on)
        if not is_on:
            await self.forget_user(user_id)

    def has_room(self) -> bool:
        """Whether the disk has room for audio that nobody needs. Blocks; raises OSError."""
        return self._store.free_bytes() > ROOM_BYTES

    def keep(self, entry: SpoolEntry) -> bool:
        """Take over the spooled audio of a session that has ended; false: it is not kept, and nothing of its dictation.

        Blocks; raises OSError.
        """
        about = entry.about
        before = self._parts.get(about.dictation_id, ())
        part = self._store.keep(entry, utc_now()) if self._is_open and self.has_room() else None
        parts = () if part is None else (*before, part)
        if part is not None:
            self._set_parts(about.dictation_id, parts)
        if part is None or not _is_whole(parts):
            self.drop(about.dictation_id)
            return False
        return self._make_room(about.user_id, about.dictation_id)

    def drop(self, dictation_id: UUID) -> None:
        """Delete what is kept of a dictation. Blocks; raises OSError."""
        for part in self._parts.get(dictation_id, ()):
            self._store.remove(part.id)
        self._set_parts(dictation_id, ())
        self._dropped.add(dictation_id)

    def look(self) -> None:
        """Something has been kept: compress it soon."""
        self._changed.set()

    async def forget(self, dictation_id: UUID) -> None:
        """The dictation is deleted, or its audio is not wanted any more."""
        await self._try(lambda: self.drop(dictation_id))

    async def forget_user(self, user_id: UUID) -> None:
        """The user wants no audio to be kept."""
        for dictation_id in self._list_of(user_id):
            await self.forget(dictation_id)

    # -- reading

    def find(self, user_id: UUID, dictation_id: UUID) -> KeptAudio | None:
        """The audio of a dictation of this user; None where none is kept. Never waits."""
        parts = self._parts.get(dictation_id, ())
        if not parts or parts[0].about.user_id != user_id:
            return None
        audio = KeptAudio(
            dictation_id=dictation_id,
            user_id=user_id,
            rate_hz=parts[0].about.rate_hz,
            size_bytes=max(part.base_bytes + part.size_bytes for part in parts),
            until=max(part.kept_at for part in parts) + self._life,
            parts=parts,
        )
        return audio if audio.until > utc_now() else None

    async def get(self, user_id: UUID, dictation_id: str) -> KeptAudio:
        """The audio of a dictation of this user.

        Raises:
            NotFound: this user has no such dictation.
            AudioNotKept: its audio is not here.
        """
        id_ = parse_id(dictation_id)
        if id_ is None:
            raise dictations.unknown_dictation()
        async with self._database.read() as session:
            stored = await dictations.require(session, user_id, id_)
        audio = self.find(user_id, id_)
        if audio is None or stored.state != "final":
            raise AudioNotKept(
                "the audio of this dictation is not here: it is kept once the dictation has ended, for its user and "
                "for a time (storage.audio_hours)"
            )
        return audio

    async def read_wav(self, audio: KeptAudio, first: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a WAV file of it all, from `first` to `end`. Raises OSError where it has just been deleted."""
        head = make_wav_head(audio.rate_hz, audio.size_bytes)[first:end]
        if head:
            yield head
        first, end = max(first - WAV_HEAD_BYTES, 0), end - WAV_HEAD_BYTES
        for low, high in _split(first, end):
            yield await self._call(partial(self._read, audio, low, high))

    async def pack(self, audio: KeptAudio) -> AsyncIterator[bytes]:
        """The whole as a FLAC file. Raises OSError where it has just been deleted."""
        file = FlacFile(audio.rate_hz, audio.size_bytes // 2)

        def push(low: int, high: int) -> bytes:
            return file.push(self._read(audio, low, high))

        for low, high in _split(0, audio.size_bytes):
            if data := await self._call(partial(push, low, high)):
                yield data
        yield await self._call(file.finish)

    async def write_wav(self, user_id: UUID, dictation_id: str, file: BinaryIO) -> KeptAudio:
        """Write the whole audio of a dictation of this user as a WAV file, from the beginning of `file` on.

        Raises:
            NotFound: this user has no such dictation.
            AudioNotKept: its audio is not here.
            OSError: it cannot be read or written.
        """
        audio = await self.get(user_id, dictation_id)

        def write() -> None:
            file.seek(0)
            file.write(make_wav_head(audio.rate_hz, audio.size_bytes))
            for low, high in _split(0, audio.size_bytes):
                file.write(self._read(audio, low, high))
            file.seek(0)

        await self._call(write)
        return audio

    def _read(self, audio: KeptAudio, first: int, end: int) -> bytes:
        found = bytearray(end - first)  # where no session has audio is silence
        for part, begin, stop in _lay_out(audio.parts):
            low, high = max(first, begin), min(end, stop)
            if low < high:
                read = self._store.read(part, low - part.base_bytes, high - part.base_bytes)
                found[low - first : low - first + len(read)] = read
        return bytes(found)

    # -- deleting

    def _open(self) -> None:
        self._store.open()
        for part in sorted(self._store.list_parts(), key=lambda each: each.about.base_ms):
            self._set_parts(part.about.dictation_id, (*self._parts.get(part.about.dictation_id, ()), part))
        self._drop_old()
        self._is_open = True

    async def _run(self) -> None:
        while True:
            try:
                await self._call(self._drop_old)
                await self._drop_unwanted()
                await self._remove_forgotten()
                while await self._call(self._compress_next):
                    pass
            except StorageUnavailable:
                pass  # logged already; the next look tries again
            except OSError as error:
                logger.error("kept audio cannot be deleted or compressed: %s", error.strerror)
            self._changed = anyio.Event()
            with anyio.move_on_after(LOOK_S):
                await self._changed.wait()

    def _drop_old(self) -> None:
        """Delete what is too old. A clock that was set back prolongs nothing, and one that was set ahead ends early."""
        now = utc_now()
        for dictation_id, parts in list(self._parts.items()):
            ahead = [part for part in parts if part.kept_at > now]
            for part in ahead:
                redated = self._store.redate(part, now)
                parts = tuple(redated if each is part else each for each in parts)
            if ahead:
                self._set_parts(dictation_id, parts)
            newest = max(part.kept_at for part in parts)
            counted_s = monotonic() - max(self._seen_s.get(part.id, monotonic()) for part in parts)
            if now >= newest + self._life or counted_s >= self._life.total_seconds() or not _is_whole(parts):
                self.drop(dictation_id)

    async def _drop_unwanted(self) -> None:
        """Delete audio whose dictation is gone, whoever deleted it, and that of users who have turned it off."""
        kept = list(self._parts)
        async with self._database.read() as session:
            there = await dictations.find_existing(session, kept)
        for dictation_id in kept:
            if dictation_id not in there:
                await self.forget(dictation_id)
        for user_id in {parts[0].about.user_id for parts in list(self._parts.values()) if parts}:
            async with self._database.read() as session:
                user = await Users(session).find_by_id(user_id)
            if user is None or not self._resolve(user.keep_audio):
                await self.forget_user(user_id)

    async def _remove_forgotten(self) -> None:
        """Delete dictations that have neither text nor audio any more."""
        dropped = set(self._dropped)
        async with self._database.write() as session:
            await dictations.remove_forgotten(session, dropped, utc_now() - self._life - DAY)
        self._dropped -= dropped

    def _make_room(self, user_id: UUID, newest: UUID) -> bool:
        """Delete a user's oldest audio until all fits into the share; false: the newest is too large, and goes."""
        sizes = {id_: sum(part.size_bytes for part in self._parts[id_]) for id_ in self._list_of(user_id)}
        if sizes[newest] > self._most_bytes:
            self.drop(newest)
            return False
        oldest_first = sorted(sizes.keys() - {newest}, key=lambda id_: self._parts[id_][-1].kept_at)
        used = sum(sizes.values())
        for dictation_id in oldest_first:
            if used > self._most_bytes:
                used -= sizes[dictation_id]
                self.drop(dictation_id)
        return True

    def _compress_next(self) -> bool:
        """Make one piece small, so that others wait for one piece at most; whether there is more."""
        for parts in list(self._parts.values()):
            for part in parts:
                if self._store.compress(part):
                    return True
        return False

    # -- inside

    def _resolve(self, keep_audio: bool | None) -> bool:
        return self._is_wanted_by_default if keep_audio is None else keep_audio

    def _list_of(self, user_id: UUID) -> list[UUID]:
        return [id_ for id_, parts in list(self._parts.items()) if parts[0].about.user_id == user_id]

    def _set_parts(self, dictation_id: UUID, parts: Sequence[KeptPart]) -> None:
        with self._lock:
            if parts:
                self._parts[dictation_id] = tuple(sorted(parts, key=lambda part: part.about.base_ms))
                for part in parts:
                    self._seen_s.setdefault(part.id, monotonic())
            else:
                for part in self._parts.pop(dictation_id, ()):
                    self._seen_s.pop(part.id, None)

    async def _call(self, work: Callable[[], R]) -> R:
        return await run_sync(work, limiter=self._thread)

    async def _try(self, work: Callable[[], None]) -> None:
        try:
            await self._call(work)
        except OSError as error:
            logger.error("kept audio cannot be deleted: %s", error.strerror)


def _split(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Blocks of a size that others may wait for."""
    for low in range(first, end, BLOCK_BYTES):
        yield low, min(low + BLOCK_BYTES, end)


def _lay_out(parts: Sequence[KeptPart]) -> Iterator[tuple[KeptPart, int, int]]:
    """Each part, with where in the dictation it begins and ends: where two have the same audio, the later one."""
    for n, part in enumerate(parts):
        end = part.base_bytes + part.size_bytes
        follows = parts[n + 1].base_bytes if n + 1 < len(parts) else end
        yield part, part.base_bytes, min(end, follows)


def _is_whole(parts: Sequence[KeptPart]) -> bool:
    """Whether the sessions follow each other from the dictation's first sample on, at one rate."""
    end_ms = 0
    for part in sorted(parts, key=lambda each: each.about.base_ms):
        if part.about.base_ms > end_ms + SKIPPED_MS or part.about.rate_hz != parts[0].about.rate_hz:
            return False
        end_ms = max(end_ms, part.about.base_ms + part.about.to_ms(part.size_bytes))
    return bool(parts)
