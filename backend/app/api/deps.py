"""What the doors hand to the rooms behind them: the resources of one application."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.core.config import Settings
from app.core.metrics import Observer
from app.services.dictation.resume import Sessions
from app.services.engines import Engines
from app.services.llm.catalogue import Catalogue
from app.services.llm.completions import Completions
from app.services.llm.generation import Generation
from app.services.llm.providers import Providers
from app.services.scheduling.scheduler import Scheduler
from app.services.sockets import Sockets
from app.services.transcription.transcriptions import Transcriptions
from app.services.transcripts import Transcripts


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that lives as long as the application."""

    settings: Settings
    engines: Engines
    providers: Providers
    generation: Generation
    catalogue: Catalogue
    completions: Completions
    transcriptions: Transcriptions
    transcripts: Transcripts
    sockets: Sockets
    sessions: Sessions
    scheduler: Scheduler
    observer: Observer
    begun_s: int
    """When the application was made (s since 1970)."""


def get_resources(connection: HTTPConnection) -> Resources:
    """The resources of the application that serves this request or socket."""
    return cast("Resources", connection.app.state.resources)


async def _resources(connection: HTTPConnection) -> Resources:
    """The same as a dependency. FastAPI gives a plain function a thread for each request: milliseconds under load."""
    return get_resources(connection)


ResourcesDep = Annotated[Resources, Depends(_resources)]
