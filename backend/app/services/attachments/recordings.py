"""The texts of attached recordings and videos: made in the background, one after another, after live speech."""

import logging
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import anyio
import anyio.to_thread

from app.core.errors import NotFound, PrompterError, ServerFull, StorageUnavailable
from app.core.supervision import Supervisor
from app.services.attachments.parts import count_tokens
from app.services.transcription.job import TranscriptionService
from app.services.transcription.request import TranscriptionRequest
from app.storage import attachments
from app.storage.attachments import Attachment
from app.storage.database import Database

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""Between two tries to get a place among the recordings of this server, or to store a text (s)."""
LOOK_S = 60.0
"""Between two looks for recordings that a server has left, which has ended (s)."""
AT_ONCE = 1
"""Recordings of messages that a server transcribes at a time; others wait."""


class RecordingFiles(Protocol):
    """Where the contents of recordings are; see `Attachments`."""

    def locate_content(self, file: Attachment) -> Path: ...

    async def keep_text(self, file: Attachment, text: bytes) -> None:
        """Keep a text beside the content; nothing where that is gone. Raises StorageUnavailable."""
        ...


class RecordingTexts:
    """Makes the texts of recordings. What a process leaves at its end is taken over by the next one."""

    def __init__(
        self,
        database: Database,
        files: RecordingFiles,
        transcriptions: TranscriptionService,
        text_tokens: int,
    ) -> None:
        """`text_tokens`: how much of a text a model is sent."""
        self._database = database
        self._files = files
        self._transcriptions = transcriptions
        self._text_tokens = text_tokens
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._running: dict[UUID, anyio.CancelScope] = {}

    def start(self, tasks: Supervisor) -> None:
        """Go on with what was left, now and later; the group ends all."""
        self._tasks = tasks
        tasks.start_loop("recordings that were left", self._watch)

    def begin(self, file: Attachment) -> None:
        """Make the text of a recording, whose row says that it is worked on."""
        if file.id not in self._running:
            self._running[file.id] = anyio.CancelScope()
            self._tasks.start_job(self._run, file)

    def forget(self, attachment_id: UUID) -> None:
        """A file was deleted: its text is not made any more."""
        if (scope := self._running.get(attachment_id)) is not None:
            scope.cancel()

    async def _watch(self) -> None:
        while True:
            try:
                async with self._database.write() as session:
                    left = await attachments.take_working(session, self._database.run_id)
            except StorageUnavailable:
                left = ()  # logged already
            for file in left:
                self.begin(file)
            await anyio.sleep(LOOK_S)

    async def _run(self, file: Attachment) -> None:
        try:
            with self._running[file.id]:
                async with self._places:
                    await self._make(file)
        finally:
            del self._running[file.id]

    async def _make(self, file: Attachment) -> None:
        try:
            text = (await self._transcribe(file)).encode("utf-8", "replace")
        except PrompterError as error:
            failure = error.to_dict()
            await self._database.write_at_last(lambda session: attachments.fail(session, file.id, failure))
            return
        except Exception:
            # A bug, or a disk that fails: the file must not look as if it were still being worked on.
            failure = PrompterError("the server could not read this recording").to_dict()
            await self._database.write_at_last(lambda session: attachments.fail(session, file.id, failure))
            raise
        await self._keep(file, text)

    async def _keep(self, file: Attachment, text: bytes) -> None:
        total = count_tokens(len(text))
        tokens = min(total, self._text_tokens)

        async def store(session: Any) -> bool:
            await self._files.keep_text(file, text)
            return await attachments.finish(
                session, file.id, tokens=tokens, total_tokens=total, cut=tokens < total
            )

        await self._database.write_at_last(store)

    async def _transcribe(self, file: Attachment) -> str:
        path = self._files.locate_content(file)
        try:
            content = await anyio.to_thread.run_sync(lambda: path.open("rb"))
        except FileNotFoundError:
            raise NotFound("the recording is not in the data folder any more") from None
        with content:
            while True:
                try:
                    async with self._transcriptions.reserve():
                        job = self._transcriptions.create_job(content, TranscriptionRequest())
                        try:
                            await job.open()
                            return (await job.whole()).text
                        finally:
                            await job.aclose()
                except ServerFull as error:
                    await anyio.sleep(error.retry_after_s or RETRY_S)
