"""The application: `create_app(settings)` joins settings, services and doors; `app` is what uvicorn runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import time
from typing import Any

import anyio
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.api import (
    accounts,
    chat_stream,
    conversations,
    dictations,
    generate,
    messages,
    operations,
    realtime_chat,
    search,
    stt,
    web,
)
from app.api.deps import Resources
from app.api.errors import install_error_handlers
from app.api.middleware.auth import AuthMiddleware
from app.api.middleware.network import NetworkMiddleware, make_cors_options
from app.api.openai import chat, models, transcriptions
from app.core.config import Settings, load_settings
from app.core.logging import configure_logging
from app.core.metrics import Observer
from app.providers.registry import Registrations
from app.schemas.llm import generate_event
from app.schemas.stt import client_message, server_event
from app.services.accounts.accounts import Accounts
from app.services.assistants.registry import Assistants
from app.services.assistants.toolsets import Toolsets
from app.services.chat.answers import Answers
from app.services.chat.conversations import Branches, Conversations, RealtimeSessions
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import make_scheduler
from app.services.dictation.sessions import SessionManager, SocketLimiter
from app.services.history.dictation_writer import DictationStore, DictationWriter
from app.services.history.dictations import DictationHistory, find_latest_text
from app.services.history.export import ConversationExporter
from app.services.history.search import Search
from app.services.history.transcripts import RecentTranscripts
from app.services.llm.completion import Completions
from app.services.llm.generate import Generation
from app.services.llm.models import Catalogue
from app.services.llm.providers import LlmProviders
from app.services.transcription.job import TranscriptionService
from app.storage import lifecycle
from app.storage.database import Database


def create_app(settings: Settings | None = None, *, registrations: Registrations | None = None) -> FastAPI:
    """An application of its own with these settings; those of the environment when none are given.

    `registrations` bring other providers and toolsets than those that are built in, configured and installed.
    """
    settings = settings or load_settings()
    registrations = registrations or Registrations()
    configure_logging(settings.log_level)
    app = FastAPI(
        title="PROMPTer",
        version=__version__,
        summary="A self-hosted server for prompting language models by voice",
        description=web.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # an address with a slash too many is unknown, with accounts and without
        lifespan=_lifespan,
    )
    observer = Observer()
    scheduler = make_scheduler(settings.scheduler, shed=observer.shed)
    observer.watch_queue(lambda: scheduler.waiting)
    engines = SttProviders(settings, scheduler, registrations.stt)
    database = Database(settings)
    app.state.database = database
    transcripts = RecentTranscripts(settings.limits.transcripts, partial(find_latest_text, database))
    writer = DictationWriter(database, settings.limits.unstored_finals, observer)
    language_models = LlmProviders(settings, registrations.llm)
    kept = Search(database)
    assistants = Assistants(settings, Toolsets(settings, registrations.toolsets), kept, language_models.names)
    catalogue = Catalogue(settings, language_models, assistants)
    answers = Answers(settings, database, catalogue, observer)
    app.state.resources = Resources(
        settings=settings,
        engines=engines,
        providers=language_models,
        generation=Generation(language_models, transcripts, catalogue),
        catalogue=catalogue,
        assistants=assistants,
        completions=Completions(catalogue, observer),
        transcriptions=TranscriptionService(settings, engines, scheduler),
        transcripts=transcripts,
        sockets=SocketLimiter(settings.limits.sockets),
        sessions=SessionManager(settings, engines, DictationStore(writer, transcripts), observer),
        scheduler=scheduler,
        observer=observer,
        accounts=Accounts(settings, database),
        answers=answers,
        conversations=Conversations(database, answers),
        branches=Branches(database, answers),
        export=ConversationExporter(database),
        search=kept,
        realtime=RealtimeSessions(database, answers),
        dictations=DictationHistory(database, writer, transcripts),
        writer=writer,
        begun_s=int(time()),
    )
    install_error_handlers(app)
    for router in (
        *(stt.router, generate.router, chat.router, models.router, transcriptions.router),
        *(conversations.router, chat_stream.router, realtime_chat.router, dictations.router, messages.router),
        *(search.router, models.api_router, operations.providers_router),
        *(accounts.router, accounts.keys_router, operations.router),
    ):
        app.include_router(router)
    web.mount_docs(app)
    web.mount_web(app)
    # Each stands before those above it: the guard first, then other origins, then the gate.
    app.add_middleware(AuthMiddleware, settings=settings)
    if settings.allowed_origins:
        app.add_middleware(CORSMiddleware, **make_cors_options(settings))
    app.add_middleware(NetworkMiddleware, settings=settings)
    _describe_socket(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm the default engine in the background; at the end stop sessions, engines and upstreams."""
    resources: Resources = app.state.resources
    resources.accounts.start()
    async with (
        lifecycle.open_database(app.state.database, resources.settings),
        resources.answers.lifespan(),
        resources.writer.run(resources.settings.limits.stop_s),
        resources.sessions.run(),
        anyio.create_task_group() as group,
    ):
        group.start_soon(resources.engines.warm_up)
        yield
        group.cancel_scope.cancel()
    await resources.engines.aclose()
    await resources.assistants.aclose()
    await resources.providers.aclose()


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
            schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"bearer": []}, {}]  # without accounts nothing is needed
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def __getattr__(name: str) -> FastAPI:
    """Make `app` when it is first asked for, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = made = create_app()
    return made
