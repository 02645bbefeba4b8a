"""The application: `create_app(settings)` joins settings, services and routes; `app` is what uvicorn runs."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from app import __version__
from app.api import (
    accounts,
    attachments,
    chat_stream,
    checkpoints,
    connections,
    conversations,
    dictations,
    exports,
    generate,
    imports,
    messages,
    operations,
    realtime_chat,
    realtime_socket,
    search,
    shares,
    speech_socket,
    web,
)
from app.api.deps import Resources
from app.api.dialects import messages as anthropic_messages
from app.api.dialects import responses as openai_responses
from app.api.errors import install_error_handlers
from app.api.headers import make_cors_options
from app.api.middleware.auth import AuthMiddleware
from app.api.middleware.network import NetworkMiddleware
from app.api.openai import (
    chat,
    client_secrets,
    completions,
    embeddings,
    models,
    speech,
    transcriptions,
)
from app.api.wyoming_server import WyomingDoor
from app.core.config import Settings, load_settings
from app.core.logging import configure_logging
from app.core.metrics import Observer
from app.core.supervision import Supervisor
from app.core.theme_file import load_theme
from app.providers.media.flac import FlacCodec
from app.providers.registry import Registrations, list_stt_registrations
from app.schemas.llm import generate_event
from app.schemas.speech_socket import client_message, server_event
from app.services.accounts.accounts import Accounts
from app.services.assistants.registry import Assistants
from app.services.assistants.toolsets import Toolsets
from app.services.attachments.attachments import Attachments
from app.services.attachments.request_files import RequestFiles
from app.services.chat.answers import Answers
from app.services.chat.conversations import Branches, Conversations, RealtimeSessions
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import make_scheduler
from app.services.dictation.journal import JournalWriter
from app.services.dictation.recovery import Recovery
from app.services.dictation.redo import RedoService
from app.services.dictation.sessions import SessionManager, SocketLimiter
from app.services.dictation.spool import AudioSpool
from app.services.history.dictation_audio import DictationAudio
from app.services.history.dictation_writer import DictationStore, DictationWriter
from app.services.history.dictations import DictationHistory, find_latest_text
from app.services.history.export import ConversationExporter
from app.services.history.export_files import ExportedFiles
from app.services.history.search import Search
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.services.importing.imports import Imports
from app.services.llm.completion import CompletionService
from app.services.llm.connections import ModelConnections
from app.services.llm.generate import GenerateService
from app.services.llm.models import ModelCatalog
from app.services.llm.providers import LlmProviders
from app.services.sharing.shares import Shares
from app.services.speaking.speaker import Speaker
from app.services.tier.remote_engine import offer_remote
from app.services.tier.workers import make_workers
from app.services.transcription.job import TranscriptionService
from app.services.weights.fetching import WeightsFetcher
from app.services.weights.offers import measure_arrival
from app.storage import lifecycle
from app.storage.audio_spool import FileSpool
from app.storage.data_folder import AUDIO_FOLDER, SPOOL_FOLDER
from app.storage.database import Database
from app.storage.kept_audio import FileKeptAudio


def create_app(settings: Settings | None = None, *, registrations: Registrations | None = None) -> FastAPI:
    """An application of its own with these settings; those of the environment when none are given.

    `registrations` bring other providers and toolsets than those that are built in, configured and installed.
    """
    settings = settings or load_settings()
    configure_logging(settings.log_level, settings.log_format)
    app = FastAPI(
        title="PROMPTer",
        version=__version__,
        summary="A self-hosted server for prompting language models by voice",
        description=web.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # an address with a slash too many is unknown, with accounts and without
        lifespan=_lifespan,
        routes=_list_routes(),
    )
    database = Database(settings)
    app.state.database = database
    app.state.database_health = health = lifecycle.DatabaseHealth(database)
    app.state.resources = _make_resources(settings, database, health, registrations or Registrations())
    install_error_handlers(app)
    web.mount_docs(app)
    web.mount_web(app, load_theme(Path(settings.web.theme)) if settings.web.theme else None)
    # The last one added runs first: the network check, then CORS, then authentication.
    app.add_middleware(AuthMiddleware, settings=settings)
    if settings.allowed_origins:
        app.add_middleware(CORSMiddleware, **make_cors_options(settings))
    app.add_middleware(NetworkMiddleware, settings=settings)
    _describe_socket(app)
    return app


@cache
def _list_routes() -> list[BaseRoute]:
    """The routes of every application of this process: what FastAPI makes of them depends on no setting.

    It takes as long as all else that a start does, so it happens once.
    """
    together = APIRouter()
    for router in (
        *(speech_socket.router, realtime_socket.router, client_secrets.router),
        *(generate.router, chat.router, models.router, transcriptions.router),
        *(completions.router, embeddings.router, speech.router),
        *(conversations.router, exports.router, chat_stream.router, realtime_chat.router),
        *(dictations.router, messages.router),
        attachments.router,
        *(search.router, models.api_router, connections.router, operations.providers_router),
        *(checkpoints.router, accounts.router, accounts.keys_router, operations.router),
        *(accounts.settings_router, shares.router, shares.page_router, imports.router),
        *(openai_responses.router, anthropic_messages.router),
    ):
        together.include_router(router)
    return together.routes


def _make_resources(
    settings: Settings, database: Database, health: lifecycle.DatabaseHealth, registrations: Registrations
) -> Resources:
    """The services of one application, each with what it needs of the others."""
    observer = Observer()
    scheduler = make_scheduler(settings.scheduler, shed=observer.count_shed_partial)
    observer.watch_queue(lambda: scheduler.waiting)
    known_stt = list_stt_registrations() if registrations.stt is None else registrations.stt
    workers = make_workers(settings, scheduler, observer, registrations.tier_link)
    stt = SttProviders(
        settings, scheduler, offer_remote(known_stt, workers, scheduler) if workers else known_stt
    )

    transcripts = RecentTranscripts(settings.limits.transcripts, partial(find_latest_text, database))
    writer = DictationWriter(database, settings.limits.unstored_finals, observer)
    search = Search(database)

    accounts = Accounts(settings, database)
    llm = LlmProviders(settings, registrations.llm)
    toolsets = Toolsets(settings, registrations.toolsets)
    assistants = Assistants(settings, toolsets, search, reserved_names=llm.names)
    connected = ModelConnections(settings, database, resolver=registrations.resolver)
    catalog = ModelCatalog(settings, llm, assistants, connected)
    store = DictationStore(writer, transcripts, database)
    spool_folder = settings.data_dir / SPOOL_FOLDER
    kept = FileKeptAudio(settings.data_dir / AUDIO_FOLDER, spool_folder, FlacCodec())
    audio = DictationAudio(settings, database, kept)
    spool = AudioSpool(settings, FileSpool(spool_folder), audio)
    transcriptions = TranscriptionService(settings, stt, scheduler)
    journals = JournalWriter(settings, database, observer)
    recovery = Recovery(settings, spool, transcriptions, database, writer, store, journals)
    redo = RedoService(settings, database, audio, stt, transcriptions, writer.wait_until_stored)
    sessions = SessionManager(settings, stt, store, spool, recovery, observer, journals)
    attached = Attachments(settings, database, transcriptions)
    answers = Answers(settings, database, catalog, observer, lambda: sessions.dictating > 0, attached)
    sessions.watch_starts(answers.titles.give_way)
    sockets = SocketLimiter(settings.limits.sockets)

    async def forget_dictation(dictation_id: UUID) -> None:
        redo.forget(dictation_id)
        await spool.forget(dictation_id)

    def find_transcript(owner: UUID, session_id: str) -> Awaitable[str]:
        return transcripts.find(SessionLabel(owner, session_id))

    return Resources(
        settings=settings,
        observer=observer,
        started_s=int(time()),
        stt=stt,
        scheduler=scheduler,
        fetcher=WeightsFetcher(settings, partial(measure_arrival, stt)),
        engines=Supervisor("speech engines"),
        workers=workers,
        sockets=sockets,
        sessions=sessions,
        journals=journals,
        audio=audio,
        spool=spool,
        recovery=recovery,
        transcriptions=transcriptions,
        wyoming=WyomingDoor(settings, accounts, stt, sessions, sockets),
        speaker=Speaker(settings, registrations.tts),
        transcripts=transcripts,
        writer=writer,
        database_health=health,
        dictations=DictationHistory(database, writer, transcripts, forget_dictation),
        redo=redo,
        search=search,
        exporter=ConversationExporter(database, settings.exports, ExportedFiles(settings.data_dir)),
        imports=Imports(settings, database, attached),
        llm=llm,
        connections=connected,
        catalog=catalog,
        assistants=assistants,
        completions=CompletionService(catalog, observer, RequestFiles(settings, attached)),
        generate=GenerateService(llm, catalog, observer, find_transcript),
        attachments=attached,
        answers=answers,
        conversations=Conversations(database, answers),
        branches=Branches(database, answers),
        realtime=RealtimeSessions(database, answers),
        shares=Shares(settings, database, attached),
        accounts=accounts,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep the default engine warm in the background; at the end stop answers, sessions, engines and upstreams."""
    resources: Resources = app.state.resources

    async def prepare() -> None:
        resources.accounts.start()
        await resources.wyoming.open()

    async with (
        lifecycle.open_database(app.state.database, resources.settings, app.state.database_health, prepare),
        resources.attachments.run(),
        resources.answers.lifespan(),
        resources.audio.run(),
        resources.workers.run() if resources.workers else nullcontext(),
        resources.recovery.tasks.run(),
        resources.redo.tasks.run(),
        resources.imports.run(),
        resources.spool.run(),
        resources.writer.run(resources.settings.limits.stop_s),
        resources.journals.run(),
        resources.sessions.run(),
        resources.engines.run(),
        resources.fetcher.run(),
        resources.wyoming.run(),
    ):
        resources.engines.start_loop("default engine", resources.stt.keep_warm)
        yield
    await resources.stt.aclose()
    await resources.speaker.aclose()
    await resources.assistants.aclose()
    await resources.llm.aclose()
    await resources.connections.aclose()


def _describe_socket(app: FastAPI) -> None:
    """Add what OpenAPI has no place for: the socket's messages, and the events of a streamed answer."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            models = schema.setdefault("components", {}).setdefault("schemas", {})
            for name, adapter in (
                ("ClientMessage", client_message),
                ("ServerEvent", server_event),
                ("GenerateEvent", generate_event),
            ):
                described = adapter.json_schema(ref_template="#/components/schemas/{model}")
                models.update(described.pop("$defs"))
                models[name] = described
            _describe_body_limit(schema)
            schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"bearer": []}, {}]  # without accounts nothing is needed
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_body_limit(schema: dict[str, Any]) -> None:
    """Add the answer to a body that is too large to each operation that takes one and does not describe it itself."""
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
    for path in schema["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                too_big = {"description": "The body is over the limit", "content": error}
                operation["responses"].setdefault("413", too_big)


def __getattr__(name: str) -> FastAPI:
    """Make `app` when it is first asked for, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = made = create_app()
    return made
