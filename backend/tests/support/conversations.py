"""Conversations in tests: the services around a fake model, a client over HTTP, and exports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import anyio
import httpx2
import orjson
from markdown_it import MarkdownIt
from sqlalchemy import insert, update

from app.core.config import Settings
from app.core.metrics import Observer
from app.core.security import LOCAL_USER_ID
from app.services.chat.answers import Answers
from app.services.chat.conversations import Branches, Conversations
from app.services.chat.events import AnswerEvent, Cursor, Delivery, Done, Failed, ReasoningDelta, TextDelta
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.storage import search
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.messages import Message, NewTurn
from app.storage.tables import ConversationRow, MessageRow
from app.utils.ids import new_id
from tests.fakes.engine import FakeEngine
from tests.fakes.llm_providers import FakeChat, make_table, with_models
from tests.support.server import RunningServer, serve_engine


@dataclass(frozen=True)
class ChatServices:
    """The services of conversations, and one user of them."""

    answers: Answers
    conversations: Conversations
    branches: Branches
    user_id: UUID

    async def send(self, text: str = "hello", **options: Any) -> NewTurn:
        """Send a message in a new conversation."""
        conversation = await self.conversations.create(self.user_id)
        return await self.answers.send(self.user_id, conversation.id, text, **options)

    async def collect_events(self, message_id: UUID, cursor: Cursor | None = None) -> list[AnswerEvent]:
        """All events of an answer after a cursor."""
        return [event for _, event in await self.collect_deliveries(message_id, cursor)]

    async def collect_deliveries(self, message_id: UUID, cursor: Cursor | None = None) -> list[Delivery]:
        """All events of an answer after a cursor, each with the cursor that follows it."""
        with anyio.fail_after(20):
            async with aclosing(await self.answers.follow(self.user_id, message_id, cursor)) as deliveries:
                return [delivery async for delivery in deliveries]

    async def messages(self, conversation_id: UUID, *, all_branches: bool = False) -> tuple[Message, ...]:
        """The messages of a conversation, oldest first."""
        found, _ = await self.branches.list_messages(
            self.user_id, conversation_id, all_branches=all_branches, last=1000
        )
        return found

    async def load(self, message: Message) -> Message:
        """A message as it is stored now."""
        found = await self.messages(message.conversation_id, all_branches=True)
        return next(each for each in found if each.id == message.id)

    async def wait_until_saved(self, message: Message, text: str) -> None:
        """Wait until this text of an answer is stored."""
        with anyio.fail_after(20):
            while (await self.load(message)).content != text:  # noqa: ASYNC110  # a database sends no events
                await anyio.sleep(0.02)


@asynccontextmanager
async def run_chat_services(
    database: Database,
    settings: Settings,
    user_id: UUID,
    model: FakeChat,
    *,
    is_speech_live: Callable[[], bool] = lambda: False,
    **chat: Any,
) -> AsyncIterator[ChatServices]:
    """Run the services with this default model; `chat` are settings (`answer_s=1`)."""
    changed = settings.model_copy(
        update={
            "chat": settings.chat.model_copy(update=chat),
            "llm": settings.llm.model_copy(update={"provider": "fake", "discover": False}),
        }
    )
    providers = LlmProviders(changed, make_table(fake=model))
    answers = Answers(changed, database, ModelCatalog(changed, providers), Observer(), is_speech_live)
    async with answers.lifespan():
        yield ChatServices(answers, Conversations(database, answers), Branches(database, answers), user_id)


def join_text(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def join_reasoning(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def get_done(events: list[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def get_failed(events: list[AnswerEvent]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]


@dataclass(frozen=True)
class SseEvent:
    """One event as a client reads it."""

    id: str
    name: str
    data: dict[str, Any]


def parse_events(body: str) -> list[SseEvent]:
    """The complete events of a body; an event that was cut off is left out."""
    events = []
    for block in body.split("\n\n")[:-1]:
        if block.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append(SseEvent(fields["id"], fields["event"], orjson.loads(fields["data"])))
    return events


def join_content(events: list[SseEvent], name: str = "message") -> str:
    return "".join(event.data["content"] for event in events if event.name == name)


class ChatClient:
    """One user's client."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def conversation(self, **body: Any) -> str:
        made = self.http.post("/api/conversations", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def events(self, path: str, **body: Any) -> list[SseEvent]:
        """All events that a request streams."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return parse_events(answer.text)

    def say(self, conversation_id: str, text: str, **body: Any) -> tuple[str, str]:
        """Send a message and wait for its whole answer; the ids of both."""
        asked = {"conversation_id": conversation_id, "message": text, **body}
        events = self.events("/api/chat/stream", **asked)
        assert events[-1].name == "done", events[-1]
        return events[0].data["user_message_id"], events[0].data["message_id"]

    def messages(self, conversation_id: str, **query: Any) -> list[dict[str, Any]]:
        found = self.http.get(f"/api/conversations/{conversation_id}/messages", params=query)
        assert found.status_code == 200, found.text
        listed: list[dict[str, Any]] = found.json()
        return listed

    def texts(self, conversation_id: str, **query: Any) -> list[str]:
        return [message["content"] for message in self.messages(conversation_id, **query)]

    def show(self, conversation_id: str, message_id: str) -> httpx2.Response:
        return self.http.patch(f"/api/conversations/{conversation_id}", json={"active_leaf_id": message_id})


def read_error(response: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error response, whose shape is checked."""
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    return response.status_code, error["code"]


@contextmanager
def run_chat_server(
    model: FakeChat | None = None, **fields: Any
) -> Iterator[tuple[ChatClient, RunningServer]]:
    """A server whose default model is this one, or `echo`, and a client of it."""
    llm = {"provider": "fake" if model else "echo", "discover": False}
    with (
        serve_engine(
            FakeEngine(), registrations=with_models(**({"fake": model} if model else {})), llm=llm, **fields
        ) as served,
        make_client(served) as http,
    ):
        yield ChatClient(http), served


def make_client(served: RunningServer, **options: Any) -> httpx2.Client:
    return httpx2.Client(base_url=served.url, trust_env=False, timeout=30, **options)


def store_messages(
    served: RunningServer, conversation_id: str, texts: list[str], times: Sequence[datetime] = ()
) -> None:
    """Store messages in an empty conversation in one transaction, without the server, which would take long."""

    async def filled() -> None:
        database = Database(served.resources.settings)
        ids = [new_id() for _ in texts]
        rows = [
            {
                "id": id_,
                "conversation_id": UUID(conversation_id),
                "parent_id": parent_id,
                "role": "assistant" if n % 2 else "user",
                "content": text,
                "status": "complete",
                "created_at": times[n] if times else utc_now(),
            }
            for n, (id_, parent_id, text) in enumerate(zip(ids, [None, *ids], texts, strict=False))
        ]
        async with database.write() as session:
            await session.execute(insert(MessageRow), rows)
            for id_, text in zip(ids, texts, strict=True):
                search.index_message(session, LOCAL_USER_ID, UUID(conversation_id), id_, text)
            of_it = ConversationRow.id == UUID(conversation_id)
            await session.execute(update(ConversationRow).where(of_it).values(active_leaf_id=ids[-1]))
        await database.aclose()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: asyncio.run(filled())).result(60)


FILE_NAMES = [
    ("Holiday plans", "Holiday plans", None),
    ("Año nuevo", "Ano nuevo", "Año nuevo"),
    ("👩‍👩‍👧 viaje", "viaje", "👩👩👧 viaje"),
    ("日本語", "conversation", "日本語"),
    ("שלום עולם", "conversation", "שלום עולם"),
    ("abc\u202egpj.exe", "abcgpj.exe", None),
    ("a\r\nSet-Cookie: x=1", "a Set-Cookie- x=1", None),
    ('a"; filename="b', "a-; filename=-b", None),
    ("../../etc/passwd", "etc-passwd", None),
    ("C:\\x\\y", "C-x-y", None),
    ("con", "_con", None),
    ("NUL.txt", "_NUL.txt", None),
    ("...", "conversation", None),
    ("\u200b\u2066", "conversation", None),
    ("100%2e%2f", "100-2e-2f", "100%2e%2f"),
    ("x" * 200, "x" * 80, None),
    ("é" * 200, "e" * 80, "é" * 80),
    ("👍" * 100, "conversation", "👍" * 45),
    ("a / b", "a - b", None),
]
"""Title, file name in ASCII, and the full file name if it differs."""


def live_tokens(markdown: str) -> list[str]:
    """The tokens that a Markdown renderer would show or load as something other than text."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = [token for each in parser.parse(markdown) for token in (each, *(each.children or ()))]
    return [token.type for token in tokens if token.type in ("html_block", "html_inline", "image")]
