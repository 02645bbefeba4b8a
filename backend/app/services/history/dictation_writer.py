"""Finals on their way into the database: a bounded queue and one task, so that no dictation waits for a disk."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import anyio

from app.core.errors import StorageUnavailable
from app.core.logging import report_fault
from app.core.metrics import Observer
from app.services.history.transcripts import RecentTranscript, RecentTranscripts, SessionLabel
from app.storage import dictations as intake
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import NewDictation, NewFinal, PendingFinal
from app.utils.ids import new_id

Put = Callable[["RecordedDictation", PendingFinal | datetime], bool]


class RecordedDictation:
    """From `start` to `stopped`, on however many sockets. It gets a row with its first final, or none."""

    def __init__(self, put: Put, owner: UUID, label: str | None) -> None:
        self.id = new_id()
        self.begun: NewDictation | None = None
        """What its row says, once there is a final."""
        self.stored = False
        """Whether it has its row: from then on a missing row means that its speaker has deleted it."""
        self.gone = False
        """Nothing of it is kept any more."""
        self._put = put
        self._owner = owner
        self._label = label
        self._started_at = utc_now()
        self._finals = 0

    def final(self, event: dict[str, Any]) -> None:
        """Keep a final as its client is told of it; never waits."""
        if self.gone or not event["text"].strip():
            return
        if self.begun is None:
            self.begun = NewDictation(
                self.id,
                self._owner,
                self._label,
                event["lang"],
                event["provider"],
                event["model"],
                self._started_at,
            )
        final = NewFinal(
            n=self._finals,
            utterance_id=str(event["utterance_id"]),
            text=event["text"],
            start_ms=event["start_ms"],
            end_ms=event["end_ms"],
            lang=event["lang"],
            words=event.get("words") or None,
        )
        self._finals += 1
        self._put(self, PendingFinal(new_id(), self.id, final, utc_now()))

    def end(self) -> None:
        """It is over; nothing to say where it had no final."""
        if self.begun is not None and not self.gone:
            self._put(self, utc_now())


logger = logging.getLogger(__name__)

GATHER_S = 0.25
"""How long finals gather before they are written together."""
BATCH = 250
"""Of one transaction: preparing so many holds the event loop up for about 3 ms."""
RETRY_S = (1.0, 60.0)
"""The first and the longest pause after a failure."""
PATIENCE_S = 2.0
"""How long a reader waits for what is on its way."""
_LEAST_FLUSH_S = 2.0

Entry = tuple[RecordedDictation, intake.PendingFinal | datetime]
"""A final, or when the dictation ended."""


class DictationWriter:
    """Writes what dictations say. Where the database cannot take it, it waits here, up to `limit` finals.

    `put` never waits. Finals beyond the limit are lost to the database, and to nobody else; they are counted.
    """

    def __init__(self, database: Database, limit: int, observer: Observer) -> None:
        self._database = database
        self._limit = limit
        self._observer = observer
        self._queue: deque[Entry] = deque()
        self._finals = 0
        """Those in the queue; a long one counts as several."""
        self._written = 0
        """Entries that have left the queue."""
        self._arrived = anyio.Event()
        self._hurry = anyio.Event()
        self._progress = anyio.Event()
        self._pause_s = 0.0
        """After a failure: until the next try."""
        self._tried = False
        self._full = False
        self._running = False
        observer.watch_unstored(lambda: len(self._queue))

    @asynccontextmanager
    async def running(self, flush_s: float) -> AsyncIterator[None]:
        """Write until the block ends; what is left then is written within `flush_s`, or lost and counted."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._run)
            self._running = True
            yield
            group.cancel_scope.cancel()
        self._running = False
        with anyio.move_on_after(max(flush_s, _LEAST_FLUSH_S), shield=True):
            await self._write_all()
        if self._queue:
            logger.error("%d finals could not be kept before the server ended", len(self._queue))

    def put(self, recording: RecordedDictation, what: intake.PendingFinal | datetime) -> bool:
        """Line up a final, or the end of a dictation; False where there is no room."""
        if isinstance(what, intake.PendingFinal):
            if self._finals >= self._limit:
                self._observer.finals_lost(1)
                if not self._full:
                    self._full = True
                    logger.error(
                        "%d finals wait for the database (limits.unstored_finals); further ones are not kept",
                        self._finals,
                    )
                return False
            self._finals += _weight(what)
        self._queue.append((recording, what))
        self._arrived.set()
        return True

    async def settled(self) -> None:
        """Wait until what is on its way has been written; not for long, and not where writing fails."""
        if not self._running:
            return
        until = self._written + len(self._queue)
        with anyio.move_on_after(PATIENCE_S):
            while self._written < until and not self._pause_s:
                self._hurry.set()
                await self._progress.wait()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            with anyio.move_on_after(self._pause_s or GATHER_S):
                await self._hurry.wait()
                if self._pause_s:
                    await anyio.sleep_forever()  # whoever is in a hurry does not help a full disk
            self._hurry = anyio.Event()
            await self._write_all()
            self._tell()

    async def _write_all(self) -> None:
        """Batch after batch, until nothing is left or the database fails."""
        while self._queue:
            entries = list(islice(self._queue, BATCH))
            try:
                taken = await intake.store_batch(self._database, _batch(entries, tried=self._tried))
            except StorageUnavailable:
                self._failed()
                return
            except Exception as error:  # noqa: BLE001  # a fault of ours costs these finals, and nothing else
                report_fault(logger, "while finals were written", error)
                taken = intake.BatchResult(refused=len(entries))
            self._settle(entries, taken)
        self._arrived = anyio.Event()

    def _settle(self, entries: list[Entry], taken: intake.BatchResult) -> None:
        for recording, what in entries:
            self._queue.popleft()
            if isinstance(what, intake.PendingFinal):
                self._finals -= _weight(what)
            recording.stored |= recording.id in taken.there
            recording.gone |= recording.id in taken.gone
        if self._pause_s:
            logger.info("finals are being kept again")
        self._tried, self._full, self._pause_s = False, False, 0.0
        self._written += len(entries)
        self._observer.finals_stored(taken.kept)
        self._observer.finals_lost(taken.refused)
        self._tell()

    def _failed(self) -> None:
        if not self._pause_s:
            logger.error("finals cannot be kept now; they wait in memory, up to %d of them", self._limit)
        self._tried = True
        self._pause_s = min(self._pause_s * 2 or RETRY_S[0], RETRY_S[1])

    def _tell(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()


def _batch(entries: Iterable[Entry], *, tried: bool) -> intake.DictationBatch:
    begun, finals, ended = {}, [], []
    for recording, what in entries:
        if not isinstance(what, intake.PendingFinal):
            ended.append((recording.id, what))
        elif not recording.gone:
            finals.append(what)
            if not recording.stored and recording.begun is not None:
                begun[recording.id] = recording.begun
    return intake.DictationBatch(tuple(begun.values()), finals, ended, tried)


def _weight(arrival: intake.PendingFinal) -> int:
    """A final of a thousand characters or words counts as two: what waits is bounded in bytes, too."""
    return 1 + (len(arrival.final.text) + 20 * len(arrival.final.words or ())) // 1000


class DictationStore:
    """Begins the keeping of each dictation."""

    def __init__(self, writer: DictationWriter, transcripts: RecentTranscripts) -> None:
        self._writer = writer
        self._transcripts = transcripts

    def begin(self, owner: UUID, session_id: str | None, *, store: bool) -> "DictationRecorder":
        """A dictation of this user starts; without `store` nothing of it is kept, nor what its label had in memory."""
        label = None if session_id is None else SessionLabel(owner, session_id)
        if not store:
            if label is not None:
                self._transcripts.forget(label)
            return DictationRecorder(None, None)
        recording = RecordedDictation(self._writer.put, owner, session_id)
        return DictationRecorder(recording, label and self._transcripts.begin(label, recording.id))


class DictationRecorder:
    """One dictation's finals, from `start` to `stopped`. Never waits."""

    def __init__(self, recording: RecordedDictation | None, transcript: RecentTranscript | None) -> None:
        self._recording = recording
        self._transcript = transcript

    def final(self, event: dict[str, Any]) -> None:
        """A final, as its client is told of it."""
        if self._transcript is not None:
            self._transcript.append(event["text"])
        if self._recording is not None:
            self._recording.final(event)

    def end(self) -> None:
        if self._recording is not None:
            self._recording.end()
