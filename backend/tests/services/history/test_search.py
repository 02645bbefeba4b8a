"""Search as services see it: one user's own, by kind, order and page."""

from uuid import UUID

from app.services.history.search import Search
from app.storage import conversations, messages
from app.storage.database import Database
from tests.support.database import store_dictation


async def test_only_what_is_the_users_own_is_found(database: Database, ana: UUID, bob: UUID) -> None:
    async with database.write() as session:
        conversation = (await conversations.create(session, ana, title="Un volcán")).id
        for n in range(3):
            await messages.append(session, ana, conversation, f"volcán {n}")
    dictation = await store_dictation(database, ana, "volcán")
    search = Search(database)
    hits = await search.find(ana, "volcan", limit=10)
    assert [hit.kind for hit in hits] == ["dictation", "message", "message", "message", "title"]
    assert (hits[0].dictation_id, hits[-1].conversation_id) == (dictation, conversation)
    first = await search.find(ana, "volcan", limit=2, kind="message")
    rest = await search.find(ana, "volcan", limit=2, kind="message", before=first[-1].id)
    assert [hit.snippet for hit in (*first, *rest)] == ["volcán 2", "volcán 1", "volcán 0"]
    assert len(await search.find(ana, "volcan", limit=10, order="relevance")) == 5
    assert await search.find(ana, "¿?", limit=10) == ()
    assert await search.find(bob, "volcan", limit=10) == ()
