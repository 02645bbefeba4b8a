"""Titles by the model: after the answer, in the background, and never over a name of the user."""

from typing import Any
from uuid import UUID

import anyio
import pytest

from app.core.config import Settings
from app.core.errors import NotFound, UpstreamError
from app.services.chat import titles
from app.storage.database import Database
from tests.fakes.llm_providers import HELLO, FakeChat, Gate, pieces
from tests.support.conversations import ChatServices, get_done, run_chat_services


class NamingChat(FakeChat):
    """Answers with hello, and a request for a title with `naming`."""

    def __init__(self, naming: Any, kind: str = "cloud") -> None:
        super().__init__(type=kind)
        self.naming = naming
        self.answering: Any = HELLO

    @property
    def asked(self) -> int:
        """How often it was asked for a title."""
        return sum("Name this conversation" in str(request.body["messages"]) for request in self.requests)

    def stream(self, request: Any) -> Any:
        is_naming = "Name this conversation" in str(request.body["messages"])
        self.script = self.naming if is_naming else self.answering
        return super().stream(request)


async def title_of(chat: ChatServices, conversation_id: UUID) -> str:
    """The title once no model is asked for it any more."""
    with anyio.fail_after(20):
        while chat.answers.titles.is_pending(conversation_id):  # noqa: ASYNC110  # a job sends no events
            await anyio.sleep(0.01)
    return (await chat.conversations.get(chat.user_id, conversation_id)).title


async def test_the_first_answer_is_followed_by_a_title(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """Once; its place in the list stays, and the request has no tools."""
    model = NamingChat(pieces('**Título: "Saludo a Ana".**\n', "And more."))
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        turn = await chat.send("# Hola")
        assert turn.title == "Hola"
        await chat.collect_events(turn.assistant.id)
        id_ = turn.user.conversation_id
        before = await chat.conversations.get(ana, id_)
        assert await title_of(chat, id_) == "Saludo a Ana"
        assert (await chat.conversations.get(ana, id_)).ordered_at == before.ordered_at
        assert [set(request.body) for request in model.requests][1] == {"messages", "max_tokens"}
        again = await chat.answers.send(ana, id_, "more")
        await chat.collect_events(again.assistant.id)
        assert (await title_of(chat, id_), model.asked) == ("Saludo a Ana", 1)


async def test_a_title_does_not_delay_the_end_of_the_answer_and_a_name_of_the_user_wins(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    model = NamingChat([gate, *pieces("The model's")])
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        turn = await chat.send("hola")
        id_ = turn.user.conversation_id
        assert get_done(await chat.collect_events(turn.assistant.id)).status == "completed"
        assert chat.answers.titles.is_pending(id_)
        await chat.conversations.change(ana, id_, title="hola")  # the same words, but chosen
        gate.set()
        assert await title_of(chat, id_) == "hola"
        again = await chat.answers.send(ana, id_, "more")
        await chat.collect_events(again.assistant.id)
        assert await title_of(chat, id_) == "hola"


async def test_another_user_cannot_take_a_title_away(
    database: Database, storage_settings: Settings, ana: UUID, bob: UUID
) -> None:
    gate = Gate()
    model = NamingChat([gate, *pieces("The model's")])
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        turn = await chat.send("hola")
        id_ = turn.user.conversation_id
        await chat.collect_events(turn.assistant.id)
        with pytest.raises(NotFound):
            await chat.conversations.change(bob, id_, title="Bob's")
        gate.set()
        assert await title_of(chat, id_) == "The model's"


@pytest.mark.parametrize(
    "naming",
    [
        [UpstreamError("it failed")],
        pieces(" \n"),
        pieces("**...**"),
        pieces("Name this conversation"),
        pieces("Sure! Here is what I think about this conversation, which seems to be a greeting of sorts"),
    ],
)
async def test_what_is_no_title_leaves_the_one_that_is_there(
    database: Database, storage_settings: Settings, ana: UUID, naming: Any
) -> None:
    """And the next answers try again, but not for ever."""
    model = NamingChat(naming)
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        turn = await chat.send("hola")
        id_ = turn.user.conversation_id
        await chat.collect_events(turn.assistant.id)
        assert await title_of(chat, id_) == "hola"
        for _ in range(titles.TURNS + 1):
            again = await chat.answers.send(ana, id_, "more")
            await chat.collect_events(again.assistant.id)
            assert await title_of(chat, id_) == "hola"
        assert model.asked == titles.TURNS


async def test_a_model_on_this_machine_leaves_its_title_for_the_next_answer(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = NamingChat([None], kind="local")
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        turn = await chat.send("hola")
        id_ = turn.user.conversation_id
        await chat.collect_events(turn.assistant.id)
        with anyio.fail_after(20):
            while not model.asked:  # noqa: ASYNC110  # a fake sends no events
                await anyio.sleep(0.01)
        model.naming = pieces("Un hola")
        again = await chat.answers.send(ana, id_, "more")
        await chat.collect_events(again.assistant.id)
        assert await title_of(chat, id_) == "Un hola"


async def test_a_model_on_this_machine_is_not_asked_while_an_answer_is_made(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    gate = Gate()
    model = NamingChat(pieces("Un hola"), kind="local")
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        model.answering = [gate, *pieces("Hello")]
        slow = await chat.send("otra")
        with anyio.fail_after(20):
            while not model.opened:  # noqa: ASYNC110  # a fake sends no events
                await anyio.sleep(0.01)
        model.answering = HELLO
        turn = await chat.send("hola")
        await chat.collect_events(turn.assistant.id)
        assert await title_of(chat, turn.user.conversation_id) == "hola"
        assert model.asked == 0
        gate.set()
        await chat.collect_events(slow.assistant.id)


async def test_a_model_on_this_machine_is_not_asked_while_somebody_speaks(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    """And gives way when somebody begins to."""
    speaks = [True]
    model = NamingChat([None], kind="local")
    async with run_chat_services(
        database, storage_settings, ana, model, is_speech_live=lambda: speaks[0], titles=True
    ) as chat:
        turn = await chat.send("hola")
        id_ = turn.user.conversation_id
        await chat.collect_events(turn.assistant.id)
        assert await title_of(chat, id_) == "hola"
        assert model.asked == 0
        speaks[0] = False
        again = await chat.answers.send(ana, id_, "more")
        await chat.collect_events(again.assistant.id)
        with anyio.fail_after(20):
            while not model.asked:  # noqa: ASYNC110  # a fake sends no events
                await anyio.sleep(0.01)
        chat.answers.titles.give_way()
        assert await title_of(chat, id_) == "hola"


async def test_a_small_model_that_names_something_else_is_not_believed(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    model = NamingChat(pieces("The stadium in the air"), kind="local")
    async with run_chat_services(database, storage_settings, ana, model, titles=True) as chat:
        turn = await chat.send("Organiza tres días")
        await chat.collect_events(turn.assistant.id)
        assert await title_of(chat, turn.user.conversation_id) == "Organiza tres días"
        assert model.asked == 1


async def test_a_slow_title_is_given_up(
    database: Database, storage_settings: Settings, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "TITLE_S", 0.2)
    async with run_chat_services(database, storage_settings, ana, NamingChat([None]), titles=True) as chat:
        turn = await chat.send("hola")
        await chat.collect_events(turn.assistant.id)
        assert await title_of(chat, turn.user.conversation_id) == "hola"


@pytest.mark.parametrize(("kind", "is_on"), [("mock", True), ("cloud", False)])
async def test_a_mock_is_not_asked_nor_anybody_where_titles_are_off(
    database: Database, storage_settings: Settings, ana: UUID, kind: str, is_on: bool
) -> None:
    model = NamingChat(pieces("Saludo"), kind)
    async with run_chat_services(database, storage_settings, ana, model, titles=is_on) as chat:
        turn = await chat.send("hola")
        await chat.collect_events(turn.assistant.id)
        assert await title_of(chat, turn.user.conversation_id) == "hola"
        assert model.asked == 0
