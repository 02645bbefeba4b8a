"""Conversations in tests: services around a fake model, and what a client reads of a stream of events."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import anyio
import orjson

from app.core.config import Settings
from app.core.metrics import Observer
from app.services.chat.answers import Answers
from app.services.chat.conversations import Branches, Conversations
from app.services.chat.events import AnswerEvent, Cursor, Delivery, Done, Failed, ReasoningDelta, TextDelta
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.storage.database import Database
from app.storage.messages import Message, NewTurn
from tests.fakes.chat_provider import FakeChat, table


@dataclass(frozen=True)
class Chat:
    """The services of conversations, and one user of them."""

    answers: Answers
    conversations: Conversations
    branches: Branches
    user_id: UUID

    async def sent(self, text: str = "hello", **options: Any) -> NewTurn:
        """A message in a conversation of its own."""
        conversation = await self.conversations.create(self.user_id)
        return await self.answers.send(self.user_id, conversation.id, text, **options)

    async def heard(self, message_id: UUID, cursor: Cursor | None = None) -> list[AnswerEvent]:
        """All events of an answer behind a place."""
        return [event for _, event in await self.deliveries(message_id, cursor)]

    async def deliveries(self, message_id: UUID, cursor: Cursor | None = None) -> list[Delivery]:
        """The same, each with the cursor after it."""
        with anyio.fail_after(20):
            async with aclosing(await self.answers.follow(self.user_id, message_id, cursor)) as deliveries:
                return [delivery async for delivery in deliveries]

    async def messages(self, conversation_id: UUID, *, all_branches: bool = False) -> tuple[Message, ...]:
        """The messages of a conversation, oldest first."""
        found, _ = await self.branches.list_messages(
            self.user_id, conversation_id, all_branches=all_branches, last=1000
        )
        return found

    async def stored(self, message: Message) -> Message:
        """A message as it is stored now."""
        found = await self.messages(message.conversation_id, all_branches=True)
        return next(each for each in found if each.id == message.id)

    async def saved(self, message: Message, text: str) -> None:
        """Wait until so much of an answer is stored."""
        with anyio.fail_after(20):
            while (await self.stored(message)).content != text:  # noqa: ASYNC110  # a database tells nobody
                await anyio.sleep(0.02)


@asynccontextmanager
async def chatting(
    database: Database, settings: Settings, user_id: UUID, model: FakeChat, **chat: Any
) -> AsyncIterator[Chat]:
    """Services with this model for everybody who names none; `chat` are settings (`answer_s=1`)."""
    changed = settings.model_copy(
        update={
            "chat": settings.chat.model_copy(update=chat),
            "llm": settings.llm.model_copy(update={"provider": "fake", "discover": False}),
        }
    )
    providers = LlmProviders(changed, table(fake=model))
    answers = Answers(changed, database, ModelCatalog(changed, providers), Observer())
    async with answers.lifespan():
        yield Chat(answers, Conversations(database, answers), Branches(database, answers), user_id)


def text_of(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thoughts_of(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def done(events: list[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def failed(events: list[AnswerEvent]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]


@dataclass(frozen=True)
class Sent:
    """One event as a client reads it."""

    id: str
    name: str
    data: dict[str, Any]


def read_events(body: str) -> list[Sent]:
    """The whole events of a body; one that was cut off is no event."""
    events = []
    for block in body.split("\n\n")[:-1]:
        if block.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append(Sent(fields["id"], fields["event"], orjson.loads(fields["data"])))
    return events


def content(events: list[Sent], name: str = "message") -> str:
    return "".join(event.data["content"] for event in events if event.name == name)
