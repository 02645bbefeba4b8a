"""Versions of dictations: begun when a dictation is heard again, stored at once at the end, listed and chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.notes import NoteCode
from app.storage import dictations
from app.storage.common import execute_and_count, replace_unstorable, utc_now
from app.storage.dictations import NewFinal, StoredDictation, StoredFinal
from app.storage.tables import DictationRow, DictationVersionRow
from app.utils.joining import join_texts

VersionStatus = Literal["working", "done", "failed"]
INTERRUPTED: dict[str, Any] = {
    "code": "interrupted",
    "message": "the server stopped before this version was made; ask for it again",
    "note": {"code": NoteCode.REDO_INTERRUPTED.value, "params": {}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version as the database has it, without its finals."""

    id: UUID
    dictation_id: UUID
    status: VersionStatus
    provider: str | None
    model: str | None
    lang: str | None
    text: str
    final_count: int
    error: dict[str, Any] | None
    """Code, message and note of what has failed."""
    created_at: datetime
    ended_at: datetime | None
    is_current: bool = False
    """Whether the dictation is shown with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionResult:
    """What was heard."""

    provider: str
    model: str | None
    lang: str | None
    finals: Sequence[NewFinal]


async def create(
    session: AsyncSession,
    user_id: UUID,
    dictation_id: UUID,
    run_id: UUID,
    *,
    provider: str | None,
    model: str | None,
    lang: str | None,
) -> StoredVersion:
    """Begin a version.

    Raises:
        NotFound: this user has no such dictation.
    """
    await dictations.require(session, user_id, dictation_id)
    row = DictationVersionRow(
        dictation_id=dictation_id,
        status="working",
        provider=provider,
        model=model,
        lang=lang,
        run_id=run_id,
        text="",
        final_count=0,
        created_at=utc_now(),
    )
    session.add(row)
    await session.flush()
    return _to_version(row, None)


async def finish(session: AsyncSession, version_id: UUID, result: VersionResult) -> bool:
    """Store what was heard, and show it if it has words; False where the version was deleted meanwhile."""
    text = join_texts(final.part for final in result.finals)
    values = {
        "status": "done",
        "provider": result.provider,
        "model": result.model,
        "lang": result.lang,
        "text": text,
        "final_count": len(result.finals),
        "finals": [_dump_final(final) for final in result.finals],
        "run_id": None,
        "ended_at": utc_now(),
        "error": None,
    }
    if not await _end(session, version_id, values):
        return False
    if text.strip():
        row = DictationVersionRow
        mine = select(row.dictation_id).where(row.id == version_id).scalar_subquery()
        shown = update(DictationRow).where(DictationRow.id == mine).values(current_version_id=version_id)
        await session.execute(shown, execution_options={"synchronize_session": False})
    return True


async def fail(session: AsyncSession, version_id: UUID, error: dict[str, Any]) -> bool:
    """Store why a version could not be made; False where it was deleted meanwhile."""
    values = {"status": "failed", "error": error, "run_id": None, "ended_at": utc_now()}
    return await _end(session, version_id, values)


async def interrupt(session: AsyncSession, whose: ColumnElement[bool]) -> int:
    """Mark versions that nobody makes any more, by `run_id`; their number."""
    row = DictationVersionRow
    values = {"status": "failed", "error": INTERRUPTED, "run_id": None, "ended_at": utc_now()}
    return await execute_and_count(
        session, update(row).where(row.status == "working", whose).values(**values)
    )


async def list_all(session: AsyncSession, user_id: UUID, dictation_id: UUID) -> tuple[StoredVersion, ...]:
    """Return the versions of a dictation, the oldest first, without what was heard live.

    Raises:
        NotFound: this user has no such dictation.
    """
    await dictations.require(session, user_id, dictation_id)
    shown = await _find_shown(session, dictation_id)
    row = DictationVersionRow
    statement = select(*_SUMMARY).where(row.dictation_id == dictation_id).order_by(row.id)
    return tuple(_to_version(found, shown) for found in await session.execute(statement))


async def count(session: AsyncSession, dictation_id: UUID, *, working: bool = False) -> int:
    """Return the number of versions of a dictation, or of those that are being made."""
    row = DictationVersionRow
    statement = select(func.count()).where(row.dictation_id == dictation_id)
    if working:
        statement = statement.where(row.status == "working")
    return await session.scalar(statement) or 0


async def get(
    session: AsyncSession, user_id: UUID, dictation_id: UUID, version_id: UUID
) -> tuple[StoredVersion, tuple[StoredFinal, ...]]:
    """Return a version with its finals.

    Raises:
        NotFound: this user has no such dictation, or it has no such version.
    """
    await dictations.require(session, user_id, dictation_id)
    mine = (DictationVersionRow.id == version_id, DictationVersionRow.dictation_id == dictation_id)
    row = await session.scalar(select(DictationVersionRow).where(*mine))
    if row is None:
        raise unknown_version()
    made_at = row.ended_at or row.created_at
    finals = tuple(_load_final(n, fields, made_at) for n, fields in enumerate(row.finals or ()))
    return _to_version(row, await _find_shown(session, dictation_id)), finals


async def get_shown(
    session: AsyncSession, user_id: UUID, dictation_id: UUID
) -> tuple[StoredDictation, tuple[StoredFinal, ...]]:
    """Return a dictation and its finals, as the version that is shown has them.

    Raises:
        NotFound: this user has no such dictation.
    """
    dictation, finals = await dictations.get(session, user_id, dictation_id)
    if (version_id := await _find_shown(session, dictation_id)) is None:
        return dictation, finals
    version, finals = await get(session, user_id, dictation_id, version_id)
    shown = replace(
        dictation,
        version_id=version.id,
        lang=version.lang,
        provider=version.provider,
        model=version.model,
        finals=len(finals),
        first_text=next((final.text for final in finals if final.text), ""),
    )
    return shown, finals


async def choose(session: AsyncSession, user_id: UUID, dictation_id: UUID, version_id: UUID | None) -> None:
    """Show another version; None shows what was heard live.

    Raises:
        NotFound: this user has no such dictation, or it has no such version that is done.
    """
    await dictations.require(session, user_id, dictation_id)
    row = DictationVersionRow
    if version_id is not None:
        done = (row.id == version_id, row.dictation_id == dictation_id, row.status == "done")
        if await session.scalar(select(row.id).where(*done)) is None:
            raise unknown_version()
    await _show(session, dictation_id, version_id)


async def remove(session: AsyncSession, user_id: UUID, dictation_id: UUID, version_id: UUID) -> None:
    """Delete a version. Where it is shown, what was heard live is shown again.

    Raises:
        NotFound: this user has no such dictation, or it has no such version.
    """
    await dictations.require(session, user_id, dictation_id)
    row = DictationVersionRow
    mine = (row.id == version_id, row.dictation_id == dictation_id)
    if not await execute_and_count(session, delete(row).where(*mine)):
        raise unknown_version()
    if await _find_shown(session, dictation_id) == version_id:
        await _show(session, dictation_id, None)


def unknown_version() -> NotFound:
    return NotFound("this dictation has no such version; GET /api/dictations/{id}/versions lists them")


async def _find_shown(session: AsyncSession, dictation_id: UUID) -> UUID | None:
    return await session.scalar(
        select(DictationRow.current_version_id).where(DictationRow.id == dictation_id)
    )


async def _show(session: AsyncSession, dictation_id: UUID, version_id: UUID | None) -> None:
    shown = update(DictationRow).where(DictationRow.id == dictation_id).values(current_version_id=version_id)
    await session.execute(shown, execution_options={"synchronize_session": False})


async def _end(session: AsyncSession, version_id: UUID, values: dict[str, Any]) -> bool:
    row = DictationVersionRow
    mine = (row.id == version_id, row.status == "working")
    return await execute_and_count(session, update(row).where(*mine).values(**values)) == 1


def _dump_final(final: NewFinal) -> dict[str, Any]:
    words = final.words and [{**word, "word": replace_unstorable(word["word"])} for word in final.words]
    return {
        "utterance_id": final.utterance_id,
        "text": replace_unstorable(final.text),
        "start_ms": final.start_ms,
        "end_ms": final.end_ms,
        "lang": final.lang,
        "joined": final.joined,
        "words": words,
    }


def _load_final(n: int, fields: dict[str, Any], created_at: datetime) -> StoredFinal:
    return StoredFinal(
        n=n,
        utterance_id=fields["utterance_id"],
        text=fields["text"],
        start_ms=fields["start_ms"],
        end_ms=fields["end_ms"],
        lang=fields["lang"],
        joined=fields["joined"],
        words=fields["words"],
        created_at=created_at,
    )


_SUMMARY = (
    DictationVersionRow.id,
    DictationVersionRow.dictation_id,
    DictationVersionRow.status,
    DictationVersionRow.provider,
    DictationVersionRow.model,
    DictationVersionRow.lang,
    DictationVersionRow.text,
    DictationVersionRow.final_count,
    DictationVersionRow.error,
    DictationVersionRow.created_at,
    DictationVersionRow.ended_at,
)


def _to_version(row: Any, shown: UUID | None) -> StoredVersion:
    """Of a whole row, or of the columns of `_SUMMARY`."""
    return StoredVersion(
        id=row.id,
        dictation_id=row.dictation_id,
        status=cast("VersionStatus", row.status),
        provider=row.provider,
        model=row.model,
        lang=row.lang,
        text=row.text,
        final_count=row.final_count,
        error=row.error,
        created_at=row.created_at,
        ended_at=row.ended_at,
        is_current=row.id == shown,
    )
