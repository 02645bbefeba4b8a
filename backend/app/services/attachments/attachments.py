"""The files of all users: taken and read, given back, given to models, and deleted with their last message."""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar
from uuid import UUID

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import (
    AttachmentNotReady,
    AttachmentsFull,
    NotFound,
    ServerFull,
    StorageUnavailable,
    UnsupportedFile,
)
from app.core.idempotency import RequestKey
from app.core.supervision import Supervisor
from app.providers.files.mp4 import blank_metadata
from app.providers.files.reader import FileReader, ReadFile
from app.providers.files.sniffing import KNOWN, FileType, sniff_file
from app.services.attachments.parts import (
    TOKEN_BYTES,
    FileParts,
    FilePlan,
    count_tokens,
    count_views,
    describe_file,
    make_data_url,
    plan_files,
)
from app.services.attachments.recordings import RecordingTexts
from app.services.transcription.job import TranscriptionService
from app.storage import attachments, idempotency
from app.storage.attached_files import CONTENT, TEXT, THUMBNAIL, AttachedFiles, name_view
from app.storage.attachments import Attachment, NewAttachment
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.messages import Message
from app.utils.attached_names import make_name

__all__ = ["Attachment", "Attachments"]
logger = logging.getLogger(__name__)

SWEEP_S = 3600.0
"""Time between two looks at everything (s)."""
RETRY_S = 5.0
DRAFT_S = 3600.0
"""The longest that a file is being taken (s)."""
T = TypeVar("T")


class Attachments:
    """Takes and keeps files. What belongs to another user is `NotFound`, in the words of what is missing."""

    def __init__(
        self, settings: Settings, database: Database, transcriptions: TranscriptionService | None = None
    ) -> None:
        """Without `transcriptions` recordings are refused."""
        self._settings = settings.attachments
        self._database = database
        self._files = AttachedFiles(settings.data_dir)
        self._reader = FileReader(self._settings.readers, self._settings.text_tokens * TOKEN_BYTES)
        self.tasks = Supervisor("attached files")
        self._recordings = (
            RecordingTexts(database, self, transcriptions, self._settings.text_tokens)
            if transcriptions is not None
            else None
        )
        self._changed: set[UUID] = set()
        self._wake = anyio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Delete what nobody has any more, until the block ends."""
        async with self.tasks.run():
            self.tasks.start_loop("deleted files", self._sweep_loop)
            if self._recordings is not None:
                self._recordings.start(self.tasks)
            yield

    # -- take

    async def add(
        self, user_id: UUID, file: BinaryIO, name: str, key: RequestKey | None = None
    ) -> Attachment:
        """Take a file, which stays the caller's. The same `key` takes no second one.

        Raises:
            UnsupportedFile: it is none of the known kinds.
            FileNotReadable: it is damaged, too large inside, or takes too much to read.
            AttachmentsFull: the user's files take as much as they may.
            IdReused, NotFound, StorageUnavailable
        """
        kind = await anyio.to_thread.run_sync(sniff_file, file, name)
        is_recording = kind is not None and kind.kind in ("audio", "video")
        if kind is None or (is_recording and self._recordings is None):
            raise UnsupportedFile(f"this is no file that a message can have; expected {KNOWN}", param="file")
        read = ReadFile(media_type=kind.media_type) if is_recording else await self._reader.read(file, kind)
        parts = await anyio.to_thread.run_sync(_make_parts, file, kind, read)
        new = _describe(kind, read, parts, make_name(name, read.media_type))
        if is_recording:
            new = replace(new, state="working", run_id=self._database.run_id)
        made = await self._store(user_id, new, parts, key)
        if made.state == "working" and self._recordings is not None:
            self._recordings.begin(made)
        return made

    async def _store(
        self, user_id: UUID, new: NewAttachment, parts: dict[str, bytes], key: RequestKey | None
    ) -> Attachment:
        draft = await self._do(self._files.write_draft, parts)
        try:
            async with self._database.write() as session:
                if made := await idempotency.claim(session, user_id, key):
                    return await attachments.get(session, user_id, made)
                await attachments.lock_owner(session, user_id)
                if new.sha256 not in await attachments.list_contents(session, user_id):
                    self._refuse_full(await attachments.sum_bytes(session, user_id) + new.size_bytes)
                if new.state == "working":
                    self._refuse_queue(await attachments.count_working(session, user_id))
                created = await attachments.create(session, user_id, new)
                await idempotency.note_made(session, user_id, key, created.id)
                # Under the lock: nobody finds the content without its row and deletes it.
                await self._do(self._files.publish, draft, user_id, new.sha256)
                return created
        finally:
            await anyio.to_thread.run_sync(self._files.discard, draft)

    def _refuse_full(self, size_bytes: int) -> None:
        if size_bytes > self._settings.user_mb * 1_000_000:
            raise AttachmentsFull(
                f"your files may take {self._settings.user_mb} MB (attachments.user_mb); delete some first"
            )

    def _refuse_queue(self, waiting: int) -> None:
        if waiting >= self._settings.transcriptions:
            raise ServerFull(
                f"{waiting} attached recordings of yours are being transcribed (attachments.transcriptions); try again "
                "when one is ready",
                retry_after_s=10,
            )

    # -- recordings

    def locate_content(self, file: Attachment) -> Path:
        """Where the content of a file is."""
        return self._locate(file, CONTENT)

    async def keep_text(self, file: Attachment, text: bytes) -> None:
        """Keep the text of a recording beside its content. Raises StorageUnavailable."""
        await self._do(self._files.add, file.user_id, file.sha256, TEXT, text)

    # -- give back

    async def get(self, user_id: UUID, attachment_id: UUID) -> Attachment:
        """One file. Raises NotFound."""
        async with self._database.read() as session:
            return await attachments.get(session, user_id, attachment_id)

    async def find_content(self, user_id: UUID, attachment_id: UUID) -> tuple[Attachment, Path]:
        """A file, and where its content is. Raises NotFound, also where the content is gone."""
        return await self._find(user_id, attachment_id, CONTENT)

    async def find_thumbnail(self, user_id: UUID, attachment_id: UUID) -> tuple[Attachment, Path]:
        """The same for its thumbnail. Raises NotFound, also where it has none."""
        return await self._find(user_id, attachment_id, THUMBNAIL)

    async def read_text(self, user_id: UUID, attachment_id: UUID) -> tuple[Attachment, str]:
        """The text of a file as far as a model is sent it. Raises NotFound, also where it has none."""
        found, path = await self._find(user_id, attachment_id, TEXT)
        data = await self._do(_read_beginning, path, (found.tokens or 0) * TOKEN_BYTES)
        return found, data

    async def _find(self, user_id: UUID, attachment_id: UUID, name: str) -> tuple[Attachment, Path]:
        found = await self.get(user_id, attachment_id)
        path = self._files.find(user_id, found.sha256, name)
        if not await anyio.to_thread.run_sync(path.is_file):
            what = {CONTENT: "content", TEXT: "text", THUMBNAIL: "thumbnail"}[name]
            raise NotFound(f"this attachment has no {what}; `GET /api/attachments/{{id}}` says what it has")
        return found, path

    async def delete(self, user_id: UUID, attachment_id: UUID) -> None:
        """Delete a file, also one that a message has. Raises NotFound."""
        async with self._database.write() as session:
            await attachments.remove(session, user_id, attachment_id)
        if self._recordings is not None:
            self._recordings.forget(attachment_id)
        self.note_change(user_id)

    async def discard_unsent(self, user_id: UUID, ids: Sequence[UUID]) -> None:
        """Delete those of these files that no message has."""
        async with self._database.write() as session:
            count = await attachments.remove_unsent_of(session, user_id, ids)
        if count:
            self.note_change(user_id)

    # -- for models

    async def check_sendable(self, user_id: UUID, ids: Sequence[UUID]) -> tuple[Attachment, ...]:
        """The files that a message is going to have. Raises NotFound."""
        async with self._database.read() as session:
            return tuple([await attachments.get(session, user_id, each) for each in dict.fromkeys(ids)])

    async def load_parts(self, branch: Sequence[Message], sees: bool | None) -> dict[UUID, FileParts]:
        """What a model is sent of the files of these messages, by the ids of the messages."""
        plans = plan_files(
            branch, sees=sees, text_tokens=self._settings.text_tokens, pictures=self._settings.images
        )
        return await anyio.to_thread.run_sync(self._load, plans) if plans else {}

    async def load_one(self, user_id: UUID, attachment_id: UUID, sees: bool | None) -> FileParts:
        """What a model is sent of one file.

        Raises:
            NotFound: this user has no such file.
            AttachmentNotReady: its text is still being made, or could not be made.
        """
        file = await self.get(user_id, attachment_id)
        if file.state != "ready":
            raise AttachmentNotReady("the text of this attachment is not ready; see its `state`")
        text_bytes = (file.tokens or 0) * TOKEN_BYTES
        plan = FilePlan(file=file, text_bytes=text_bytes, views=count_views(file, sees))
        return await anyio.to_thread.run_sync(self._load_one, [plan])

    async def read_unkept(self, file: BinaryIO, name: str) -> tuple[FileType, ReadFile | None]:
        """What a file is that is not kept, and what was read of it; None for a picture and a recording.

        Raises:
            UnsupportedFile, FileNotReadable
        """
        kind = await anyio.to_thread.run_sync(sniff_file, file, name)
        if kind is None:
            raise UnsupportedFile(f"this is no file that a model can be sent; expected {KNOWN}")
        if kind.kind in ("text", "document"):
            return kind, await self._reader.read(file, kind)
        return kind, None

    def _load(self, plans: dict[UUID, list[FilePlan]]) -> dict[UUID, FileParts]:
        return {message_id: self._load_one(files) for message_id, files in plans.items()}

    def _load_one(self, plans: Sequence[FilePlan]) -> FileParts:
        texts, pictures = [], []
        for plan in plans:
            text = None
            try:
                if plan.text_bytes:
                    text = _read_beginning(self._locate(plan.file, TEXT), plan.text_bytes)
                pictures += [make_data_url(picture) for picture in self._read_views(plan)]
            except OSError:
                logger.warning("an attached file is not in the data folder: a model is sent its name alone")
            texts.append(describe_file(plan, text))
        return FileParts(text="\n".join(texts), pictures=tuple(pictures))

    def _read_views(self, plan: FilePlan) -> list[bytes]:
        file = plan.file
        if plan.views and not self._locate(file, name_view(1)).is_file():
            return [self._locate(file, CONTENT).read_bytes()]
        return [self._locate(file, name_view(number + 1)).read_bytes() for number in range(plan.views)]

    def _locate(self, file: Attachment, name: str) -> Path:
        return self._files.find(file.user_id, file.sha256, name)

    # -- delete

    def note_change(self, user_id: UUID) -> None:
        """Files, messages or conversations of this user were deleted: what no file has is deleted from the disk."""
        self._changed.add(user_id)
        self._wake.set()

    async def _sweep_loop(self) -> None:
        due_s = 0.0
        while True:
            try:
                if time.monotonic() >= due_s:
                    await self._sweep_all()
                    due_s = time.monotonic() + SWEEP_S
                while self._changed:
                    # First: what is deleted while the user's files are swept needs another look.
                    user_id = self._changed.pop()
                    await self._sweep_changed(user_id)
            except (StorageUnavailable, OSError):
                await anyio.sleep(RETRY_S)  # logged already, or a disk that fails
                continue
            with anyio.move_on_after(max(0.0, due_s - time.monotonic())):
                await self._wake.wait()
            self._wake = anyio.Event()

    async def _sweep_changed(self, user_id: UUID) -> None:
        try:
            await self._sweep_user(user_id)
        except (StorageUnavailable, OSError):
            self._changed.add(user_id)
            raise

    async def _sweep_all(self) -> None:
        before = utc_now() - timedelta(hours=self._settings.unsent_hours)
        async with self._database.write() as session:
            await attachments.remove_unsent(session, before)
        await anyio.to_thread.run_sync(self._files.remove_drafts, DRAFT_S, time.time())
        for user_id in await anyio.to_thread.run_sync(self._files.list_users):
            await self._sweep_user(user_id)

    async def _sweep_user(self, user_id: UUID) -> None:
        """Delete the contents that no file of a user has."""
        async with self._database.write() as session:
            if not await attachments.lock_owner(session, user_id):
                await anyio.to_thread.run_sync(self._files.remove_user, user_id)
                return
            used = await attachments.list_contents(session, user_id)
            for sha256 in await anyio.to_thread.run_sync(self._files.list_contents, user_id):
                if sha256 not in used:
                    await anyio.to_thread.run_sync(self._files.remove, user_id, sha256)

    async def _do(self, function: Callable[..., T], *arguments: object) -> T:
        """Work on the data folder in a thread.

        Raises:
            StorageUnavailable: the disk is full, or fails.
        """
        try:
            return await anyio.to_thread.run_sync(function, *arguments)
        except OSError as error:
            reason = error.strerror or "it fails"
            raise StorageUnavailable(
                f"the data folder cannot be used: {reason}; nothing was kept; free some space, then try again"
            ) from error


def _make_parts(file: BinaryIO, kind: FileType, read: ReadFile) -> dict[str, bytes]:
    """The files of a content. Raises FileNotReadable."""
    content = read.content
    if content is None:
        file.seek(0)
        content = file.read()
        if kind.format == "mov":
            content = blank_metadata(content)
    parts = {CONTENT: content}
    if read.text is not None:
        parts[TEXT] = read.text
    if read.thumbnail is not None:
        parts[THUMBNAIL] = read.thumbnail
    return parts | {name_view(number): view for number, view in enumerate(read.views, 1)}


def _describe(kind: FileType, read: ReadFile, parts: dict[str, bytes], name: str) -> NewAttachment:
    content, text = parts[CONTENT], read.text or b""
    total = count_tokens(max(read.total_bytes, len(text)))
    return NewAttachment(
        name=name,
        kind=kind.kind,
        media_type=read.media_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=read.width,
        height=read.height,
        pages=read.pages,
        tokens=count_tokens(len(text)) if text.strip() else None,
        total_tokens=total if text.strip() else None,
        cut=bool(text.strip()) and read.total_bytes > len(text),
        views=len(read.views) or int(read.shows_content),
        has_thumbnail=read.thumbnail is not None,
    )


def _read_beginning(path: Path, size_bytes: int) -> str:
    with path.open("rb") as file:
        return file.read(size_bytes).decode("utf-8", "ignore")
