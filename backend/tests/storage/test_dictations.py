"""Dictations in the database: kept with their finals, listed, found, and deleted when their speaker says so."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.core.errors import NotFound
from app.storage import dictations, lifecycle, search
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import DictationBatch, NewFinal, store_batch
from app.storage.tables import DictationFinalRow, DictationRow, SearchEntryRow
from tests.support.database import make_dictation, make_final, make_pending, store_dictation


async def test_a_dictation_is_kept_as_it_was_said(database: Database, ana: UUID) -> None:
    words = [{"word": "hola", "start_ms": 0, "end_ms": 300, "confidence": 0.9}]
    new = make_dictation(ana, model="m")
    first_final = NewFinal(
        n=0,
        utterance_id="u1",
        text="Hola.",
        raw_text="hola",
        start_ms=10,
        end_ms=310,
        lang="es",
        words=words,
    )
    finals = [make_pending(new.id, make_final(1, "Adiós.")), make_pending(new.id, first_final)]
    await store_batch(database, DictationBatch(dictations=[new], finals=finals))
    async with database.read() as session:
        kept, stored = await dictations.get(session, ana, new.id)
    assert (kept.session_label, kept.lang, kept.provider, kept.model) == ("s1", "es", "fake", "m")
    assert (kept.id, kept.user_id, kept.started_at) == (new.id, ana, new.started_at)
    assert (kept.ended_at, kept.finals, kept.first_text) == (None, 2, "Hola.")
    assert kept.state == "recording"
    assert [one.text for one in stored] == ["Hola.", "Adiós."]
    first = stored[0]
    assert (first.raw_text, first.start_ms, first.end_ms, first.words) == ("hola", 10, 310, words)
    assert (first.n, first.utterance_id, first.lang) == (0, "u1", "es")


async def test_a_final_is_kept_once(database: Database, ana: UUID) -> None:
    """Both or none of one transaction."""
    dictation = await store_dictation(database, ana, "uno")
    finals = [
        make_pending(dictation, make_final(1, "dos")),
        make_pending(dictation, make_final(0, "otra vez")),
    ]
    result = await store_batch(database, DictationBatch(finals=finals))
    assert (result.stored_finals, result.refused_finals) == (0, 2)
    async with database.read() as session:
        assert [final.text for final in (await dictations.get(session, ana, dictation))[1]] == ["uno"]


async def test_the_list_shows_the_first_words(database: Database, ana: UUID, bob: UUID) -> None:
    made = [await store_dictation(database, ana, "", f"texto {n}", "más") for n in range(5)]
    empty = await store_dictation(database, ana)
    await store_dictation(database, bob, "ajeno")
    async with database.read() as session:
        first = await dictations.list_page(session, ana, limit=4)
        assert first.next_before is not None
        rest = await dictations.list_page(session, ana, limit=4, before=first.next_before)
    assert [item.id for item in (*first.items, *rest.items)] == [empty, *reversed(made)]
    assert [item.first_text for item in first.items] == ["", "texto 4", "texto 3", "texto 2"]
    assert [item.finals for item in first.items] == [0, 3, 3, 3]
    assert rest.next_before is None
    assert all(item.ended_at is not None for item in first.items)


async def test_the_latest_dictation_is_the_last_one_wherever_the_clock_stands(
    database: Database, ana: UUID
) -> None:
    """The clock was set back by an hour between the two: `POST /llm/generate` sends the second one."""
    first, second = (
        replace(make_dictation(ana), started_at=utc_now() - timedelta(hours=hours)) for hours in (0, 1)
    )
    for new, said in ((first, "before"), (second, "after")):
        batch = DictationBatch(dictations=[new], finals=[make_pending(new.id, make_final(0, said))])
        await store_batch(database, batch)
    async with database.read() as session:
        assert await dictations.find_latest_text(session, ana, "s1") == "after"
        page = await dictations.list_page(session, ana, limit=1)
        rest = await dictations.list_page(session, ana, limit=1, before=page.next_before)
    assert [each.first_text for each in (*page.items, *rest.items)] == ["after", "before"]


async def test_what_somebody_else_said_is_not_found(database: Database, ana: UUID, bob: UUID) -> None:
    dictation = await store_dictation(database, ana, "secreto")
    for call in (
        lambda s: dictations.get(s, bob, dictation),
        lambda s: dictations.remove(s, bob, dictation),
    ):
        with pytest.raises(NotFound):
            async with database.write() as session:
                await call(session)
    async with database.read() as session:
        assert (await dictations.list_page(session, bob)).items == ()
        assert await search.find(session, bob, "secreto") == ()
        assert len((await dictations.list_page(session, ana)).items) == 1


async def test_what_is_deleted_is_gone(database: Database, ana: UUID) -> None:
    """Nothing of it can be found."""
    one = await store_dictation(database, ana, "primero", "palabra")
    other = await store_dictation(database, ana, "segundo")
    async with database.write() as session:
        await dictations.remove(session, ana, one)
    async with database.read() as session:
        assert await search.find(session, ana, "palabra") == ()
        assert len(await search.find(session, ana, "segundo")) == 1
    async with database.write() as session:
        await dictations.remove(session, ana, other)
    async with database.read() as session:
        for table in (DictationRow, DictationFinalRow, SearchEntryRow):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_retention_deletes_what_is_older(database: Database, ana: UUID) -> None:
    old, fresh = await store_dictation(database, ana, "vieja"), await store_dictation(database, ana, "nueva")
    async with database.write() as session:
        past = utc_now() - timedelta(days=8)
        await session.execute(update(DictationRow).where(DictationRow.id == old).values(started_at=past))
    assert await lifecycle.apply_retention(database, 7) == 1
    async with database.read() as session:
        assert [item.id for item in (await dictations.list_page(session, ana)).items] == [fresh]
