"""Versions of dictations in the database: stored at once, shown, chosen, and gone with their dictation."""

from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.core.errors import NotFound
from app.storage import answers, dictation_versions, dictations
from app.storage.database import Database
from app.storage.dictation_versions import StoredVersion, VersionResult
from app.storage.dictations import NewFinal
from app.storage.tables import DictationVersionRow
from app.utils.ids import new_id
from tests.support.database import store_dictation

WORDS = [{"word": "Hola", "start_ms": 0, "end_ms": 300, "confidence": 0.9}]


async def begin(
    database: Database, user_id: UUID, dictation_id: UUID, run_id: UUID | None = None
) -> StoredVersion:
    async with database.write() as session:
        return await dictation_versions.create(
            session,
            user_id,
            dictation_id,
            run_id or database.run_id,
            provider="fake",
            model="small",
            lang="es",
        )


def make_result(*texts: str) -> VersionResult:
    finals = [
        NewFinal(
            n=n,
            utterance_id=str(n + 1),
            text=text,
            start_ms=n * 500,
            end_ms=n * 500 + 400,
            lang="es",
            words=WORDS,
        )
        for n, text in enumerate(texts)
    ]
    return VersionResult(provider="fake", model="small", lang="es", finals=finals)


async def finish(database: Database, version: StoredVersion, *texts: str) -> bool:
    async with database.write() as session:
        return await dictation_versions.finish(session, version.id, make_result(*texts))


async def test_a_version_that_is_done_is_shown_and_the_first_one_kept(database: Database, ana: UUID) -> None:
    dictation = await store_dictation(database, ana, "Ola", "means wave")
    version = await begin(database, ana, dictation)
    assert (version.status, version.text, version.is_current) == ("working", "", False)
    assert await finish(database, version, "Hola\x00.", "¿Qué tal?")
    async with database.read() as session:
        stored, finals = await dictation_versions.get(session, ana, dictation, version.id)
        shown, shown_finals = await dictation_versions.get_shown(session, ana, dictation)
        _, live = await dictations.get(session, ana, dictation)
        (listed,) = (await dictations.list_page(session, ana)).items
    assert (stored.status, stored.lang, stored.is_current) == ("done", "es", True)
    assert stored.text == "Hola\ufffd. ¿Qué tal?"
    assert [(final.n, final.text, final.start_ms, final.words) for final in finals] == [
        (0, "Hola\ufffd.", 0, WORDS),
        (1, "¿Qué tal?", 500, WORDS),
    ]
    assert shown_finals == finals
    assert (shown.version_id, shown.lang, shown.first_text) == (version.id, "es", "Hola\ufffd.")
    assert (listed.version_id, listed.finals, listed.first_text) == (version.id, 2, stored.text)
    assert [final.text for final in live] == ["Ola", "means wave"]


async def test_one_chooses_which_is_shown(database: Database, ana: UUID) -> None:
    dictation = await store_dictation(database, ana, "Ola")
    version = await begin(database, ana, dictation)
    async with database.write() as session:
        with pytest.raises(NotFound):  # it is not done
            await dictation_versions.choose(session, ana, dictation, version.id)
    await finish(database, version, "Hola.")
    for chosen, text in ((None, "Ola"), (version.id, "Hola.")):
        async with database.write() as session:
            await dictation_versions.choose(session, ana, dictation, chosen)
        async with database.read() as session:
            _, (final,) = await dictation_versions.get_shown(session, ana, dictation)
        assert final.text == text
    async with database.write() as session:
        await dictation_versions.remove(session, ana, dictation, version.id)
    async with database.read() as session:
        _, (final,) = await dictation_versions.get_shown(session, ana, dictation)
    assert final.text == "Ola"


async def test_without_words_the_one_before_stays_shown(database: Database, ana: UUID) -> None:
    dictation = await store_dictation(database, ana, "Ola")
    version = await begin(database, ana, dictation)
    assert await finish(database, version)
    async with database.read() as session:
        (stored,) = await dictation_versions.list_all(session, ana, dictation)
        shown, _ = await dictation_versions.get_shown(session, ana, dictation)
    assert (stored.status, stored.is_current, shown.version_id) == ("done", False, None)


async def test_deleted_meanwhile_nothing_is_written(database: Database, ana: UUID) -> None:
    dictation = await store_dictation(database, ana, "Ola")
    version = await begin(database, ana, dictation)
    async with database.write() as session:
        await dictations.remove(session, ana, dictation)
    assert not await finish(database, version, "Hola.")
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(DictationVersionRow)) == 0


async def test_a_server_that_died_makes_none_any_more(database: Database, ana: UUID) -> None:
    """Those of this server go on; the end of its run ends them, too."""
    dictation = await store_dictation(database, ana, "Ola")
    dead, alive = await begin(database, ana, dictation, new_id()), await begin(database, ana, dictation)
    async with database.write() as session:
        await answers.send_heartbeat(session, database.run_id)
        await answers.interrupt_dead(session, database.run_id, lease_s=0.0)
    async with database.read() as session:
        states = {one.id: one for one in await dictation_versions.list_all(session, ana, dictation)}
    assert (states[dead.id].status, states[alive.id].status) == ("failed", "working")
    assert states[dead.id].error == dictation_versions.INTERRUPTED
    assert not await finish(database, dead, "late")
    async with database.write() as session:
        await answers.end_run(session, database.run_id)
    async with database.read() as session:
        assert {one.status for one in await dictation_versions.list_all(session, ana, dictation)} == {
            "failed"
        }
        assert await dictation_versions.count(session, dictation, working=True) == 0


async def test_what_is_anothers_is_not_there(database: Database, ana: UUID, bob: UUID) -> None:
    dictation = await store_dictation(database, ana, "Ola")
    other = await store_dictation(database, ana, "otro")
    version = await begin(database, ana, dictation)
    await finish(database, version, "Hola.")
    async with database.write() as session:
        for owner, of in ((bob, dictation), (ana, other)):
            with pytest.raises(NotFound):
                await dictation_versions.get(session, owner, of, version.id)
            with pytest.raises(NotFound):
                await dictation_versions.choose(session, owner, of, version.id)
            with pytest.raises(NotFound):
                await dictation_versions.remove(session, owner, of, version.id)
        with pytest.raises(NotFound):
            await dictation_versions.list_all(session, bob, dictation)
