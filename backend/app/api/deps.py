"""What routes depend on: the services of one application, and the caller."""

from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Header, Request
from starlette.requests import HTTPConnection

from app.api.wyoming_server import WyomingDoor
from app.core.config import Settings
from app.core.errors import Unauthorized
from app.core.idempotency import RequestKey, make_request_key
from app.core.metrics import Observer
from app.core.security import Caller
from app.core.supervision import Part, Supervisor
from app.providers.upstream.client import USER_AGENT
from app.services.accounts.accounts import Accounts
from app.services.assistants.registry import Assistants
from app.services.attachments.attachments import Attachments
from app.services.chat.answers import Answers
from app.services.chat.conversations import Branches, Conversations, RealtimeSessions
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.dictation.journal import JournalWriter
from app.services.dictation.recovery import Recovery
from app.services.dictation.redo import RedoService
from app.services.dictation.sessions import SessionManager, SocketLimiter
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_audio import DictationAudio
from app.services.history.dictation_writer import DictationWriter
from app.services.history.dictations import DictationHistory
from app.services.history.export import ConversationExporter
from app.services.history.search import Search
from app.services.history.transcripts import RecentTranscripts
from app.services.importing.imports import Imports
from app.services.llm.completion import CompletionService
from app.services.llm.connections import ModelConnections
from app.services.llm.generate import GenerateService
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.services.sharing.shares import Shares
from app.services.speaking.speaker import Speaker
from app.services.tier.workers import Workers
from app.services.transcription.job import TranscriptionService
from app.services.weights.fetching import WeightsFetcher


@dataclass(frozen=True, slots=True)
class Resources:
    """What lives as long as the application, room by room."""

    settings: Settings
    observer: Observer
    started_s: int
    """When the application was made (s since 1970)."""

    # speech
    stt: SttProviders
    scheduler: Scheduler
    fetcher: WeightsFetcher
    engines: Supervisor
    workers: Workers | None
    """The decode workers; None where this process decodes by itself."""
    """The task that keeps the default engine warm."""
    sockets: SocketLimiter
    sessions: SessionManager
    journals: JournalWriter
    audio: DictationAudio
    spool: AudioSpool
    recovery: Recovery
    wyoming: WyomingDoor
    transcriptions: TranscriptionService
    speaker: Speaker

    # what is kept
    transcripts: RecentTranscripts
    writer: DictationWriter
    database_health: Part
    """Whether the database can be relied on."""
    dictations: DictationHistory
    redo: RedoService
    search: Search
    exporter: ConversationExporter
    imports: Imports

    # language models
    llm: LlmProviders
    connections: ModelConnections
    catalog: ModelCatalog
    assistants: Assistants
    completions: CompletionService
    generate: GenerateService

    # conversations
    attachments: Attachments
    answers: Answers
    conversations: Conversations
    branches: Branches
    realtime: RealtimeSessions
    shares: Shares

    # people
    accounts: Accounts

    @property
    def problems(self) -> list[str]:
        """What of the server does not work, for operators; empty while all does."""
        parts: tuple[Part, ...] = (
            self.database_health,
            self.answers.tasks,
            self.attachments.tasks,
            self.writer.tasks,
            self.sessions.tasks,
            self.journals.tasks,
            self.audio.tasks,
            self.spool.tasks,
            self.recovery.tasks,
            self.redo.tasks,
            self.imports.tasks,
            self.wyoming.tasks,
            self.engines,
            self.fetcher.tasks,
            *((self.workers,) if self.workers else ()),
        )
        return [part.problem for part in parts if part.problem]


def get_resources(connection: HTTPConnection) -> Resources:
    """The resources of the application that serves this request or socket."""
    return cast("Resources", connection.app.state.resources)


async def _resources(connection: HTTPConnection) -> Resources:
    """`get_resources` as a dependency; FastAPI would run a plain function in a thread, which costs milliseconds."""
    return get_resources(connection)


ResourcesDep = Annotated[Resources, Depends(_resources)]


async def get_caller(connection: HTTPConnection) -> Caller:
    """Return the caller that `AuthMiddleware` has found.

    Raises:
        Unauthorized: this route is open to everyone, and there is no caller.
    """
    caller: Caller | None = connection.state.caller
    if caller is None:
        raise Unauthorized("this needs `Authorization: Bearer` with an access token or an API key")
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


async def _connection_owner(request: Request, caller: CallerDep) -> UUID | None:
    """Whose connected models a request under `/v1` may ask: nobody's where a PROMPTer asks.

    One that a user has connected to itself, by whichever name, would ask itself without end.
    """
    return None if request.headers.get("user-agent") == USER_AGENT else caller.user_id


ConnectionOwnerDep = Annotated[UUID | None, Depends(_connection_owner)]


async def _request_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="key that the client makes for this request, such as a UUID: for 24 hours the same request "
            "with the same key makes nothing new",
        ),
    ] = None,
) -> RequestKey | None:
    """The key of a request that makes something; None if the client sent none."""
    if idempotency_key is None:
        return None
    return make_request_key(idempotency_key, request.method, request.url.path, await request.body())


RequestKeyDep = Annotated[RequestKey | None, Depends(_request_key)]
"""By this key a request that arrives twice makes one thing."""
