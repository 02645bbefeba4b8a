"""Stored dictations of a user: listed, read, found by label, exported as text or subtitles, and deleted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.core.errors import NotFound
from app.services.history.dictation_audio import KeptAudio
from app.services.history.dictation_writer import DictationWriter
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.storage import dictation_versions, dictations
from app.storage.common import Page
from app.storage.database import Database
from app.storage.dictations import StoredDictation, StoredFinal
from app.utils.ids import parse_id
from app.utils.joining import fit_texts
from app.utils.subtitles import to_srt, to_vtt

__all__ = ["DictationHistory", "StoredDictation", "StoredFinal", "find_latest_text", "tell_state"]

ToldState = Literal["recording", "heard", "final", "kept", "interrupted"]
"""`kept`: final, and its audio is here."""


class DictationHistory:
    """Reads and deletes dictations. A dictation of another user is `NotFound`, like one that does not exist.

    Reading waits for finals that are not stored yet, so that a client finds a final right after receiving it.
    """

    def __init__(
        self,
        database: Database,
        writer: DictationWriter,
        transcripts: RecentTranscripts,
        forget_audio: Callable[[UUID], Awaitable[None]],
    ) -> None:
        """`forget_audio` deletes what is on disk of the audio of a dictation, and ends what hears it again."""
        self._database = database
        self._writer = writer
        self._transcripts = transcripts
        self._forget_audio = forget_audio

    async def list_page(
        self, user_id: UUID, *, limit: int, before: str | None = None, q: str = ""
    ) -> Page[StoredDictation]:
        """Return one page, the latest start first; with `q` only dictations with a final that has all its words.

        Raises:
            BadRequest: `before` is not a cursor.
        """
        await self._writer.wait_until_stored()
        async with self._database.read() as session:
            return await dictations.list_page(session, user_id, limit=limit, before=before, q=q)

    async def get(self, user_id: UUID, dictation_id: str) -> tuple[StoredDictation, tuple[StoredFinal, ...]]:
        """Return a dictation and its finals in order, as the version that is shown has them.

        Raises:
            NotFound: this user has no such dictation, or the id is malformed.
        """
        id_ = _parse_id(dictation_id)
        await self._writer.wait_until_stored()
        async with self._database.read() as session:
            return await dictation_versions.get_shown(session, user_id, id_)

    async def delete(self, user_id: UUID, dictation_id: str) -> None:
        """Delete a dictation with its finals, in memory too. If it goes on, nothing more of it is stored.

        Raises:
            NotFound: this user has no such dictation, or the id is malformed.
        """
        id_ = _parse_id(dictation_id)
        async with self._database.write() as session:
            await dictations.remove(session, user_id, id_)
        self._transcripts.erase(id_)
        await self._forget_audio(id_)


def tell_state(dictation: StoredDictation, audio: KeptAudio | None) -> tuple[ToldState, KeptAudio | None]:
    """How far a dictation is, and its audio, which is shown once it is the audio of the whole."""
    if dictation.state != "final" or audio is None:
        return dictation.state, None
    return "kept", audio


async def find_latest_text(database: Database, label: SessionLabel) -> str | None:
    """Return the text of the latest stored dictation of a label; None if there is none."""
    async with database.read() as session:
        return await dictations.find_latest_text(session, label.owner, label.session_id)


def _parse_id(dictation_id: str) -> UUID:
    if (found := parse_id(dictation_id)) is None:
        raise NotFound("no dictation has this id; list yours with GET /api/dictations")
    return found


FinalsFormat = Literal["txt", "srt", "vtt"]
MEDIA_TYPES: dict[FinalsFormat, str] = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _SubtitleWord:
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _SubtitleSegment:
    text: str
    start_ms: int
    end_ms: int
    words: Sequence[_SubtitleWord]


def format_finals(finals: Sequence[StoredFinal], form: FinalsFormat) -> str:
    """Format finals as plain text with one line for each, or as subtitles."""
    texts = fit_texts([final.part for final in finals])
    if form == "txt":
        return "".join(f"{text}\n" for text in texts)
    segments = [_to_segment(final, text) for final, text in zip(finals, texts, strict=True)]
    return to_srt(segments) if form == "srt" else to_vtt(segments)


def _to_segment(final: StoredFinal, text: str) -> _SubtitleSegment:
    words = [
        _SubtitleWord(text=word["word"], start_ms=word["start_ms"], end_ms=word["end_ms"])
        for word in final.words or ()
    ]
    return _SubtitleSegment(text=text, start_ms=final.start_ms or 0, end_ms=final.end_ms or 0, words=words)
