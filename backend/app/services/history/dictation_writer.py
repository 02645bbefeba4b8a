"""Stores the finals of dictations: a bounded queue and one task, so that no dictation waits for the database."""

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import anyio

from app.core.errors import NotFound, StorageUnavailable
from app.core.logging import report_fault
from app.core.metrics import Observer
from app.core.supervision import Supervisor, reraise_cancellation
from app.services.history.transcripts import RecentTranscript, RecentTranscripts, SessionLabel
from app.storage import dictations, session_log
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import (
    BatchResult,
    DictationBatch,
    DictationChange,
    NewDictation,
    NewFinal,
    PendingFinal,
)
from app.storage.session_log import LoggedSession
from app.utils.ids import new_id

logger = logging.getLogger(__name__)

GATHER_S = 0.25
"""How long finals gather before they are stored together."""
BATCH_SIZE = 250
"""Entries of one transaction; preparing so many blocks the event loop for about 3 ms."""
RETRY_S = (1.0, 60.0)
"""The first and the longest pause after a failure."""
MAX_WAIT_S = 2.0
"""How long a reader waits for entries in the queue."""
MIN_END_S = 2.0


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The finals of these utterances are not kept: whoever said them has taken them back."""

    utterance_ids: frozenset[str]


QueueEntry = tuple["DictationRecorder", PendingFinal | DictationChange | Withdrawal]
"""A final of a dictation, what has become of the dictation, or finals that are taken back."""


class DictationWriter:
    """Stores finals in batches. While the database is unavailable, up to `limit` finals wait in memory.

    `put` never waits. Finals beyond the limit are counted and not stored; their clients receive them all the same.
    """

    def __init__(self, database: Database, limit: int, observer: Observer) -> None:
        self._database = database
        self._limit = limit
        self._observer = observer
        self.tasks = Supervisor("stored dictations")
        self._queue: deque[QueueEntry] = deque()
        self._finals = 0
        """Finals in the queue; a long final counts as several."""
        self._unstored = 0
        """The same, each as one."""
        self._done = 0
        """Entries that have left the queue, stored or refused."""
        self._arrived = anyio.Event()
        self._hurry = anyio.Event()
        self._progress = anyio.Event()
        self._pause_s = 0.0
        """After a failure, the time until the next attempt."""
        self._is_retry = False
        self._is_full = False
        self._is_running = False
        observer.watch_unstored(lambda: self._unstored)

    @asynccontextmanager
    async def run(self, end_s: float) -> AsyncIterator[None]:
        """Store finals until the block ends, and then what is left for up to `end_s`. The log says what is lost."""
        async with self.tasks.run():
            self.tasks.start_loop("storing", self._run)
            self._is_running = True
            yield
        self._is_running = False
        with anyio.move_on_after(max(end_s, MIN_END_S), shield=True):
            await self._store_all()
        if self._unstored:
            logger.error("%d finals could not be stored before the server ended", self._unstored)

    @property
    def run_id(self) -> UUID:
        """Of this process."""
        return self._database.run_id

    def put(self, recorder: "DictationRecorder", item: PendingFinal | DictationChange | Withdrawal) -> bool:
        """Queue an entry. A final beyond the limit is dropped: false."""
        if isinstance(item, PendingFinal):
            if self._finals >= self._limit:
                self._observer.count_lost_finals(1)
                if not self._is_full:
                    self._is_full = True
                    logger.error(
                        "%d finals wait for the database (limits.unstored_finals); further ones are not stored",
                        self._finals,
                    )
                return False
            self._finals += _weight(item)
            self._unstored += 1
        self._queue.append((recorder, item))
        self._arrived.set()
        return True

    async def wait_until_stored(self) -> None:
        """Wait until the present entries are stored; at most `MAX_WAIT_S`, and not while the database fails."""
        if not self._is_running:
            return
        until = self._done + len(self._queue)
        with anyio.move_on_after(MAX_WAIT_S):
            while self._done < until and not self._pause_s:
                self._hurry.set()
                await self._progress.wait()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            with anyio.move_on_after(self._pause_s or GATHER_S):
                await self._hurry.wait()
                if self._pause_s:
                    # A reader that waits does not shorten the pause after a failure.
                    await anyio.sleep_forever()
            self._hurry = anyio.Event()
            await self._store_all()
            self._report_progress()

    async def _store_all(self) -> None:
        """Store batch after batch, until the queue is empty or the database fails."""
        while self._queue:
            entries = list(islice(self._queue, BATCH_SIZE))
            try:
                batch = _make_batch(entries, is_retry=self._is_retry)
                batch = replace(batch, run_id=self._database.run_id)
                result = await dictations.store_batch(self._database, batch)
            except StorageUnavailable:
                self._pause()
                return
            except BaseException as error:  # noqa: BLE001  # a bug must cost these finals alone
                reraise_cancellation(error)
                report_fault(logger, "while finals were written", error)
                result = BatchResult(refused_finals=len(entries))
            self._finish(entries, result)
        self._arrived = anyio.Event()

    def _finish(self, entries: list[QueueEntry], result: BatchResult) -> None:
        for recorder, item in entries:
            self._queue.popleft()
            if isinstance(item, PendingFinal):
                self._finals -= _weight(item)
                self._unstored -= 1
                recorder.count_stored()
            recorder.is_stored |= recorder.id in result.stored_dictations
            recorder.is_deleted |= recorder.id in result.missing_dictations
        if self._pause_s:
            logger.info("finals are being stored again")
        self._is_retry, self._is_full, self._pause_s = False, False, 0.0
        self._done += len(entries)
        self._observer.count_stored_finals(result.stored_finals)
        self._observer.count_lost_finals(result.refused_finals)
        self._report_progress()

    def _pause(self) -> None:
        if not self._pause_s:
            logger.error("finals cannot be stored now; up to %d of them wait in memory", self._limit)
        self._is_retry = True
        self._pause_s = min(self._pause_s * 2 or RETRY_S[0], RETRY_S[1])

    def _report_progress(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()


def _make_batch(entries: Sequence[QueueEntry], *, is_retry: bool) -> DictationBatch:
    rows: dict[UUID, NewDictation] = {}
    changes: dict[UUID, DictationChange] = {}
    finals: list[PendingFinal] = []
    withdrawn: list[tuple[UUID, frozenset[str]]] = []
    shared = frozenset(recorder.id for recorder, _ in entries if recorder.is_shared)
    for recorder, item in entries:
        if isinstance(item, Withdrawal):
            withdrawn.append((recorder.id, item.utterance_ids))
            finals = [
                each
                for each in finals
                if each.dictation_id != recorder.id or each.final.utterance_id not in item.utterance_ids
            ]
        elif recorder.is_deleted:
            continue
        elif isinstance(item, PendingFinal):
            finals.append(item)
        else:
            before = changes.get(recorder.id)
            changes[recorder.id] = item if before is None else before.then(item)
        if not (recorder.is_deleted or recorder.is_stored) and recorder.row is not None:
            rows[recorder.id] = recorder.row
    return DictationBatch(
        dictations=tuple(rows.values()),
        finals=finals,
        changes=tuple(changes.values()),
        withdrawn=withdrawn,
        shared=shared,
        is_retry=is_retry,
    )


def _move_words(words: list[dict[str, Any]], by_ms: int) -> list[dict[str, Any]]:
    if not by_ms:
        return words
    return [word | {"start_ms": word["start_ms"] + by_ms, "end_ms": word["end_ms"] + by_ms} for word in words]


def _weight(pending: PendingFinal) -> int:
    """Each thousand characters of text and words count as one more final, so that the queue is bounded in bytes."""
    return 1 + (len(pending.final.text) + 20 * len(pending.final.words or ())) // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DictationBeginning:
    """What there is of a dictation that goes on with a further session."""

    started_at: datetime
    finals: int = 0
    """Number of finals that are stored."""
    is_stored: bool = False
    """Whether it has a row."""
    base_ms: int = 0
    """Where the session's first sample lies in the dictation."""


class DictationRecorder:
    """Records one dictation, from `start` to `stopped`, on however many sockets. No method waits.

    A dictation gets its row with its first audio, and loses it if it comes to nothing. Without a `writer` nothing is
    stored, and without a `transcript` nothing is remembered.
    """

    def __init__(
        self,
        writer: DictationWriter | None,
        owner: UUID,
        session_label: str | None,
        transcript: RecentTranscript | None = None,
        dictation_id: UUID | None = None,
        *,
        beginning: DictationBeginning | None = None,
        is_recovered: bool = False,
    ) -> None:
        """`beginning` is what is stored of a dictation that goes on. `is_recovered`: a server reads it from disk."""
        self.id = dictation_id or new_id()
        self.row: NewDictation | None = None
        """The row of the dictation, from its first audio on."""
        self.is_stored = False
        """Whether the row has been inserted. From then on a missing row means that its user has deleted it."""
        self.is_deleted = False
        """Whether nothing more of the dictation is stored."""
        self.is_taken_back = False
        """Whether the user has taken back something that was said: its audio is not kept either."""
        self.is_shared = False
        """Whether another server may go on with the dictation: then this one stores nothing more."""
        self.is_empty = False
        """Whether it has ended and came to nothing."""
        self._writer = writer
        self._owner = owner
        self._session_label = session_label
        self._transcript = transcript
        self._began_at = self.started_at = utc_now()
        self._started_s = time.monotonic()
        self._finals = self._finals_before = 0
        self._base_ms = 0
        self._is_recovered = is_recovered
        self._is_described = False
        """Whether the row has language, engine and model of a final."""
        self._has_lost = False
        """Whether a final could not be stored."""
        self._unstored_ms: deque[int] = deque()
        self._recorded: set[int] = set()
        """Utterances that have a final, stored or on its way."""
        self._withdrawn: set[int] = set()
        """Utterances of which nothing is stored."""
        if beginning is not None:
            self._finals = self._finals_before = beginning.finals
            self._base_ms = beginning.base_ms
            self.is_stored, self.started_at = beginning.is_stored, beginning.started_at

    @property
    def unstored_from_ms(self) -> int | None:
        """Where the first final begins that is not stored yet, from the session's first sample; None: all are."""
        return self._unstored_ms[0] if self._unstored_ms else None

    def count_stored(self) -> None:
        """The final that was added first is stored, or refused."""
        self._unstored_ms.popleft()

    def add_final(self, event: Mapping[str, Any]) -> None:
        """Store a final, given as the event that its client receives."""
        if self._transcript is not None:
            self._transcript.append(event["text"], joined=event.get("joined", False), lang=event["lang"])
        if self._writer is None or self.is_deleted or not event["text"].strip():
            return
        if event["utterance_id"] in self._withdrawn:
            return
        self._describe(event["lang"], event["provider"], event["model"])
        final = NewFinal(
            n=self._finals,
            utterance_id=str(event["utterance_id"]),
            text=event["text"],
            start_ms=event["start_ms"] + self._base_ms,
            end_ms=event["end_ms"] + self._base_ms,
            lang=event["lang"],
            joined=event.get("joined", False),
            words=_move_words(event.get("words") or [], self._base_ms) or None,
            recovered=self._is_recovered,
        )
        pending = PendingFinal(id=new_id(), dictation_id=self.id, final=final, created_at=self._now())
        if self._writer.put(self, pending):
            self._finals += 1
            self._recorded.add(event["utterance_id"])
            self._unstored_ms.append(event["start_ms"])
        else:
            self._has_lost = True

    def withdraw(self, utterance_ids: Collection[int]) -> None:
        """Store nothing of these utterances, and remove what is stored of them. Text in memory is not changed."""
        self._withdrawn |= set(utterance_ids)
        self.is_taken_back = True
        found = self._recorded & self._withdrawn
        self._recorded -= found
        if found and self._writer is not None and not self.is_deleted:
            self._writer.put(self, Withdrawal(frozenset(map(str, found))))

    def begin(self, provider: str, model: str | None) -> None:
        """Audio has begun to arrive."""
        if self._writer is None or self.row is not None:
            return
        self._make_row(None, provider, model)
        self._put(state="recording", run_id=self._writer.run_id)

    def note_heard(self) -> None:
        """All audio has arrived."""
        if self._writer is not None:
            self._put(state="heard", run_id=self._writer.run_id)

    def end(self, *, is_whole: bool = True, is_audio_kept: bool = False) -> None:
        """The dictation has ended. `is_whole`: nothing is missing of its text.

        What came to nothing leaves no row, unless its audio is kept, so that it can be transcribed again.
        """
        is_whole = is_whole and not self._has_lost
        self.is_empty = is_whole and not (self._recorded or self._finals_before) and not is_audio_kept
        state = "final" if is_whole else "interrupted"
        self._put(state=state, ended_at=self._now(), is_empty=self.is_empty)

    def _make_row(self, lang: str | None, provider: str, model: str | None) -> None:
        assert self._writer is not None
        self.row = NewDictation(
            id=self.id,
            user_id=self._owner,
            session_label=self._session_label,
            lang=lang,
            provider=provider,
            model=model,
            started_at=self.started_at,
            run_id=self._writer.run_id,
        )

    def _describe(self, lang: str | None, provider: str, model: str | None) -> None:
        """Give the row what the first final says."""
        is_new = self.row is None and not self.is_stored
        if self.row is None:
            self._make_row(lang, provider, model)
        if not (is_new or self._is_described or self._finals):
            self._put(lang=lang, provider=provider, model=model)
        self._is_described = True

    def _now(self) -> datetime:
        """The time since the start, added to it: never before the start, also where the clock is set back meanwhile."""
        return self._began_at + timedelta(seconds=time.monotonic() - self._started_s)

    def _put(self, **change: Any) -> None:
        has_row = self.row is not None or self.is_stored
        if self._writer is not None and has_row and not self.is_deleted:
            self._writer.put(self, DictationChange(dictation_id=self.id, **change))


class DictationStore:
    """Begins the recording of dictations, in the database and in memory."""

    def __init__(self, writer: DictationWriter, transcripts: RecentTranscripts, database: Database) -> None:
        self._database = database
        self._writer = writer
        self._transcripts = transcripts

    def begin(self, owner: UUID, session_id: str | None, *, store: bool) -> DictationRecorder:
        """Begin to record a dictation of this user.

        Without `store` nothing of the dictation is stored, and the text in memory under its label is removed.
        """
        label = None if session_id is None else SessionLabel(owner=owner, session_id=session_id)
        if not store:
            if label is not None:
                self._transcripts.forget(label)
            return DictationRecorder(None, owner, session_id)
        dictation_id = new_id()
        transcript = None if label is None else self._transcripts.begin(label, dictation_id)
        return DictationRecorder(self._writer, owner, session_id, transcript, dictation_id)

    async def interrupt(self, dictation_id: UUID) -> None:
        """Another process has left this dictation behind.

        Raises:
            StorageUnavailable
        """
        async with self._database.write() as session:
            await dictations.interrupt_left(session, dictation_id, self._database.run_id)

    async def go_on(
        self,
        owner: UUID,
        session_id: str | None,
        dictation_id: UUID,
        started_at: datetime,
        *,
        base_ms: int,
        is_recovered: bool = False,
    ) -> DictationRecorder:
        """Record a further session of a dictation that broke off, whose first sample lies at `base_ms`.

        Raises:
            StorageUnavailable
        """
        recorder, _ = await self._record_further(
            owner, session_id, dictation_id, started_at, base_ms=base_ms, is_recovered=is_recovered
        )
        return recorder

    async def take_over(
        self, new: NewDictation, taken: LoggedSession, *, base_ms: int, was_stored: bool
    ) -> tuple[DictationRecorder, int]:
        """Record a dictation with which another server went on until now; and where its last stored final ends (ms).

        That server stores nothing more of it. `was_stored`: it has stored the dictation; where that is gone, its user
        has deleted it, and nothing more of it is stored.

        Raises:
            StorageUnavailable, SessionTaken
        """
        async with self._database.write() as session:
            await session_log.hold(session, taken.id, taken.epoch)
            mine = replace(new, run_id=self._database.run_id)
            await dictations.take_over(session, mine, was_stored=was_stored)
        recorder, end_ms = await self._record_further(
            new.user_id, new.session_label, new.id, new.started_at, base_ms=base_ms
        )
        recorder.is_shared = True
        recorder.is_deleted = was_stored and not recorder.is_stored
        return recorder, end_ms

    async def _record_further(
        self,
        owner: UUID,
        session_id: str | None,
        dictation_id: UUID,
        started_at: datetime,
        *,
        base_ms: int,
        is_recovered: bool = False,
    ) -> tuple[DictationRecorder, int]:
        try:
            async with self._database.read() as session:
                _, finals = await dictations.get(session, owner, dictation_id)
        except NotFound:
            finals = None
        beginning = DictationBeginning(
            started_at=started_at,
            finals=finals[-1].n + 1 if finals else 0,
            is_stored=finals is not None,
            base_ms=base_ms,
        )
        label = None if session_id is None else SessionLabel(owner=owner, session_id=session_id)
        transcript = None if label is None or is_recovered else self._transcripts.begin(label, dictation_id)
        if transcript is not None:
            for final in finals or ():
                transcript.append(final.text, joined=final.joined, lang=final.lang)
        recorder = DictationRecorder(
            self._writer,
            owner,
            session_id,
            transcript,
            dictation_id,
            beginning=beginning,
            is_recovered=is_recovered,
        )
        return recorder, max((final.end_ms or 0 for final in finals or ()), default=0)
