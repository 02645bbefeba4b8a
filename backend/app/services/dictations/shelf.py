"""Stored dictations, for the one who spoke: listed, read, found by label, deleted."""

from uuid import UUID

from app.services.dictations.writer import Writer
from app.services.transcripts import Label, Transcripts
from app.storage import dictations
from app.storage.common import Page
from app.storage.database import Database
from app.storage.dictations import Dictation, Final


class Dictations:
    """What belongs to one user does not exist for another: `NotFound`, in the same words as of what is not there.

    Whoever asks right after a final finds it: what is on its way into the database is waited for.
    """

    def __init__(self, database: Database, writer: Writer, transcripts: Transcripts) -> None:
        self._database = database
        self._writer = writer
        self._transcripts = transcripts

    async def newest(
        self, user_id: UUID, *, limit: int, before: str | None = None, q: str = ""
    ) -> Page[Dictation]:
        """One page, the last started first; with `q` only those in which its words stand.

        Raises:
            BadRequest: `before` is no cursor.
        """
        await self._writer.settled()
        async with self._database.read() as session:
            return await dictations.newest(session, user_id, limit=limit, before=before, q=q)

    async def get(self, user_id: UUID, dictation_id: UUID) -> tuple[Dictation, tuple[Final, ...]]:
        """Raises: NotFound"""
        await self._writer.settled()
        async with self._database.read() as session:
            return await dictations.get(session, user_id, dictation_id)

    async def delete(self, user_id: UUID, dictation_id: UUID) -> None:
        """With its finals, also those in memory. Of one that goes on nothing more is kept.

        Raises:
            NotFound
        """
        async with self._database.write() as session:
            await dictations.remove(session, user_id, dictation_id)
        self._transcripts.erase(dictation_id)


async def latest_text(database: Database, label: Label) -> str | None:
    """What was said in the latest stored dictation of a label; None where there is none."""
    async with database.read() as session:
        return await dictations.latest_text(session, label.owner, label.session_id)
