"""Search finds the same on SQLite and PostgreSQL: Spanish and English, accents, beginnings, harmless signs."""

from uuid import UUID

import pytest

from app.storage import conversations, messages, search
from app.storage.database import Database
from app.storage.search import SearchHit
from tests.support.database import store_dictation

CORPUS = {
    "t1": "¿Qué tiempo hará mañana en Córdoba?",
    "t2": "The weather tomorrow: sunny, 25.5°C (see https://example.com/wx?a=b)",
    "t3": "El pingüino y la cigüeña comen ñoquis",
    "t4": "naïve café — l'été à Zürich, STRASSE, straße",
    "t5": "C++ and foo-bar and snake_case and user@example.org",
    "t6": "Cafe\u0301 con leche (descompuesto)",
    "t7": "the the the and and or not near",
    "t8": "東京タワー and Ελλάδα and МОСКВА",
}
FINDS = {
    "manana": "t1",
    "MAÑANA": "t1",
    "que tiempo": "t1",
    "tiempo cordoba": "t1",
    "cordoba tiempo": "t1",  # in any order
    "tie": "t1",  # the last word may be a beginning
    "tie cordoba": "",  # the others not
    "weath": "t2",
    "25.5": "t2",
    "example com": "t2",
    "example.com/wx": "t2",
    "pinguino cigueña": "t3",
    "noquis": "t3",
    "cafe": "t4 t6",
    "CAFÉ": "t4 t6",
    "ete zurich": "t4",
    "strasse": "t4",
    "naive": "t4",
    "foo-bar": "t5",
    "snake_case": "t5",
    "user@example.org": "t5",
    "C++": "t1 t2 t3 t4 t5 t6",  # the signs mean nothing, and one letter is a beginning
    "the and": "t7",
    "AND OR NOT": "t7",
    "NEAR(the and)": "t7",
    "near the": "t7",
    "ελλαδα": "t8",
    "москва": "t8",
    "東京": "t8",
    'mañana"': "t1",
    '"mañana': "t1",
    "'mañana' | weather": "",
    "mañana*": "t1",
    "mañana:*": "t1",
    "folded:mañana": "",
    "-mañana": "t1",
    "^mañana": "t1",
    "mañana \\": "t1",
    "mañana & !weather": "",
    "{mañana}": "t1",
    "%": "",
    "": "",
    "   ": "",
    "\x00": "",
    "mañana\x00": "t1",
    "ma\ud800": "t1",  # half a character ends a word
    "'; DROP TABLE messages; --": "",
}


@pytest.fixture
async def corpus(database: Database, ana: UUID) -> dict[UUID | None, str]:
    """A conversation with a message for each text; message -> its name."""
    async with database.write() as session:
        conversation = (await conversations.create(session, ana, title="0")).id
        return {
            (await messages.append(session, ana, conversation, text)).id: name
            for name, text in CORPUS.items()
        }


async def found(database: Database, user_id: UUID, query: str, **options: object) -> tuple[SearchHit, ...]:
    async with database.read() as session:
        return await search.find(session, user_id, query, **options)  # type: ignore[arg-type]


async def test_the_same_queries_find_the_same_on_both_databases(
    database: Database, ana: UUID, corpus: dict[UUID | None, str]
) -> None:
    got = {query: {corpus[hit.message_id] for hit in await found(database, ana, query)} for query in FINDS}
    assert got == {query: set(names.split()) for query, names in FINDS.items()}


async def test_newest_first_in_pages(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        conversation = (await conversations.create(session, ana, title="0")).id
        made = [(await messages.append(session, ana, conversation, f"hola {n}")).id for n in range(7)]
    first = await found(database, ana, "hola", limit=4)
    rest = await found(database, ana, "hola", limit=4, before=first[-1].id)
    assert [hit.message_id for hit in (*first, *rest)] == made[::-1]


async def test_relevance_puts_what_is_about_it_first(database: Database, ana: UUID) -> None:
    """Several mentions in a short text before one in a long text, although that is newer."""
    async with database.write() as session:
        conversation = (await conversations.create(session, ana, title="0")).id
        about = await messages.append(session, ana, conversation, "volcán, volcán y volcán")
        aside = await messages.append(session, ana, conversation, "otra cosa " * 50 + "un volcán")
    by_time = await found(database, ana, "volcan")
    by_relevance = await found(database, ana, "volcan", order="relevance")
    assert [hit.message_id for hit in by_time] == [aside.id, about.id]
    assert [hit.message_id for hit in by_relevance] == [about.id, aside.id]


async def test_titles_messages_and_dictations_are_found(database: Database, ana: UUID, bob: UUID) -> None:
    """Each with what is needed to open it; and nothing of anybody else."""
    for user in (bob, ana):
        async with database.write() as session:
            conversation = (await conversations.create(session, user, title="Un volcán")).id
            message = await messages.append(session, user, conversation, "El volcán duerme")
        dictation = await store_dictation(database, user, "", "", "", "Vi un volcán")
    spoken, written, named = await found(database, ana, "volcan")
    assert (spoken.kind, spoken.dictation_id, spoken.final_n) == ("dictation", dictation, 3)
    assert (written.kind, written.message_id, written.role) == ("message", message.id, "user")
    assert (written.conversation_id, written.title) == (conversation, "Un volcán")
    assert (named.kind, named.conversation_id, named.snippet) == ("title", conversation, "Un volcán")
    assert [spoken.snippet[a:b] for a, b in spoken.matches] == ["volcán"]


async def test_a_new_title_replaces_the_former_one(database: Database, ana: UUID) -> None:
    async with database.write() as session:
        conversation = (await conversations.create(session, ana, title="Antes")).id
    async with database.write() as session:
        await conversations.change(session, ana, conversation, title="Después")
    assert await found(database, ana, "antes") == ()
    assert [hit.title for hit in await found(database, ana, "despues")] == ["Después"]


async def test_the_list_of_conversations_can_be_searched(database: Database, ana: UUID) -> None:
    """By title or by a message; a query without words finds nothing rather than everything."""
    async with database.write() as session:
        one, two, _ = [
            (await conversations.create(session, ana, title=title)).id for title in ("Volcán", "Otra", "Más")
        ]
        await messages.append(session, ana, two, "y el volcán")
        await messages.append(session, ana, two, "otra vez el volcán")
    async with database.read() as session:
        assert [item.id for item in (await conversations.list_page(session, ana, q="volcan")).items] == [
            two,
            one,
        ]
        assert (await conversations.list_page(session, ana, q="***")).items == ()
        assert len((await conversations.list_page(session, ana, q="  ")).items) == 3


async def test_long_texts_are_found_by_their_beginning(database: Database, ana: UUID) -> None:
    """A megabyte of different words is neither an error nor slow to show."""
    long = " ".join(f"palabra{n}" for n in range(90_000))
    async with database.write() as session:
        conversation = (await conversations.create(session, ana, title="0")).id
        await messages.append(session, ana, conversation, long)
        await messages.append(session, ana, conversation, "ñ" * 100_000)
    assert len(await found(database, ana, "palabra17")) == 1
    assert await found(database, ana, "palabra89999") == ()
    assert len(await found(database, ana, "n" * 300)) == 1
