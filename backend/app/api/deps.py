"""What the doors hand to the rooms behind them: the resources of one application."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.core.config import Settings
from app.core.errors import Unauthorized
from app.core.metrics import Observer
from app.core.security import Caller
from app.services.accounts.accounts import Accounts
from app.services.assistants.registry import Assistants
from app.services.chat.answers import Answers
from app.services.chat.conversations import Branches, Conversations, RealtimeSessions
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.dictation.sessions import SessionManager, SocketLimiter
from app.services.history.dictation_writer import DictationWriter
from app.services.history.dictations import DictationHistory
from app.services.history.export import ConversationExporter
from app.services.history.search import Search
from app.services.history.transcripts import RecentTranscripts
from app.services.llm.completion import Completions
from app.services.llm.generate import Generation
from app.services.llm.models import Catalogue
from app.services.llm.providers import LlmProviders
from app.services.transcription.job import TranscriptionService


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that lives as long as the application."""

    settings: Settings
    engines: SttProviders
    providers: LlmProviders
    generation: Generation
    catalogue: Catalogue
    assistants: Assistants
    completions: Completions
    transcriptions: TranscriptionService
    transcripts: RecentTranscripts
    sockets: SocketLimiter
    sessions: SessionManager
    scheduler: Scheduler
    observer: Observer
    accounts: Accounts
    answers: Answers
    conversations: Conversations
    branches: Branches
    export: ConversationExporter
    search: Search
    realtime: RealtimeSessions
    dictations: DictationHistory
    writer: DictationWriter
    begun_s: int
    """When the application was made (s since 1970)."""


def get_resources(connection: HTTPConnection) -> Resources:
    """The resources of the application that serves this request or socket."""
    return cast("Resources", connection.app.state.resources)


async def _resources(connection: HTTPConnection) -> Resources:
    """The same as a dependency. FastAPI gives a plain function a thread for each request: milliseconds under load."""
    return get_resources(connection)


ResourcesDep = Annotated[Resources, Depends(_resources)]


async def get_caller(connection: HTTPConnection) -> Caller:
    """Return the caller that `AuthMiddleware` has found.

    Raises:
        Unauthorized: this route is open to everyone, and should not have asked.
    """
    caller: Caller | None = connection.state.caller
    if caller is None:
        raise Unauthorized("this needs `Authorization: Bearer` with an access token or an API key")
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]
