"""The toolset `conversations`: the caller's own words, found; nobody else's, ever."""

from dataclasses import replace
from uuid import UUID

import pytest

from app.core.config import Settings
from app.core.security import Caller, Scope
from app.services.history.search import Search
from app.storage import conversations, messages
from app.storage.database import Database
from app.toolsets.base import ToolContext, ToolFailed
from app.toolsets.conversations import ConversationsToolset
from tests.support.database import store_dictation


def context_of(database: Database, user_id: UUID, *scopes: Scope) -> ToolContext:
    """What a tool gets for this user, by a key with these scopes or after a log-in."""
    caller = Caller(user_id=user_id, name="somebody", role="user", via="session")
    if scopes:
        caller = replace(caller, via="key", scopes=frozenset(scopes))
    return ToolContext(caller=caller, lang="es", search=Search(database))


async def said(database: Database, user_id: UUID, *texts: str, title: str = "Charla") -> UUID:
    async with database.write() as session:
        conversation = (await conversations.create(session, user_id, title=title)).id
        for text in texts:
            await messages.append(session, user_id, conversation, text)
    return conversation


@pytest.fixture
def tools(settings: Settings) -> ConversationsToolset:
    return ConversationsToolset(settings)


async def test_the_callers_own_words(
    database: Database, ana: UUID, bob: UUID, tools: ConversationsToolset
) -> None:
    """In conversations and dictations, without regard to accents; the same words of another user are not there."""
    conversation = await said(database, ana, "El volcán duerme", title="Viaje")
    await said(database, bob, "El volcán de Bob", title="volcán")
    await store_dictation(database, bob, "otro volcán de Bob")
    await store_dictation(database, ana, "vi un volcán")
    answer = await tools.search_conversations(context_of(database, ana), "volcan")
    assert answer.found
    assert [(each.kind, each.text, each.title) for each in answer.places] == [
        ("dictation", "vi un volcán", None),
        ("message", "El volcán duerme", "Viaje"),
    ]
    assert (answer.places[1].conversation_id, answer.places[1].role) == (conversation, "user")
    theirs = await tools.search_conversations(context_of(database, bob), "volcan")
    assert {each.text for each in theirs.places} == {"El volcán de Bob", "volcán", "otro volcán de Bob"}


async def test_nothing_found_is_an_answer(database: Database, ana: UUID, tools: ConversationsToolset) -> None:
    for query in ("yate", "", "%", "' OR 1=1"):
        answer = await tools.search_conversations(context_of(database, ana), query)
        assert (answer.found, answer.places) == (False, [])


async def test_a_key_that_may_not_read_conversations(
    database: Database, ana: UUID, tools: ConversationsToolset
) -> None:
    """A key made for prompts reads no conversation over its own door, and none through an assistant."""
    await said(database, ana, "El volcán duerme")
    with pytest.raises(ToolFailed, match="lacks the scope 'chat'"):
        await tools.search_conversations(context_of(database, ana, "llm"), "volcan")
    answer = await tools.search_conversations(context_of(database, ana, "llm", "chat"), "volcan")
    assert answer.found


async def test_the_question_is_no_find(database: Database, ana: UUID, tools: ConversationsToolset) -> None:
    """What was just asked holds the words too, and would come first."""
    earlier = await said(database, ana, "mi volcán favorito es el Teide")
    here = await said(database, ana, "¿qué dije del volcán?")
    context = replace(context_of(database, ana), conversation_id=here)
    answer = await tools.search_conversations(context, "volcán", limit=1)
    assert [each.conversation_id for each in answer.places] == [earlier]


@pytest.mark.parametrize(("limit", "count"), [(3, 3), (0, 1), (-5, 1), (10**9, 20)])
async def test_no_more_than_a_model_can_read(
    database: Database, ana: UUID, tools: ConversationsToolset, limit: int, count: int
) -> None:
    await said(database, ana, *(f"volcán {n} " + "x " * 500 for n in range(30)))
    answer = await tools.search_conversations(context_of(database, ana), "volcan", limit)
    assert len(answer.places) == count
    assert max(len(each.text) for each in answer.places) <= 160


async def test_a_long_conversation_does_not_hide_earlier_ones(
    database: Database, ana: UUID, tools: ConversationsToolset
) -> None:
    """What stands in the one that asks is left out, however often the words are in it."""
    earlier = await said(database, ana, "el volcán de ayer")
    asking = await said(database, ana, *(f"volcán {n}" for n in range(130)), title="volcán")
    context = replace(context_of(database, ana), conversation_id=asking)
    answer = await tools.search_conversations(context, "volcán")
    assert [(each.text, each.conversation_id) for each in answer.places] == [("el volcán de ayer", earlier)]
