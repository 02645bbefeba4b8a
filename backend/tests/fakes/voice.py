"""A fake engine that speaks: a tone for each character, at any rate, with gates and failures."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from threading import Event as Gate

import anyio
import numpy as np

from app.providers.base import ProviderStatus, TtsRequest, TtsVoice
from app.providers.registry import Registration, Registrations
from app.schemas.providers import ProviderState

VOICES = (
    TtsVoice(id="en-gb", title="English (Great Britain)", langs=("en-gb", "en")),
    TtsVoice(id="es", title="Spanish (Spain)", langs=("es",)),
    TtsVoice(id="es-419", title="Spanish (Latin America)", langs=("es-419", "es-mx", "es")),
)


@dataclass
class FakeVoice:
    """Speaks each character for a tenth of a second; a slow speed takes longer."""

    rate_hz: int = 22_050
    listed: Sequence[TtsVoice] = VOICES
    state: ProviderState = ProviderState.READY
    failure: Exception | None = None
    fails_at: int = 0
    """The character at which it fails."""
    gate: Gate | None = None
    """Held after the first character until the test opens it."""
    name: str = "fake_voice"
    type: str = "test"
    requests: list[TtsRequest] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    async def status(self) -> ProviderStatus:
        return ProviderStatus(self.state, "a fake for tests")

    async def voices(self) -> Sequence[TtsVoice]:
        return self.listed

    async def speak(self, request: TtsRequest) -> AsyncGenerator[tuple[bytes, int], None]:
        self.requests.append(request)
        self.opened += 1
        times_s = np.arange(round(self.rate_hz / 10 / request.speed)) / self.rate_hz
        tone = (8000 * np.sin(2 * np.pi * 440 * times_s)).astype("<i2").tobytes()
        try:
            for at, _ in enumerate(request.text):
                if at == self.fails_at and self.failure is not None:
                    raise self.failure
                while at and self.gate is not None and not self.gate.is_set():  # noqa: ASYNC110  # another thread opens it
                    await anyio.sleep(0.002)
                yield tone, self.rate_hz
        finally:
            self.closed += 1

    async def aclose(self) -> None:
        """Nothing to free."""


def with_voice(voice: FakeVoice) -> Registrations:
    """The registrations of a server where this engine alone speaks."""
    return Registrations(tts={voice.name: Registration(voice.name, lambda: lambda _: voice, "tests")})
