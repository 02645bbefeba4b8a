"""Titles that the model gives: asked for after an answer, never in its way, and never over a name of the user."""

from collections.abc import Callable
from contextlib import aclosing
from uuid import UUID

import anyio

from app.core.config import ChatSettings
from app.core.errors import PrompterError
from app.core.supervision import Supervisor
from app.providers.base import ChatRequest
from app.providers.boundary import ProviderBoundary
from app.services.llm.context import ModelAsker, ResolvedModel
from app.services.llm.models import ModelCatalog
from app.storage import conversations, messages
from app.storage.database import Database
from app.utils.titles import is_about, make_title, read_title

TITLE_S = 20.0
"""A title that takes longer is given up (s)."""
TITLES = 4
"""So many titles are asked for at once; conversations beyond that try again after their next answer."""
TURNS = 3
"""A conversation is named within its first turns, or keeps the title that its first message gave."""
MAX_TOKENS = 300
"""Enough for models that think first."""
_EXCERPT_CHARS = 2000
_KEPT = 1000
_INSTRUCTIONS = (
    "You name conversations. Reply with the name alone: two to six words in the language of the conversation, "
    "without quotation marks, Markdown or a full stop."
)

_REQUEST = "Name this conversation, in its own language."


class Titles:
    """Asks models for titles in the background. A title that the user gives, at any time, wins."""

    def __init__(
        self,
        settings: ChatSettings,
        database: Database,
        catalog: ModelCatalog,
        tasks: Supervisor,
        is_busy: Callable[[], bool],
    ) -> None:
        """`is_busy`: an answer is made, or somebody speaks. A model on this machine is not asked meanwhile."""
        self._is_on = settings.titles
        self._database = database
        self._catalog = catalog
        self._tasks = tasks
        self._is_busy = is_busy
        self._running: dict[UUID, anyio.CancelScope] = {}
        self._on_this_machine: set[UUID] = set()
        self._kept: dict[UUID, None] = {}
        """Conversations that their users have named while this process runs."""

    def is_pending(self, conversation_id: UUID) -> bool:
        """Whether a title is being asked for: the conversation may have another one soon."""
        return conversation_id in self._running

    def start(self, user_id: UUID, conversation_id: UUID, model: ResolvedModel) -> None:
        """Ask for a title after a complete answer of `model`, if the conversation still has none of its own."""
        if not self._is_on or conversation_id in self._running or conversation_id in self._kept:
            return
        if len(self._running) >= TITLES:
            return
        scope = anyio.CancelScope(deadline=anyio.current_time() + TITLE_S)
        self._running[conversation_id] = scope
        self._tasks.start_job(self._name, user_id, conversation_id, model, scope)

    def keep(self, conversation_id: UUID) -> None:
        """The user has named the conversation."""
        self._kept[conversation_id] = None
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        self.cancel(conversation_id)

    def cancel(self, conversation_id: UUID) -> None:
        """Ask no more for this title: the user named or deleted the conversation."""
        if (scope := self._running.get(conversation_id)) is not None:
            scope.cancel()

    def give_way(self) -> None:
        """An answer or a dictation begins: a model on this machine then has better to do than a title."""
        for conversation_id in self._on_this_machine:
            self._running[conversation_id].cancel()

    def close(self) -> None:
        """The server ends."""
        self._is_on = False
        for scope in self._running.values():
            scope.cancel()

    async def _name(
        self, user_id: UUID, conversation_id: UUID, model: ResolvedModel, scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                await self._ask_and_store(user_id, conversation_id, model)
        except PrompterError:
            return  # the model or the database failed: the title stays as it is
        finally:
            self._on_this_machine.discard(conversation_id)
            del self._running[conversation_id]

    async def _ask_and_store(self, user_id: UUID, conversation_id: UUID, model: ResolvedModel) -> None:
        if isinstance(model.chat, ModelAsker):
            model = await model.chat.resolve_model()  # without the assistant's tools and instructions
        kind = await self._catalog.find_kind(model)
        if kind not in ("cloud", "local"):
            return  # a mock says nothing of its own
        if kind == "local":
            if self._is_busy():
                return  # what begins from here on cancels it
            self._on_this_machine.add(conversation_id)
        async with self._database.read() as session:
            conversation = await conversations.get(session, user_id, conversation_id)
            branch = await messages.read_branch(session, user_id, conversation_id)
        if len(branch) > 2 * TURNS or conversation.title != make_title(branch[0].content):
            return
        said = "\n\n".join(message.content[:_EXCERPT_CHARS] for message in branch[:2])
        title = read_title(await self._ask(model, said))
        if title is None or (kind == "local" and not is_about(title, said)):
            return
        if title.casefold() in f"{_INSTRUCTIONS} {_REQUEST}".casefold():
            return  # small models repeat what they are asked
        async with self._database.write() as session:
            await conversations.replace_title(session, user_id, conversation_id, conversation.title, title)

    async def _ask(self, model: ResolvedModel, said: str) -> str:
        """The model's answer up to the end of its first line."""
        asked = f"<conversation>\n{said}\n</conversation>\n\n{_REQUEST}"
        body = {
            "messages": [
                {"role": "system", "content": _INSTRUCTIONS},
                {"role": "user", "content": asked},
            ],
            "max_tokens": MAX_TOKENS,
        }
        text = ""
        with ProviderBoundary(model.provider, "provider"):
            async with aclosing(model.chat.stream(ChatRequest(model.model, body))) as chunks:
                async for chunk in chunks:
                    for choice in chunk.get("choices") or ():
                        piece = (choice.get("delta") or {}).get("content") or ""
                        text = (text + piece[:_EXCERPT_CHARS])[:_EXCERPT_CHARS]
                    if "\n" in text.strip() or len(text) == _EXCERPT_CHARS:
                        break
        return text
