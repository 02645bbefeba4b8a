"""Dictations in the database: kept with their finals, listed, found, and deleted when their speaker says so."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from app.core.errors import NotFound
from app.storage import dictations, lifecycle, search
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import NewFinal
from app.storage.tables import DictationFinalRow, DictationRow, SearchEntryRow


async def dictated(database: Database, user_id: UUID, *texts: str) -> UUID:
    async with database.write() as session:
        dictation = await dictations.start(session, user_id, session_label="s1", lang="es", provider="p")
        finals = [NewFinal(n, f"u{n}", text) for n, text in enumerate(texts)]
        await dictations.add_finals(session, user_id, dictation, finals)
        await dictations.end(session, user_id, dictation)
        return dictation


async def test_a_dictation_is_kept_as_it_was_said(database: Database, ana: UUID) -> None:
    words = [{"word": "hola", "start_ms": 0, "end_ms": 300, "confidence": 0.9}]
    async with database.write() as session:
        dictation = await dictations.start(session, ana, session_label="s1", lang="es", model="m")
    async with database.write() as session:
        final = NewFinal(0, "u1", "Hola.", "hola", 10, 310, "es", words)
        await dictations.add_finals(session, ana, dictation, [NewFinal(1, "u2", "Adiós."), final])
    async with database.read() as session:
        kept, finals = await dictations.get(session, ana, dictation)
    assert (kept.session_label, kept.lang, kept.provider, kept.model) == ("s1", "es", None, "m")
    assert (kept.ended_at, kept.finals, kept.first_text) == (None, 2, "Hola.")
    assert [one.text for one in finals] == ["Hola.", "Adiós."]
    first = finals[0]
    assert (first.raw_text, first.start_ms, first.end_ms, first.words) == ("hola", 10, 310, words)


async def test_a_final_is_kept_once(database: Database, ana: UUID) -> None:
    """Both or none of one transaction."""
    dictation = await dictated(database, ana, "uno")
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await dictations.add_finals(
                session, ana, dictation, [NewFinal(1, "u1", "dos"), NewFinal(0, "u0", "otra vez")]
            )
    async with database.read() as session:
        assert [final.text for final in (await dictations.get(session, ana, dictation))[1]] == ["uno"]


async def test_the_list_shows_the_first_words(database: Database, ana: UUID, bob: UUID) -> None:
    made = [await dictated(database, ana, "", f"texto {n}", "más") for n in range(5)]
    empty = await dictated(database, ana)
    await dictated(database, bob, "ajeno")
    async with database.read() as session:
        first = await dictations.list_page(session, ana, limit=4)
        assert first.next_before is not None
        rest = await dictations.list_page(session, ana, limit=4, before=first.next_before)
    assert [item.id for item in (*first.items, *rest.items)] == [empty, *reversed(made)]
    assert [item.first_text for item in first.items] == ["", "texto 4", "texto 3", "texto 2"]
    assert [item.finals for item in first.items] == [0, 3, 3, 3]
    assert rest.next_before is None
    assert all(item.ended_at is not None for item in first.items)


async def test_what_somebody_else_said_is_not_found(database: Database, ana: UUID, bob: UUID) -> None:
    dictation = await dictated(database, ana, "secreto")
    for call in (
        lambda s: dictations.get(s, bob, dictation),
        lambda s: dictations.remove(s, bob, dictation),
        lambda s: dictations.add_finals(s, bob, dictation, [NewFinal(9, "u", "x")]),
    ):
        with pytest.raises(NotFound):
            async with database.write() as session:
                await call(session)
    async with database.write() as session:
        await dictations.end(session, bob, dictation)
        assert await dictations.remove_all(session, bob) == 0
    async with database.read() as session:
        assert (await dictations.list_page(session, bob)).items == ()
        assert await search.find(session, bob, "secreto") == ()
        assert len((await dictations.list_page(session, ana)).items) == 1


async def test_what_is_deleted_is_gone(database: Database, ana: UUID) -> None:
    """One by one or all at once; nothing of it can be found."""
    one = await dictated(database, ana, "primero", "palabra")
    await dictated(database, ana, "segundo")
    async with database.write() as session:
        await dictations.remove(session, ana, one)
    async with database.read() as session:
        assert await search.find(session, ana, "palabra") == ()
        assert len(await search.find(session, ana, "segundo")) == 1
    async with database.write() as session:
        assert await dictations.remove_all(session, ana) == 1
    async with database.read() as session:
        for table in (DictationRow, DictationFinalRow, SearchEntryRow):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_retention_deletes_what_is_older(database: Database, ana: UUID) -> None:
    old, fresh = await dictated(database, ana, "vieja"), await dictated(database, ana, "nueva")
    async with database.write() as session:
        past = utc_now() - timedelta(days=8)
        await session.execute(update(DictationRow).where(DictationRow.id == old).values(started_at=past))
    assert await lifecycle.apply_retention(database, 7) == 1
    async with database.read() as session:
        assert [item.id for item in (await dictations.list_page(session, ana)).items] == [fresh]
