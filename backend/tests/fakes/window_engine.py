"""A fake whole-window engine: knows from the audio itself which words lie in a window, and obeys a script."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, cast

import anyio
import numpy as np
from anyio.abc import TaskGroup

from app.core.errors import UnknownModel
from app.providers.base import (
    Hypothesis,
    ProviderStatus,
    Samples,
    SttCapabilities,
    SttConfig,
    ToldSpeech,
    Transcript,
    WindowRequest,
    WindowResult,
    WindowSttSession,
    Word,
)
from app.schemas.providers import ProviderState
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import LiveWindowStream

WORD_SAMPLES = 4800
"""A word of the scripted speech lasts 300 ms; the samples of word n have the value n + 1."""


def make_speech(words: int, first: int = 0) -> Samples:
    """Audio that holds the words `first`, `first + 1` …"""
    return np.repeat(np.arange(first + 1, first + words + 1, dtype=np.int16), WORD_SAMPLES)


def make_text(words: int, first: int = 0) -> str:
    """What such audio says."""
    return " ".join(f"w{n}" for n in range(first, first + words))


def hear(request: WindowRequest) -> WindowResult:
    """The words whose greater part lies before the end of speech, with their times."""
    samples = request.samples[: request.speech_samples]
    numbers = [
        int(n) for n in np.unique(samples) if n > 0 and np.count_nonzero(samples == n) > WORD_SAMPLES // 2
    ]
    found = []
    for number in numbers:
        places = np.flatnonzero(samples == number)
        found.append(Word(f"w{number - 1}", int(places[0]) // 16, int(places[-1] + 1) // 16, 0.9))
    text = " ".join(word.text for word in found)
    return WindowResult(text, "en", tuple(found) if request.words else (), lang_sure=True, trusted=True)


def go_on(request: WindowRequest, told: ToldSpeech) -> WindowResult:
    """The words of both, less those that are told."""
    joint = replace(
        request,
        samples=np.concatenate((told.samples, request.samples)),
        speech_samples=len(told.samples) + request.speech_samples,
        words=True,
    )
    offset_ms = len(told.samples) // 16
    heard = hear(joint).words[len(told.text.split()) :]
    words = tuple(
        replace(word, start_ms=word.start_ms - offset_ms, end_ms=word.end_ms - offset_ms) for word in heard
    )
    text = " ".join(word.text for word in words)
    return WindowResult(text, "en", words, lang_sure=True, trusted=True, joined=True)


@dataclass
class WindowScript:
    """What the engine answers, and whether it waits before."""

    answer: Callable[[WindowRequest], WindowResult] = hear
    go_on: Callable[[WindowRequest, ToldSpeech], WindowResult | None] = go_on
    hold: Callable[[WindowRequest], bool] = lambda _: False
    """Decodes that wait until the test lets them go."""
    decode_ms: float = 1.0
    failures: list[Exception | None] = field(default_factory=list)


class FakeWindowSession:
    """One dictation; two finals or two partials at a time, or a decode after its close, are faults of the caller."""

    model: str | None = "fake"

    def __init__(self, script: WindowScript | None = None) -> None:
        self.script = script or WindowScript()
        self.requests: list[WindowRequest] = []
        self.held: list[anyio.Event] = []
        self.closed = False
        self.running: list[bool] = []
        """For each decode that runs, whether it is a final."""

    @property
    def finals(self) -> list[WindowRequest]:
        return [request for request in self.requests if request.final]

    @property
    def partials(self) -> list[WindowRequest]:
        return [request for request in self.requests if not request.final]

    async def decode(self, request: WindowRequest) -> WindowResult:
        assert request.final not in self.running, "two finals, or two partials, of one dictation at a time"
        assert not self.closed, "a decode after the close"
        self.running.append(request.final)
        self.requests.append(request)
        try:
            if self.script.hold(request):
                self.held.append(anyio.Event())
                with anyio.CancelScope(shield=True):  # a decode in a thread cannot be stopped
                    await self.held[-1].wait()
            if self.script.failures and (failure := self.script.failures.pop(0)):
                raise failure
            return replace(self.script.answer(request), decode_ms=self.script.decode_ms)
        finally:
            self.running.remove(request.final)

    async def aclose(self) -> None:
        assert not self.running, "closed while a decode runs"
        self.closed = True


class ContinuingFakeSession(FakeWindowSession):
    """One dictation of an engine that decodes an utterance in one window with the speech before it."""

    def __init__(self, script: WindowScript | None = None) -> None:
        super().__init__(script)
        self.told: list[ToldSpeech] = []

    async def decode_continuation(self, request: WindowRequest, told: ToldSpeech) -> WindowResult | None:
        assert request.final not in self.running, "two finals of one dictation at a time"
        assert not self.closed, "a decode after the close"
        self.told.append(told)
        return self.script.go_on(request, told)


class FakeWindowEngine:
    """The provider `fake` with windows."""

    name = "fake"
    type = "test"
    capabilities = SttCapabilities(("en",), streaming=True, words=True, vocabulary=True, network=False)

    def __init__(self, script: WindowScript | None = None) -> None:
        self.script = script or WindowScript()
        self.sessions: list[FakeWindowSession] = []
        self.configs: list[SttConfig] = []

    async def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.READY, "a fake for tests")

    def models(self) -> list[str]:
        return ["fake"]

    async def start(self) -> None:
        """Nothing to load."""

    async def open_session(self, config: SttConfig) -> FakeWindowSession:
        if config.model not in (None, "fake"):
            raise UnknownModel(f"no model {config.model!r}; expected 'fake'")
        self.sessions.append(FakeWindowSession(self.script))
        self.configs.append(config)
        return self.sessions[-1]

    async def aclose(self) -> None:
        """Nothing to stop."""


class LooseTasks:
    """A task group that need not be left in the order of entering."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start_soon(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        self._tasks.add(asyncio.ensure_future(work(*arguments)))

    async def wait(self) -> None:
        """Until all have ended; raises what one of them raised."""
        await asyncio.gather(*self._tasks)


class WindowedSession:
    """A `SttSession` over a `WindowSttSession`; `accept` gives the partial that the audio brought."""

    def __init__(
        self, engine: WindowSttSession, config: SttConfig, windows: WindowSizes | None = None
    ) -> None:
        self._engine = engine
        self._tasks = LooseTasks()
        self._session = WindowSession(
            engine, config, windows or WindowSizes(), name="test", scheduler=None, number=0
        )

    async def open_stream(self) -> "WindowedStream":
        return WindowedStream(self._session, cast("TaskGroup", self._tasks))

    async def aclose(self) -> None:
        await self._tasks.wait()
        await self._engine.aclose()


class WindowedStream:
    """One utterance."""

    def __init__(self, session: WindowSession, tasks: TaskGroup) -> None:
        self._stream = LiveWindowStream(session, 0, 0, self, tasks)
        self._newest: Hypothesis | None = None

    def on_partial(self, text: str, stable: str, covered_samples: int) -> None:
        self._newest = Hypothesis(text, stable)

    def on_eager_final(self, transcript: Transcript) -> None:
        raise AssertionError("nobody paused")

    async def accept(self, samples: Samples) -> Hypothesis | None:
        await self._stream.accept(samples)
        while not self._stream.is_idle:
            await anyio.lowlevel.checkpoint()
        newest, self._newest = self._newest, None
        return newest

    async def finish(self, speech_samples: int) -> Transcript:
        return await self._stream.finish(speech_samples)

    async def aclose(self) -> None:
        await self._stream.aclose()
