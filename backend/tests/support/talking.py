"""Conversations over HTTP in tests: sent, answered, and read again."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import insert, update

from app.core.security import LOCAL_USER_ID
from app.storage import search
from app.storage.database import Database
from app.storage.tables import ConversationRow, MessageRow
from app.utils.ids import new_id
from tests.fakes.chat_provider import FakeChat, with_models
from tests.fakes.engine import FakeEngine
from tests.support.chatting import Sent, read_events
from tests.support.serving import Served, serving


class Talk:
    """One user's client."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def conversation(self, **body: Any) -> str:
        made = self.http.post("/api/conversations", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def events(self, path: str, **body: Any) -> list[Sent]:
        """What a request streams, to its end."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return read_events(answer.text)

    def say(self, conversation_id: str, text: str, **body: Any) -> tuple[str, str]:
        """The ids of a message and of its whole answer."""
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


def refusal(response: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error answer, which has the one shape."""
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    return response.status_code, error["code"]


@contextmanager
def talking(model: FakeChat | None = None, **fields: Any) -> Iterator[tuple[Talk, Served]]:
    """A server whose default model is this one, or `echo`, and a client of it."""
    llm = {"provider": "fake" if model else "echo", "discover": False}
    with (
        serving(
            FakeEngine(), registrations=with_models(**({"fake": model} if model else {})), llm=llm, **fields
        ) as served,
        client_of(served) as http,
    ):
        yield Talk(http), served


def client_of(served: Served, **options: Any) -> httpx2.Client:
    return httpx2.Client(base_url=served.url, trust_env=False, timeout=30, **options)


def fill(served: Served, conversation_id: str, texts: list[str]) -> None:
    """Put messages into an empty conversation, beside the server: in one transaction, as asking would take long."""

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
