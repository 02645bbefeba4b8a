"""Search over titles, messages and dictations: SQLite's FTS5 or PostgreSQL's full text, the same finds on both."""

from collections.abc import Mapping
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
    insert,
    literal,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.common import execute_and_count, is_sqlite
from app.storage.tables import ConversationRow, DictationFinalRow, DictationRow, MessageRow, SearchEntryRow
from app.utils.folding import INDEXED_CHARS, cut_snippet, split_query, split_words

SearchKind = Literal["title", "message", "dictation"]
SearchOrder = Literal["newest", "relevance"]
RANKED = 1000
"""By relevance only the newest finds are ordered, so a common word costs no more than a rare one."""

_index = table("search_index", column("search_index"), column("rowid"), column("rank"))
_VECTOR = "array_to_tsvector(string_to_array(search_entries.folded, ' '))"
"""Word for word the expression of the index, or PostgreSQL would not use it."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One place where all the words stand."""

    id: int
    """Its place in the list: `before` of the next page."""
    kind: SearchKind
    conversation_id: UUID | None
    title: str | None
    """Of the conversation."""
    message_id: UUID | None
    role: str | None
    dictation_id: UUID | None
    final_n: int | None
    """Which final of the dictation."""
    created_at: datetime
    snippet: str
    matches: tuple[tuple[int, int], ...]
    """Where the words stand in the snippet: start and end of each (characters)."""


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
    """Where all words of the query stand, the last one as a beginning; newest first unless by relevance."""
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
    """The ids of conversations in which all words stand together, in the title or in one message.

    None where the query has no word.
    """
    words = split_query(query)
    if not words:
        return None
    found = _matching(session, words, user_id).subquery()
    return select(found.c.conversation_id).where(found.c.conversation_id.is_not(None))


def select_dictations(session: AsyncSession, user_id: UUID, query: str) -> Select[UUID] | None:
    """The ids of dictations in one final of which all words stand together. None where the query has no word."""
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
    """Make a conversation findable by its title, and no longer by the former one."""
    folded = " ".join(split_words(title))
    mine = (SearchEntryRow.conversation_id == conversation_id, SearchEntryRow.kind == "title")
    if not await execute_and_count(session, update(SearchEntryRow).where(*mine).values(folded=folded)):
        session.add(
            SearchEntryRow(user_id=user_id, kind="title", conversation_id=conversation_id, folded=folded)
        )


def index_message(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, message_id: UUID, content: str
) -> None:
    """Make a message findable; once, when it will not change any more."""
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


async def index_copies(
    session: AsyncSession, user_id: UUID, conversation_id: UUID, copy_of: Mapping[UUID, UUID]
) -> None:
    """Make copies of messages findable where the messages are."""
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
    if copies:
        await session.execute(insert(entry), copies)


def index_final(session: AsyncSession, user_id: UUID, final_id: UUID, text: str) -> None:
    """Make a final of a dictation findable."""
    if words := split_words(text):
        session.add(
            SearchEntryRow(user_id=user_id, kind="dictation", final_id=final_id, folded=" ".join(words))
        )


async def forget_user(session: AsyncSession, user_id: UUID) -> None:
    """Nothing of this user can be found any more."""
    await session.execute(delete(SearchEntryRow).where(SearchEntryRow.user_id == user_id))


def _id(session: AsyncSession) -> ColumnElement[int]:
    """FTS5 gives its finds in this order without sorting them, but only by its own name."""
    return _index.c.rowid if is_sqlite(session) else SearchEntryRow.__table__.c.id


def _matching(session: AsyncSession, words: list[str], user_id: UUID) -> Select[int, UUID | None, float]:
    """Entries of this user with all the words, and their rank. Words are letters and digits: nothing to escape."""
    entry = SearchEntryRow
    if is_sqlite(session):
        # The plus keeps SQLite from reading all entries of the user instead of those that match.
        owner = literal_column("+search_entries.user_id", Uuid())
        query = " AND ".join(f'"{word}"' for word in words) + " *"
        return (
            select(entry.id, entry.conversation_id, _index.c.rank.label("rank"))
            .select_from(_index)
            .join(entry, entry.id == _index.c.rowid)
            .where(_index.c.search_index.op("MATCH")(query), owner == user_id)
        )
    asked = cast(literal(" & ".join(f"'{word}'" for word in words) + ":*", Text), TSQUERY)
    # Materialized, or PostgreSQL would walk all entries backwards and hope that twenty match soon.
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
    """Join what a hit shows; of long texts the part that is indexed."""
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
        row.id,
        row.kind,
        row.conversation_id,
        row.title,
        row.message_id,
        row.role,
        row.dictation_id,
        row.final_n,
        row.created_at,
        piece,
        matches,
    )
