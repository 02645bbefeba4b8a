"""Search over titles, messages and dictations, by SQLite's FTS5 or PostgreSQL's full text, with equal results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    Uuid,
    cast,
    column,
    delete,
    func,
    literal,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.common import execute_and_count, insert_rows, is_sqlite
from app.storage.tables import ConversationRow, DictationFinalRow, DictationRow, MessageRow, SearchEntryRow
from app.utils.folding import INDEXED_CHARS, cut_snippet, split_query, split_words

SearchKind = Literal["title", "message", "dictation"]
SearchOrder = Literal["newest", "relevance"]
RANKED = 1000
"""Only so many newest results are ordered by relevance, so that a common word costs no more than a rare one."""

_index = table("search_index", column("search_index"), column("rowid"), column("rank"))
_VECTOR = "array_to_tsvector(string_to_array(search_entries.folded, ' '))"
"""Exactly the expression of the index: PostgreSQL uses the index for no other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One title, message or final that has all the words."""

    id: int
    """Its position in the list: `before` of the next page."""
    kind: SearchKind
    conversation_id: UUID | None
    title: str | None
    """The title of the conversation."""
    message_id: UUID | None
    role: str | None
    dictation_id: UUID | None
    final_n: int | None
    """The number of the final in its dictation."""
    created_at: datetime
    snippet: str
    matches: tuple[tuple[int, int], ...]
    """Start and end of each word in the snippet (characters)."""


async def find(
    session: AsyncSession,
    user_id: UUID,
    query: str,
    *,
    limit: int = 20,
    before: int | None = None,
    order: SearchOrder = "newest",
    kind: SearchKind | None = None,
) -> tuple[SearchHit, ...]:
    """Return what has all words of the query; the last word matches as a prefix. Newest first, or by relevance."""
    words = split_query(query)
    if not words:
        return ()
    entries = _matching(session, words, user_id)
    if before is not None:
        entries = entries.where(SearchEntryRow.id < before)
    if kind is not None:
        entries = entries.where(SearchEntryRow.kind == kind)
    entries = entries.order_by(_id(session).desc()).limit(limit if order == "newest" else RANKED)
    found = entries.subquery()
    best = found.c.rank.asc() if is_sqlite(session) else found.c.rank.desc()
    ordered = (found.c.id.desc(),) if order == "newest" else (best, found.c.id.desc())
    statement = _with_texts(select(found.c.id), found.c.id).order_by(*ordered).limit(limit)
    return tuple(_hit(row, words) for row in await session.execute(statement))


def select_conversations(session: AsyncSession, user_id: UUID, query: str) -> Select[UUID | None] | None:
    """Select the ids of conversations whose title, or one of whose messages, has all words of the query.

    None if the query has no word.
    """
    words = split_query(query)
    if not words:
        return None
    found = _matching(session, words, user_id).subquery()
    return select(found.c.conversation_id).where(found.c.conversation_id.is_not(None))


def select_dictations(session: AsyncSession, user_id: UUID, query: str) -> Select[UUID] | None:
    """Select the ids of dictations with a final that has all words of the query; None if the query has no word."""
    words = split_query(query)
    if not words:
        return None
    found = _matching(session, words, user_id).subquery()
    entry, final = SearchEntryRow, DictationFinalRow
    return (
        select(final.dictation_id)
        .join(entry, entry.final_id == final.id)
        .where(entry.id.in_(select(found.c.id)))
    )


async def index_title(session: AsyncSession, user_id: UUID, conversation_id: UUID, title: str) -> None:
    """Index a title in place of the former title of its conversation."""
    folded = " ".join(split_words(title))
    mine = (SearchEntryRow.conversation_id == conversation_id, SearchEntryRow.kind == "title")
    if not await execute_and_count(session, update(SearchEntryRow).where(*mine).values(folded=folded)):
        session.add(
            SearchEntryRow(user_id=user_id, kind="title", conversation_id=conversation_id, folded=folded)
        )


def index_message(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, message_id: UUID, content: str
) -> None:
    """Index a message. Call it once, when the message is final."""
    if words := split_words(content):
        session.add(
            SearchEntryRow(
                user_id=user_id,
                kind="message",
                conversation_id=conversation_id,
                message_id=message_id,
                folded=" ".join(words),
            )
        )


async def forget_message(session: AsyncSession, message_id: UUID) -> None:
    """Remove a message from the index: its text was not final after all."""
    await session.execute(delete(SearchEntryRow).where(SearchEntryRow.message_id == message_id))


async def index_copies(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, copy_of: Mapping[UUID, UUID]
) -> None:
    """Index copies of messages by copying the entries of the originals."""
    entry = SearchEntryRow
    found = select(entry.message_id, entry.folded).where(entry.message_id.in_(copy_of)).order_by(entry.id)
    copies = [
        {
            "user_id": user_id,
            "kind": "message",
            "conversation_id": conversation_id,
            "message_id": copy_of[message_id],
            "folded": folded,
        }
        for message_id, folded in await session.execute(found)
        if message_id is not None
    ]
    await insert_rows(session, entry, copies)


async def index_imported(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, folded: Iterable[tuple[UUID, str]]
) -> None:
    """Index messages by their ids and their words, which were folded beforehand: that takes time."""
    entries = [
        {
            "user_id": user_id,
            "kind": "message",
            "conversation_id": conversation_id,
            "message_id": message_id,
            "folded": words,
        }
        for message_id, words in folded
        if words
    ]
    await insert_rows(session, SearchEntryRow, entries)


async def index_finals(session: AsyncSession, finals: Iterable[tuple[UUID, UUID, str]]) -> None:
    """Index finals of dictations, each given as its user's id, its own id and its text."""
    entries = [
        {"user_id": user_id, "kind": "dictation", "final_id": final_id, "folded": " ".join(words)}
        for user_id, final_id, text in finals
        if (words := split_words(text))
    ]
    await insert_rows(session, SearchEntryRow, entries)


def _id(session: AsyncSession) -> ColumnElement[int]:
    """The id to order by: FTS5 returns its rows in this order without a sort only under its own column name."""
    return _index.c.rowid if is_sqlite(session) else SearchEntryRow.__table__.c.id


def _matching(session: AsyncSession, words: list[str], user_id: UUID) -> Select[int, UUID | None, float]:
    """Select the user's entries with all the words, and their rank. Words are letters and digits: nothing to escape."""
    entry = SearchEntryRow
    if is_sqlite(session):
        # The plus keeps SQLite from reading all entries of the user in place of those that match.
        owner = literal_column("+search_entries.user_id", Uuid())
        query = " AND ".join(f'"{word}"' for word in words) + " *"
        return (
            select(entry.id, entry.conversation_id, _index.c.rank.label("rank"))
            .select_from(_index)
            .join(entry, entry.id == _index.c.rowid)
            .where(_index.c.search_index.op("MATCH")(query), owner == user_id)
        )
    asked = cast(literal(" & ".join(f"'{word}'" for word in words) + ":*", Text), TSQUERY)
    # Materialized: PostgreSQL would otherwise walk all entries backwards until twenty match.
    matching = (
        select(entry.id)
        .where(literal_column(_VECTOR).op("@@")(asked), entry.user_id == user_id)
        .cte("matching")
        .prefix_with("MATERIALIZED")
    )
    rank = func.ts_rank(func.to_tsvector(literal_column("'simple'::regconfig"), entry.folded), asked)
    return select(entry.id, entry.conversation_id, rank.label("rank")).join(
        matching, matching.c.id == entry.id
    )


def _with_texts(statement: Select[int], entry_id: ColumnElement[int]) -> Select[int]:
    """Join what a hit shows; long texts are cut to the part that is indexed."""
    text = func.coalesce(
        func.substr(MessageRow.content, 1, INDEXED_CHARS), DictationFinalRow.text, ConversationRow.title
    )
    created = func.coalesce(MessageRow.created_at, DictationFinalRow.created_at, ConversationRow.created_at)
    return (
        statement.join(SearchEntryRow, SearchEntryRow.id == entry_id)
        .outerjoin(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
        .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
        .outerjoin(DictationFinalRow, DictationFinalRow.id == SearchEntryRow.final_id)
        .outerjoin(DictationRow, DictationRow.id == DictationFinalRow.dictation_id)
        .add_columns(
            SearchEntryRow.kind,
            SearchEntryRow.conversation_id,
            ConversationRow.title.label("title"),
            SearchEntryRow.message_id,
            MessageRow.role.label("role"),
            DictationRow.id.label("dictation_id"),
            DictationFinalRow.n.label("final_n"),
            created.label("created_at"),
            text.label("text"),
        )
    )


def _hit(row: Row[int], words: list[str]) -> SearchHit:
    piece, matches = cut_snippet(row.text, words)
    return SearchHit(
        id=row.id,
        kind=row.kind,
        conversation_id=row.conversation_id,
        title=row.title,
        message_id=row.message_id,
        role=row.role,
        dictation_id=row.dictation_id,
        final_n=row.final_n,
        created_at=row.created_at,
        snippet=piece,
        matches=matches,
    )
