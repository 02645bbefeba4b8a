"""Stored dictations of a user: listed, read, found by label, exported and deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.core.errors import NotFound
from app.services.history.dictation_writer import DictationWriter
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.storage import dictations
from app.storage.common import Page
from app.storage.database import Database
from app.storage.dictations import StoredDictation, StoredFinal
from app.utils.ids import parse_id
from app.utils.subtitles import to_srt, to_vtt

__all__ = ["DictationHistory", "StoredDictation", "StoredFinal", "find_latest_text"]


class DictationHistory:
    """What belongs to one user does not exist for another: `NotFound`, in the same words as of what is not there.

    Whoever asks right after a final finds it: what is on its way into the database is waited for.
    """

    def __init__(self, database: Database, writer: DictationWriter, transcripts: RecentTranscripts) -> None:
        self._database = database
        self._writer = writer
        self._transcripts = transcripts

    async def newest(
        self, user_id: UUID, *, limit: int, before: str | None = None, q: str = ""
    ) -> Page[StoredDictation]:
        """One page, the last started first; with `q` only those in which its words stand.

        Raises:
            BadRequest: `before` is no cursor.
        """
        await self._writer.settled()
        async with self._database.read() as session:
            return await dictations.list_page(session, user_id, limit=limit, before=before, q=q)

    async def get(self, user_id: UUID, dictation_id: str) -> tuple[StoredDictation, tuple[StoredFinal, ...]]:
        """A dictation and its finals in order.

        Raises:
            NotFound: this user has no such dictation; a malformed id is of none.
        """
        id_ = _known(dictation_id)
        await self._writer.settled()
        async with self._database.read() as session:
            return await dictations.get(session, user_id, id_)

    async def delete(self, user_id: UUID, dictation_id: str) -> None:
        """With its finals, also those in memory. Of one that goes on nothing more is kept.

        Raises:
            NotFound: as of `get`.
        """
        id_ = _known(dictation_id)
        async with self._database.write() as session:
            await dictations.remove(session, user_id, id_)
        self._transcripts.erase(id_)


async def find_latest_text(database: Database, label: SessionLabel) -> str | None:
    """What was said in the latest stored dictation of a label; None where there is none."""
    async with database.read() as session:
        return await dictations.find_latest_text(session, label.owner, label.session_id)


def _known(dictation_id: str) -> UUID:
    if (found := parse_id(dictation_id)) is None:
        raise NotFound("no dictation has this id; list yours with GET /api/dictations")
    return found


FinalsFormat = Literal["txt", "srt", "vtt"]
MEDIA_TYPES: dict[FinalsFormat, str] = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    start_ms: int
    end_ms: int
    words: Sequence[_Word]


def format_finals(finals: Sequence[StoredFinal], form: FinalsFormat) -> str:
    """Finals as a file: a line for each, or cues of one or more for each."""
    if form == "txt":
        return "".join(f"{final.text}\n" for final in finals)
    said = [_said(final) for final in finals]
    return to_srt(said) if form == "srt" else to_vtt(said)


def _said(final: StoredFinal) -> _Said:
    words = [_Word(word["word"], word["start_ms"], word["end_ms"]) for word in final.words or ()]
    return _Said(final.text, final.start_ms or 0, final.end_ms or 0, words)
