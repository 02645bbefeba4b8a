"""Exports a conversation, several or all of a user, as one file that is made while it is read."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

import anyio.to_thread

from app.core.config import ExportSettings
from app.core.errors import BadRequest, NotFound, PdfNotInstalled, PdfTooLarge
from app.services.history import export_html, export_json, export_markdown
from app.services.history.export_files import ExportedFiles, make_path
from app.services.history.export_pdf import PdfMaker
from app.services.history.export_words import ExportLanguage, Reader, find_zone
from app.services.history.export_zip import Entry, FileNames, write_zip
from app.storage import conversations, messages
from app.storage.common import utc_now
from app.storage.conversations import Conversation
from app.storage.database import Database
from app.storage.messages import Message

TextFormat = Literal["markdown", "json", "html"]
ExportFormat = Literal[TextFormat, "pdf", "zip"]
PAGE_SIZE = 25
"""Messages in memory at a time, each of which may have a million characters."""
ENDINGS: dict[ExportFormat, str] = {
    "markdown": "md",
    "json": "json",
    "html": "html",
    "pdf": "pdf",
    "zip": "zip",
}
UNNAMED = "conversation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """A file whose content is made while it is read."""

    title: str
    ending: str
    pieces: AsyncIterator[bytes]
    """The content. Close the generator when the reader leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A conversation, and the ids of its messages that a file has."""

    conversation: Conversation
    shown: Sequence[UUID]
    """The shown branch."""
    all: Sequence[UUID]
    """All branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bundle:
    """What a zip has so far."""

    names: FileNames = field(default_factory=FileNames)
    paths: set[str] = field(default_factory=set)
    """The places of attached files."""


class ConversationExporter:
    """Reads a few messages at a time, with no database session open while the client downloads them.

    Files for reading have the shown branch, JSON has all branches. An answer under way is exported as far as it is
    stored.
    """

    def __init__(self, database: Database, settings: ExportSettings, files: ExportedFiles) -> None:
        self._database = database
        self._files = files
        self._settings = settings
        self._pdf = PdfMaker(settings)

    async def export(
        self,
        user_id: UUID,
        conversation_id: UUID,
        form: ExportFormat,
        timezone: str = "UTC",
        language: ExportLanguage = "en",
    ) -> ExportFile:
        """Export one conversation.

        Raises:
            BadRequest: there is no zone of that name.
            NotFound: this user has no such conversation.
            PdfNotInstalled, PdfTooLarge, ServerFull: it cannot be made as PDF, which is ready when this returns.
            StorageUnavailable: the database cannot be read. The pieces raise it, too, and then the file is incomplete.
        """
        reader = await _make_reader(timezone, language)
        source, at = await self._open(user_id, conversation_id), utc_now()
        if form == "zip":
            pieces: AsyncIterator[bytes] = write_zip(self._list_entries(source, at, reader))
        elif form == "pdf":
            pieces = await self._pdf.make(self._write(source, "html", at, reader))
        else:
            pieces = self._write(source, form, at, reader)
        return ExportFile(title=source.conversation.title, ending=ENDINGS[form], pieces=pieces)

    async def export_several(
        self,
        user_id: UUID,
        ids: Sequence[UUID] | None,
        form: ExportFormat,
        timezone: str = "UTC",
        language: ExportLanguage = "en",
    ) -> ExportFile:
        """Export these conversations, or all: JSON as one file, other formats as a zip of files.

        One that is deleted before its turn is left out. Where no PDF file can be made of one, a note says why, and the
        zip goes on. Otherwise as `export`.
        """
        reader, at = await _make_reader(timezone, language), utc_now()
        ids = await self._find_ids(user_id, ids)
        if form == "pdf":
            self._check_pdf(len(ids))
        if form == "json":
            pieces = self._write_several(user_id, ids, at)
        else:
            pieces = write_zip(self._list_all_entries(user_id, ids, form, at, reader))
        title = reader.words.conversations.format(date=f"{at.astimezone(reader.zone):%Y-%m-%d}")
        return ExportFile(title=title, ending="json" if form == "json" else "zip", pieces=pieces)

    def _check_pdf(self, count: int) -> None:
        if count > (most := self._settings.pdf_conversations):
            raise BadRequest(
                f"at most {most} conversations are exported as PDF at a time (exports.pdf_conversations); "
                "name fewer, or export HTML"
            )
        self._pdf.check_room()

    async def _open(self, user_id: UUID, conversation_id: UUID) -> _Source:
        async with self._database.read() as session:
            conversation = await conversations.get(session, user_id, conversation_id)
            shown = await messages.list_ids(session, user_id, conversation_id, all_branches=False)
            every = await messages.list_ids(session, user_id, conversation_id, all_branches=True)
        return _Source(conversation=conversation, shown=shown, all=every)

    async def _find_ids(self, user_id: UUID, ids: Sequence[UUID] | None) -> Sequence[UUID]:
        async with self._database.read() as session:
            if ids is None:
                return await conversations.list_ids(session, user_id)
            if await conversations.count_own(session, user_id, ids) < len(set(ids)):
                raise conversations.unknown_conversation()
        return list(dict.fromkeys(ids))

    async def _iterate(self, user_id: UUID, ids: Sequence[UUID]) -> AsyncGenerator[_Source, None]:
        for id_ in ids:
            try:
                source = await self._open(user_id, id_)
            except NotFound:
                continue
            yield source

    async def _read_pages(
        self, source: _Source, ids: Sequence[UUID]
    ) -> AsyncGenerator[tuple[Message, ...], None]:
        """Read the messages page by page.

        Raises:
            NotFound: the conversation was deleted meanwhile.
        """
        for begin in range(0, len(ids), PAGE_SIZE):
            wanted = ids[begin : begin + PAGE_SIZE]
            async with self._database.read() as session:
                found = await messages.read_page(session, source.conversation.id, wanted)
            if len(found) < len(wanted):
                raise NotFound("the conversation was deleted while it was exported")
            yield found

    def _write(
        self, source: _Source, form: TextFormat, at: datetime, reader: Reader, *, links_files: bool = False
    ) -> AsyncIterator[bytes]:
        pages = self._read_pages(source, source.all if form == "json" else source.shown)
        if form == "json":
            return export_json.write_conversation(source.conversation, at, pages)
        if form == "html":
            album = self._files.open_album()
            return export_html.write_conversation(source.conversation, at, reader, pages, album)
        return export_markdown.write_conversation(
            source.conversation, at, reader, pages, links_files=links_files
        )

    async def _write_several(
        self, user_id: UUID, ids: Sequence[UUID], at: datetime
    ) -> AsyncGenerator[bytes, None]:
        yield export_json.begin_conversations(at)
        is_first = True
        async for source in self._iterate(user_id, ids):
            pages = self._read_pages(source, source.all)
            async for piece in export_json.write_item(source.conversation, pages, is_first=is_first):
                yield piece
            is_first = False
        yield export_json.END_OF_CONVERSATIONS

    async def _list_all_entries(
        self, user_id: UUID, ids: Sequence[UUID], form: ExportFormat, at: datetime, reader: Reader
    ) -> AsyncGenerator[Entry, None]:
        bundle = _Bundle()
        async for source in self._iterate(user_id, ids):
            if form == "zip":
                async for entry in self._list_entries(source, at, reader, bundle):
                    yield entry
            elif form == "pdf":
                if printed := await self._print(source, at, reader, bundle.names):
                    yield printed
            else:
                pieces = self._write(source, form, at, reader)
                yield _make_entry(source, ENDINGS[form], pieces, reader, bundle.names, is_dated=True)

    async def _list_entries(
        self, source: _Source, at: datetime, reader: Reader, bundle: _Bundle | None = None
    ) -> AsyncGenerator[Entry, None]:
        """The files of one conversation: to read, to process, and the attached ones, each content once."""
        one = _Bundle() if bundle is None else bundle
        for form in ("markdown", "json"):
            pieces = self._write(source, form, at, reader, links_files=True)
            yield _make_entry(source, ENDINGS[form], pieces, reader, one.names, is_dated=bundle is not None)
        async for page in self._read_pages(source, source.all):
            for file in (file for message in page for file in message.attachments):
                if (path := make_path(file)) not in one.paths and await self._files.has(file):
                    one.paths.add(path)
                    yield Entry(
                        name=path,
                        at=file.created_at.astimezone(reader.zone),
                        pieces=self._files.read(file),
                        is_compressed=file.kind not in ("text", "document"),
                    )

    async def _print(self, source: _Source, at: datetime, reader: Reader, names: FileNames) -> Entry | None:
        """Make the PDF of one of several, or a note that says why there is none; None if it was deleted meanwhile."""
        try:
            pieces = await self._pdf.make(self._write(source, "html", at, reader), waits=True)
        except NotFound:
            return None
        except (PdfNotInstalled, PdfTooLarge) as refusal:
            note = _write_note(f"{reader.words.not_printed}\n\n{refusal.message}\n")
            return _make_entry(source, "txt", note, reader, names, is_dated=True)
        return _make_entry(source, ENDINGS["pdf"], pieces, reader, names, is_dated=True)


def _make_entry(
    source: _Source,
    ending: str,
    pieces: AsyncIterator[bytes],
    reader: Reader,
    names: FileNames,
    *,
    is_dated: bool,
) -> Entry:
    begun = source.conversation.created_at.astimezone(reader.zone)
    title = f"{begun:%Y-%m-%d} {source.conversation.title}" if is_dated else source.conversation.title
    return Entry(
        name=names.choose(title, ending, unnamed=UNNAMED),
        at=source.conversation.updated_at.astimezone(reader.zone),
        pieces=pieces,
        is_compressed=ending == ENDINGS["pdf"],
    )


async def _write_note(text: str) -> AsyncGenerator[bytes, None]:
    yield text.encode()


async def _make_reader(timezone: str, language: ExportLanguage) -> Reader:
    return Reader(
        zone=await anyio.to_thread.run_sync(find_zone, timezone), language=language
    )  # it reads a file
