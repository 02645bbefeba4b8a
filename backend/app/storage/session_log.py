"""The log of live speech sessions, with which another server goes on: written by whoever holds the fence. PostgreSQL.

Each session has an epoch, which rises when a process takes the session. Every statement that writes names the epoch, so
a process that was stopped, and believes that it still has the session, changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.common import execute_and_count
from app.storage.tables import (
    DictationRow,
    RunRow,
    SpeechSessionAudioRow,
    SpeechSessionEventRow,
    SpeechSessionRow,
)

_APPEND = text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]), CAST(:states AS text[]))
            AS each (id, epoch, state)
    ), owned AS (
        UPDATE speech_sessions SET state = given.state, touched_at = clock_timestamp()
        FROM given WHERE speech_sessions.id = given.id AND speech_sessions.epoch = given.epoch
        RETURNING speech_sessions.id
    ), heard AS (
        INSERT INTO speech_session_audio (session_id, position, until, pcm)
        SELECT each.id, position, position + octet_length(pcm), pcm
        FROM unnest(CAST(:audio_ids AS uuid[]), CAST(:positions AS bigint[]), CAST(:pcms AS bytea[]))
            AS each (id, position, pcm) JOIN owned ON owned.id = each.id
        ON CONFLICT (session_id, position) DO UPDATE SET until = excluded.until, pcm = excluded.pcm
    ), told AS (
        INSERT INTO speech_session_events (session_id, seq, event)
        SELECT each.id, seq, event
        FROM unnest(CAST(:event_ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:events AS text[]))
            AS each (id, seq, event) JOIN owned ON owned.id = each.id
        ON CONFLICT (session_id, seq) DO NOTHING
    )
    SELECT id FROM owned
    """
)
"""A repeated append, after a commit of which nobody knows, has the same positions and numbers, and all of it again."""

_BEGIN = text(
    """
    INSERT INTO speech_sessions (id, user_id, dictation_id, run_id, epoch, token_hash, label, earlier_token_hash,
        earlier_label, about, state, touched_at)
    SELECT CAST(:id AS uuid), users.id, CAST(:dictation_id AS uuid), CAST(:run_id AS uuid), :epoch, :token_hash,
        CAST(:label AS text), CAST(:earlier_token_hash AS text), CAST(:earlier_label AS text), :about, '{}',
        clock_timestamp()
    FROM users WHERE users.id = CAST(:user_id AS uuid)
    ON CONFLICT (id) DO UPDATE SET dictation_id = excluded.dictation_id, token_hash = excluded.token_hash,
        label = excluded.label, earlier_token_hash = excluded.earlier_token_hash,
        earlier_label = excluded.earlier_label, about = excluded.about
    WHERE speech_sessions.epoch = excluded.epoch
    RETURNING id
    """
)
"""A session begins, or its next dictation does."""

_TRIM = text(
    """
    DELETE FROM speech_session_audio USING unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]),
        CAST(:needed AS bigint[])) AS each (id, epoch, needed), speech_sessions AS owner
    WHERE session_id = each.id AND until <= needed AND owner.id = each.id AND owner.epoch = each.epoch
    """
)
_TRIM_EVENTS = text(
    """
    DELETE FROM speech_session_events USING unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]),
        CAST(:lost AS bigint[])) AS each (id, epoch, lost), speech_sessions AS owner
    WHERE session_id = each.id AND seq <= lost AND owner.id = each.id AND owner.epoch = each.epoch
    """
)


class SessionTaken(Exception):
    """Another process has taken the session meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBeginning:
    """A dictation of a session that begins."""

    id: UUID
    epoch: int
    user_id: UUID
    dictation_id: UUID
    run_id: UUID
    token_hash: str
    label: str | None
    earlier_token_hash: str | None
    earlier_label: str | None
    about: str

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAppend:
    """What has come to a session since the last append, and how far it is now."""

    id: UUID
    epoch: int
    state: str
    position: int = 0
    pcm: bytes = b""
    events: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTrim:
    """What of a session nobody needs any more."""

    id: UUID
    epoch: int
    needed: int
    """Audio before this byte is not heard again."""
    lost_seq: int
    """Events up to this number are not sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSession:
    """A session as the log has it."""

    id: UUID
    epoch: int
    user_id: UUID
    dictation_id: UUID
    label: str | None
    """Of the token that was asked for; of the last one where none was."""
    token_hash: str
    earlier_token_hash: str | None
    earlier_label: str | None
    about: str
    state: str
    audio: Sequence[tuple[int, bytes]] = field(default=(), repr=False)
    """Position and PCM16 of each piece, in order."""
    events: Sequence[str] = field(default=(), repr=False)
    """In order."""


async def begin(session: AsyncSession, beginning: SessionBeginning) -> bool:
    """Begin a session or its next dictation, without audio; false where another process has it, or its user is gone."""
    if (await session.execute(_BEGIN, beginning.values())).scalar() is None:
        return False
    audio = SpeechSessionAudioRow
    await session.execute(delete(audio).where(audio.session_id == beginning.id))
    return True


async def append(session: AsyncSession, appends: Sequence[SessionAppend]) -> set[UUID]:
    """Append to these sessions with one statement; those that this process still has. To others nothing is added."""
    heard = [each for each in appends if each.pcm]
    told = [(each.id, seq, event) for each in appends for seq, event in each.events]
    values = {
        "ids": [each.id for each in appends],
        "epochs": [each.epoch for each in appends],
        "states": [each.state for each in appends],
        "audio_ids": [each.id for each in heard],
        "positions": [each.position for each in heard],
        "pcms": [each.pcm for each in heard],
        "event_ids": [id_ for id_, _, _ in told],
        "seqs": [seq for _, seq, _ in told],
        "events": [event for _, _, event in told],
    }
    return set((await session.execute(_APPEND, values)).scalars())


async def touch(session: AsyncSession, run_id: UUID, ids: Collection[UUID]) -> dict[UUID, int]:
    """Say that this process goes on with these sessions; the epochs of those that it has."""
    row = SpeechSessionRow
    mine = (row.run_id == run_id, row.id.in_(ids))
    renewed = update(row).where(*mine).values(touched_at=func.clock_timestamp())
    return {each.id: each.epoch for each in await session.execute(renewed.returning(row.id, row.epoch))}


async def find_epochs(session: AsyncSession, run_id: UUID, ids: Collection[UUID]) -> dict[UUID, int]:
    """The epochs of those of these sessions that this process has; waits for nobody who writes."""
    row = SpeechSessionRow
    found = select(row.id, row.epoch).where(row.run_id == run_id, row.id.in_(ids))
    return {each.id: each.epoch for each in await session.execute(found)}


async def hold(session: AsyncSession, session_id: UUID, epoch: int) -> None:
    """Keep others from taking this session before the commit.

    Raises:
        SessionTaken: somebody has.
    """
    row = SpeechSessionRow
    held = select(row.id).where(row.id == session_id, row.epoch == epoch).with_for_update()
    if await session.scalar(held) is None:
        raise SessionTaken


async def renew_token(session: AsyncSession, session_id: UUID, epoch: int, token_hash: str) -> None:
    """Let a session of this epoch be found by a further token, beside the last one."""
    row = SpeechSessionRow
    mine = update(row).where(row.id == session_id, row.epoch == epoch)
    earlier = {"earlier_token_hash": row.token_hash, "earlier_label": row.label}
    await session.execute(mine.values(token_hash=token_hash, **earlier))


async def trim(session: AsyncSession, trims: Sequence[SessionTrim]) -> None:
    """Delete what is not needed any more."""
    named = {"ids": [each.id for each in trims], "epochs": [each.epoch for each in trims]}
    await session.execute(_TRIM, {**named, "needed": [each.needed for each in trims]})
    await session.execute(_TRIM_EVENTS, {**named, "lost": [each.lost_seq for each in trims]})


async def remove(session: AsyncSession, ended: Collection[tuple[UUID, int]]) -> set[UUID]:
    """Forget these sessions of these epochs, which are over; those that this process had."""
    row = SpeechSessionRow
    these = delete(row).where(tuple_(row.id, row.epoch).in_(ended)).returning(row.id)
    return set(await session.scalars(these))


async def find(session: AsyncSession, user_id: UUID, token_hash: str) -> LoggedSession | None:
    """This user's session with this token, without audio and events."""
    row = SpeechSessionRow
    either = or_(row.token_hash == token_hash, row.earlier_token_hash == token_hash)
    found = await session.scalar(select(row).where(row.user_id == user_id, either))
    return None if found is None else _to_session(found, token_hash)


async def find_dictation(session: AsyncSession, user_id: UUID, dictation_id: UUID) -> LoggedSession | None:
    """This user's session that has this dictation, without audio and events."""
    row = SpeechSessionRow
    found = await session.scalar(select(row).where(row.user_id == user_id, row.dictation_id == dictation_id))
    return None if found is None else _to_session(found)


async def take(
    session: AsyncSession, session_id: UUID, run_id: UUID, *, left_for_s: float | None = None
) -> LoggedSession | None:
    """Take a session for this process, from whichever has it; None where it is over.

    `left_for_s`: only one that nobody has taken for so long, from a process that is gone, or from this one, which could
    not go on with it; of several that look after those, one has it. Whatever the other process has not written by now
    it never writes: no event, no audio, and no final of the dictation.
    """
    row, audio, event = SpeechSessionRow, SpeechSessionAudioRow, SpeechSessionEventRow
    taken = update(row).where(row.id == session_id)
    if left_for_s is not None:
        taken = taken.where(_has_no_process(run_id), _is_left_for(left_for_s))
    taken = taken.values(epoch=row.epoch + 1, run_id=run_id, touched_at=func.clock_timestamp())
    if await session.scalar(taken.returning(row.epoch)) is None:
        return None
    found = (await session.execute(select(row).where(row.id == session_id))).scalar_one()
    goes_on = (DictationRow.id == found.dictation_id, DictationRow.state != "final")
    of_dictation = update(DictationRow).where(*goes_on)
    await session.execute(of_dictation.values(run_id=run_id, state="recording"))
    heard = select(audio.position, audio.pcm).where(audio.session_id == session_id).order_by(audio.position)
    told = select(event.event).where(event.session_id == session_id).order_by(event.seq)
    pieces = [(position, pcm) for position, pcm in await session.execute(heard)]
    return _to_session(found, audio=pieces, events=list(await session.scalars(told)))


async def list_orphans(
    session: AsyncSession, run_id: UUID, known: Collection[UUID], older_than_s: float, limit: int
) -> list[UUID]:
    """Sessions whose processes are gone, and those that this process has taken and does not know, left for so long."""
    row = SpeechSessionRow
    orphans = select(row.id).where(_has_no_process(run_id), row.id.not_in(known), _is_left_for(older_than_s))
    return list(await session.scalars(orphans.order_by(row.touched_at).limit(limit)))


async def remove_left(session: AsyncSession, run_id: UUID, older_than_s: float) -> int:
    """Forget the sessions of which no process has made text for so long; return how many there were."""
    row = SpeechSessionRow
    left = delete(row).where(row.run_id.not_in(select(RunRow.id)), _is_left_for(older_than_s))
    return await execute_and_count(session, left.where(row.run_id != run_id))


def _has_no_process(run_id: UUID) -> ColumnElement[bool]:
    row = SpeechSessionRow
    return or_(row.run_id == run_id, row.run_id.not_in(select(RunRow.id)))


def _is_left_for(seconds: float) -> ColumnElement[bool]:
    since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    return SpeechSessionRow.touched_at < since


async def has_other_servers(session: AsyncSession, run_id: UUID, within_s: float) -> bool:
    """Whether another process has beaten within this time, by the database's clock."""
    since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, within_s)
    others = select(RunRow.id).where(RunRow.id != run_id, RunRow.heartbeat_at > since).limit(1)
    return await session.scalar(others) is not None


def _to_session(row: SpeechSessionRow, token_hash: str | None = None, **parts: Any) -> LoggedSession:
    is_earlier = token_hash is not None and token_hash != row.token_hash
    return LoggedSession(
        id=row.id,
        epoch=row.epoch,
        user_id=row.user_id,
        dictation_id=row.dictation_id,
        label=row.earlier_label if is_earlier else row.label,
        token_hash=row.token_hash,
        earlier_token_hash=row.earlier_token_hash,
        earlier_label=row.earlier_label,
        about=row.about,
        state=row.state,
        **parts,
    )
