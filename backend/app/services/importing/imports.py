"""Imports in the background: one at a time for a user, in order for all; each conversation in one transaction."""

import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any
from uuid import UUID

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import (
    Busy,
    ImportNotReadable,
    ImportNotRecognised,
    ImportTooLarge,
    ImportUnderWay,
    PrompterError,
    ServerFull,
    StorageUnavailable,
)
from app.core.idempotency import RequestKey
from app.core.supervision import Supervisor
from app.services.attachments.attachments import Attachments
from app.services.importing.archive import ArchiveTooLarge, DamagedArchive, NotText
from app.services.importing.brought_files import BroughtFiles
from app.services.importing.formats import MOST_CONVERSATIONS, TooManyConversations
from app.services.importing.json_spans import DamagedJson
from app.services.importing.reading import (
    Counted,
    Drafted,
    LeftOut,
    NotRecognised,
    ReadLimits,
    Rest,
    Step,
    read_upload,
)
from app.services.importing.report import Report
from app.services.importing.source import Left
from app.services.importing.storing import Came, Cancelled, ConversationStore
from app.storage import idempotency, imports
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.imports import ImportState, StoredImport
from app.utils.ids import parse_id

__all__ = ["Imports", "StoredImport"]

logger = logging.getLogger(__name__)

PROGRESS_S = 1.0
"""Between two notes of progress, where no conversation is stored."""


_REFUSALS = (NotText, DamagedArchive, ArchiveTooLarge, DamagedJson, NotRecognised, TooManyConversations)
"""What a file is refused with."""
_FAULT = "something failed on the server, whose log has the place; what came is whole"


class _Stopping(Exception):
    """The server ends."""


@dataclass(slots=True)
class _Job:
    user_id: UUID
    stored: StoredImport
    file: IO[bytes]
    brought: BroughtFiles
    stopped: threading.Event = field(default_factory=threading.Event)
    report: Report = field(default_factory=Report)
    noted_s: float = 0.0


class Imports:
    """The imports of all users. The file of one lives as long as its job, and is deleted with the process."""

    def __init__(self, settings: Settings, database: Database, attachments: Attachments) -> None:
        self._settings = settings
        self._database = database
        self._attachments = attachments
        self._turn = anyio.Lock()
        """Held by the import that is worked on."""
        self._jobs: dict[UUID, _Job] = {}
        self._is_stopping = False
        self.tasks = Supervisor("imports")

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let imports run until the block ends. One that has not ended by then is `interrupted`."""
        async with self.tasks.run():
            try:
                yield
            finally:
                self._is_stopping = True
                for job in self._jobs.values():
                    job.stopped.set()

    async def begin(
        self,
        user_id: UUID,
        file: IO[bytes],
        *,
        name: str,
        size_bytes: int,
        dry_run: bool,
        key: RequestKey | None,
    ) -> tuple[StoredImport, bool]:
        """Begin an import of a file on disk, and whether the file is taken over: the same `key` begins no second one.

        Raises:
            ImportUnderWay: the user has one that has not ended.
            ServerFull: as many imports wait as may.
            IdReused: another request had this key.
            NotFound: what the first request began has been taken from the list.
        """
        limit = self._settings.limits.imports
        async with self._database.write() as session:
            if made := await idempotency.claim(session, user_id, key):
                return await imports.get(session, user_id, made), False
            if await imports.is_any_under_way(session, user_id):
                raise ImportUnderWay("another import has not ended; wait for it, or cancel it")
            if len(self._jobs) >= limit:
                raise ServerFull(f"{limit} imports wait already (limits.imports); try again later")
            stored = await imports.create(
                session,
                user_id,
                self._database.run_id,
                name=name,
                size_bytes=size_bytes,
                dry_run=dry_run,
            )
            await idempotency.note_made(session, user_id, key, stored.id)
        brought = BroughtFiles(self._attachments, user_id, self._settings.limits.attachment_bytes)
        self._jobs[stored.id] = job = _Job(user_id=user_id, stored=stored, file=file, brought=brought)
        self.tasks.start_job(self._run, job)
        return stored, True

    async def get(self, user_id: UUID, import_id: str) -> StoredImport:
        """One import. Raises NotFound."""
        async with self._database.read() as session:
            return await imports.get(session, user_id, _parse(import_id))

    async def list_all(self, user_id: UUID) -> tuple[StoredImport, ...]:
        """The user's imports, the newest first."""
        async with self._database.read() as session:
            return await imports.list_all(session, user_id)

    async def cancel_or_forget(self, user_id: UUID, import_id: str) -> bool:
        """Cancel an import, which keeps the conversations that are here; or take one that has ended from the list.

        Whether it had not ended.

        Raises:
            NotFound: this user has no such import.
        """
        id_ = _parse(import_id)
        async with self._database.write() as session:
            found = await imports.cancel_or_forget(session, user_id, id_)
        if job := self._jobs.get(id_):
            job.stopped.set()
        return found.state in imports.UNDER_WAY

    # -- one import

    async def _run(self, job: _Job) -> None:
        try:
            async with self._turn:
                try:
                    state, error = await self._work(job)
                except _Stopping:
                    logger.info("an import was interrupted by the end of the server")
                except Exception:
                    # A bug: the import must not look as if it were still being worked on, nor keep others out.
                    await self._end(job, "failed", PrompterError(_FAULT))
                    raise
                else:
                    await self._end(job, state, error)
        finally:
            job.file.close()
            del self._jobs[job.stored.id]

    async def _work(self, job: _Job) -> tuple[ImportState, PrompterError | None]:
        """Import all that can be read; how it ended, and why it failed."""
        limits = ReadLimits(
            unpacked_bytes=self._settings.limits.import_unpacked_bytes,
            message_chars=self._settings.limits.import_message_chars,
            message_files=self._settings.attachments.files,
        )
        steps = read_upload(job.file, limits, utc_now(), partial(_check, job))
        try:
            await self._take_steps(job, steps)
        except Cancelled:
            if self._is_stopping:
                raise _Stopping from None
            return "cancelled", None
        except _REFUSALS as error:
            return "failed", _explain(error, limits)
        except StorageUnavailable as error:
            return "failed", error
        except OSError as error:
            logger.warning("an import failed: %s", type(error).__name__)
            return "failed", ImportNotReadable(
                "the server cannot keep the file: its disk is full or fails; try later"
            )
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(steps.close)  # type: ignore[attr-defined]  # a generator
                with suppress(StorageUnavailable):  # logged; what no message has is deleted after a while
                    await job.brought.discard_unsent()
        return "done", None

    async def _take_steps(self, job: _Job, steps: Iterator[Step]) -> None:
        while (step := await run_sync(next, steps, None)) is not None:
            if isinstance(step, Rest):
                job.report.add_files(step.left)
            elif isinstance(step, Counted):
                async with self._database.write() as session:
                    if not await imports.begin_work(session, job.stored.id, step.total):
                        raise Cancelled
            elif isinstance(step, LeftOut):
                job.report.add("left_out", Counter([step.reason]), title=step.title, source=step.source)
                await self._note_progress(job)
            else:
                await self._take_draft(job, step)

    async def _take_draft(self, job: _Job, step: Drafted) -> None:
        draft, store = step.draft, self._make_store(job)
        try:
            if job.stored.dry_run:
                came = await store.compare(draft, step.file)
                await self._note_progress(job)
            else:
                came = await store.store(draft, step.file, job.report.conversations + 1)
        except Busy:
            came, left = Came(outcome="left_out"), Counter([Left.BUSY])
        else:
            left = draft.left + came.left
        job.report.add(
            came.outcome,
            left,
            source=draft.source,
            title=draft.title,
            messages=came.messages,
            files=came.files,
        )

    def _make_store(self, job: _Job) -> ConversationStore:
        return ConversationStore(
            self._database,
            job.user_id,
            job.stored.id,
            job.brought,
            text_tokens=self._settings.attachments.text_tokens,
            check=partial(_check, job),
        )

    async def _note_progress(self, job: _Job) -> None:
        if (now_s := time.monotonic()) < job.noted_s + PROGRESS_S:
            return
        job.noted_s = now_s
        async with self._database.write() as session:
            if not await imports.note_progress(session, job.stored.id, job.report.conversations):
                raise Cancelled

    async def _end(self, job: _Job, state: ImportState, error: PrompterError | None) -> None:
        """Store how an import ended, as soon as the database is there."""
        told = None if error is None else error.to_dict()

        async def store(session: Any) -> None:
            if state == "done":
                await imports.note_progress(session, job.stored.id, job.report.conversations)
            await imports.end(session, job.stored.id, state, report=job.report.to_json(), error=told)

        await self._database.write_at_last(store)


def _check(job: _Job) -> None:
    if job.stopped.is_set():
        raise Cancelled


def _parse(import_id: str) -> UUID:
    if (found := parse_id(import_id)) is None:
        raise imports.unknown_import()
    return found


def _explain(error: Exception, limits: ReadLimits) -> PrompterError:
    """The error of a file that cannot be read, with the way out."""
    if isinstance(error, NotText):
        return ImportNotReadable(
            "the file is neither JSON nor a zip archive; choose the file that the product exported"
        )
    if isinstance(error, DamagedArchive):
        return ImportNotReadable("the archive is damaged or cut off; download it again")
    if isinstance(error, ArchiveTooLarge):
        return ImportTooLarge(
            f"the archive holds more than {limits.unpacked_bytes} bytes of JSON (limits.import_unpacked_bytes), or too "
            "many files; unpack it, and import its files of conversations one by one"
        )
    if isinstance(error, TooManyConversations):
        return ImportTooLarge(
            f"the file holds more than {MOST_CONVERSATIONS} conversations; divide it into several"
        )
    if isinstance(error, DamagedJson):
        return ImportNotReadable(f"the file is damaged or cut off near byte {error.at}; download it again")
    return ImportNotRecognised(
        "no conversations of a known product are in the file; known are ChatGPT, Claude, Open WebUI, LibreChat, "
        "Chatbot UI and PROMPTer"
    )
