"""A mock engine that answers every chunk at once: for building and measuring clients."""

from typing import Literal

from app.core.config import Settings
from app.core.errors import UnknownModel
from app.core.notes import Note, NoteCode
from app.providers.base import ProviderStatus, SttCapabilities, SttConfig
from app.schemas.providers import ProviderState

CHUNKS_A_FINAL = 3


class CloudStubProvider:
    """Always ready. Counts chunks and recognizes nothing."""

    name = "cloud_stub"
    type = "mock"
    capabilities = SttCapabilities(
        languages=None, streaming=True, words=False, vocabulary=False, network=False, raw_audio=True
    )

    def __init__(self, settings: Settings) -> None:
        pass

    async def status(self) -> ProviderStatus:
        return ProviderStatus(
            state=ProviderState.READY,
            description="mock for building clients: counts chunks and recognises nothing",
            note=Note(NoteCode.RECOGNISES_NOTHING),
        )

    def models(self) -> list[str]:
        return []

    async def start(self) -> None:
        """Nothing to load."""

    async def open_session(self, config: SttConfig) -> "CloudStubSession":
        if config.model is not None:
            raise UnknownModel("provider 'cloud_stub' has no models; leave `model` out")
        return CloudStubSession()

    async def aclose(self) -> None:
        """Nothing to free."""


class CloudStubSession:
    """One dictation: a partial for every chunk, and a final after every third."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks = 0

    def accept_chunk(self, pcm: bytes) -> list[tuple[Literal["partial", "final"], str]]:  # noqa: ARG002
        """Count one chunk. Chunks after the last final give none."""
        self._chunks = n = self._chunks + 1
        if n % CHUNKS_A_FINAL:
            return [("partial", f"(mock) escuchando... chunk={n}")]
        return [
            ("partial", f"(mock) escuchando... chunk={n}"),
            ("final", f"(mock) transcripción final #{n // CHUNKS_A_FINAL}"),
        ]

    async def aclose(self) -> None:
        """Nothing to release."""
