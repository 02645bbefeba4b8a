"""Connected models: two requests at once, a key file that fails for a while, and their kind; on both databases."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import anyio
import pytest

from app.core.config import Settings
from app.core.errors import Forbidden
from app.core.security import Caller
from app.services.llm.connections import ConnectionChanges, ConnectionDraft, ModelConnections
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.storage import model_connections as rows
from app.storage.database import Database

ADDRESS = "https://models.example/v1"
KEY = "sk-of-a-person-0123456789abcdef"
LIMIT = 2


class WatchedDatabase(Database):
    """Says when somebody wants to write."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.is_wanted = anyio.Event()

    def write(self, *, is_urgent: bool = False) -> Any:
        self.is_wanted.set()
        return super().write(is_urgent=is_urgent)


@pytest.fixture
async def watched(storage_settings: Settings) -> AsyncIterator[WatchedDatabase]:
    database = WatchedDatabase(storage_settings)
    yield database
    await database.aclose()


@pytest.fixture
async def connections(
    watched: WatchedDatabase, storage_settings: Settings
) -> AsyncIterator[ModelConnections]:
    llm = storage_settings.llm.model_copy(
        update={"connections": LIMIT, "allowed_base_urls": ["http://127.0.0.1:11434"]}
    )
    connections = ModelConnections(storage_settings.model_copy(update={"llm": llm}), watched)
    yield connections
    await connections.aclose()


@pytest.fixture
def caller(ana: UUID) -> Caller:
    return Caller(user_id=ana, name="ana", role="user", via="session")


async def test_a_key_that_is_taken_back_meanwhile_does_not_come_back(
    connections: ModelConnections, database: Database, watched: WatchedDatabase, caller: Caller
) -> None:
    made = await connections.add(caller, ConnectionDraft(base_url=ADDRESS, api_key=KEY))
    watched.is_wanted = anyio.Event()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group, database.write() as session:
            await rows.change(session, made.id, sealed_key=None, key_hint="")
            group.start_soon(connections.change, caller, made.id, ConnectionChanges(title="Mine"))
            await watched.is_wanted.wait()
    [found] = await connections.list_own(caller)
    assert (found.title, found.has_key, found.key_hint) == ("Mine", False, "")


async def test_connections_that_are_added_at_once_have_their_own_names_and_keep_to_the_limit(
    connections: ModelConnections, caller: Caller
) -> None:
    outcomes: list[str] = []

    async def add() -> None:
        try:
            outcomes.append((await connections.add(caller, ConnectionDraft(base_url=ADDRESS))).name)
        except Forbidden as error:
            outcomes.append(error.code)

    async with anyio.create_task_group() as group:
        for _ in range(LIMIT + 2):
            group.start_soon(add)
    assert sorted(outcomes) == ["forbidden", "forbidden", "my.custom", "my.custom-2"]


async def test_a_key_file_that_failed_for_a_while_is_read_again(
    connections: ModelConnections, storage_settings: Settings, caller: Caller
) -> None:
    await connections.add(caller, ConnectionDraft(base_url=ADDRESS, api_key=KEY))
    file = storage_settings.data_dir / "connections.key"
    file.rename(file.with_name("away"))
    broken = await connections.find_for(caller.user_id, "my.custom")
    assert broken is not None
    assert "enter the key again" in (await broken.chat.status()).description
    file.with_name("away").rename(file)
    mended = await connections.find_for(caller.user_id, "my.custom")
    assert mended is not None
    assert mended.chat is not broken.chat
    assert mended.chat is getattr(await connections.find_for(caller.user_id, "my.custom"), "chat", None)


@pytest.mark.parametrize(
    ("address", "kind"), [("http://127.0.0.1:11434", "local"), ("https://models.example/v1", "cloud")]
)
async def test_a_connected_server_of_this_machine_counts_as_one(
    connections: ModelConnections, storage_settings: Settings, caller: Caller, address: str, kind: str
) -> None:
    """A title that it makes takes the cores of the speech, as one of the server's own model does."""
    made = await connections.add(caller, ConnectionDraft(base_url=address, model="tiny"))
    catalog = ModelCatalog(storage_settings, LlmProviders(storage_settings), connections=connections)
    model = await catalog.resolve(made.name, caller.user_id)
    assert await catalog.find_kind(model) == kind
