"""A fake speech engine: implements the protocols, obeys its script, remembers what was done to it."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio
import anyio.to_thread

from app.providers.base import (
    Hypothesis,
    ProviderStatus,
    Samples,
    SttCapabilities,
    SttConfig,
    Transcript,
    Word,
)
from app.schemas.providers import ProviderState

Step = Literal[
    "status",
    "models",
    "start",
    "measure_cost",
    "open_session",
    "open_stream",
    "accept",
    "finish",
    "close_stream",
    "close_session",
]


class Gate:
    """Holds a call of the engine in its worker thread until the test opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def wait(self) -> None:
        self.reached.set()
        assert self._opened.wait(30), "the test never opened the gate"


@dataclass
class Script:
    """What the engine does; steps that are not named do their work at once."""

    hypothesis: Callable[["FakeStream"], str | None] = lambda _: None
    final: Callable[["FakeStream"], str] = lambda stream: stream.digest
    failures: dict[Step, BaseException] = field(default_factory=dict)
    gates: dict[Step, Gate] = field(default_factory=dict)
    delays_s: dict[Step, float] = field(default_factory=dict)
    """Time that a step blocks its worker thread, as a busy engine does."""
    languages: tuple[str, ...] | None = ("en",)
    models: tuple[str, ...] = ("small", "large")
    cost: float = 1e-4
    """Core seconds for a second of speech, as its warm-up measures it: admission goes by that."""

    async def run(self, step: Step) -> None:
        if gate := self.gates.get(step):
            await anyio.to_thread.run_sync(gate.wait)
        if delay_s := self.delays_s.get(step):
            # A state is asked for with a time limit; a call into an engine that works is never abandoned.
            await anyio.to_thread.run_sync(time.sleep, delay_s, abandon_on_cancel=step == "status")
        if failure := self.failures.get(step):
            raise failure


class FakeEngine:
    """The provider `fake`; give it to `support.serving.serving`."""

    name = "fake"
    type = "test"

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.sessions: list[FakeSession] = []
        self.measured = 0
        self.capabilities = SttCapabilities(
            languages=self.script.languages, streaming=True, words=True, vocabulary=True, network=False
        )

    @property
    def streams(self) -> list["FakeStream"]:
        return [stream for session in self.sessions for stream in session.streams]

    @property
    def all_closed(self) -> bool:
        """Whether every session and stream has been released."""
        return all(session.closed for session in self.sessions) and all(s.closed for s in self.streams)

    async def status(self) -> ProviderStatus:
        await self.script.run("status")
        return ProviderStatus(ProviderState.READY, "a fake for tests")

    def models(self) -> list[str]:
        if failure := self.script.failures.get("models"):
            raise failure
        return list(self.script.models)

    async def start(self) -> None:
        await self.script.run("start")

    def cost_key(self, model: str | None) -> str:
        return model or self.script.models[0]

    async def measure_cost(self, model: str | None) -> float:
        await self.script.run("measure_cost")
        self.measured += 1
        return self.script.cost

    async def open_session(self, config: SttConfig) -> "FakeSession":
        await self.script.run("open_session")
        session = FakeSession(self.script, config)
        self.sessions.append(session)
        return session

    async def aclose(self) -> None:
        """Nothing to stop."""


class FakeSession:
    """One dictation; closing it twice, or with a stream open, is a fault of the caller."""

    def __init__(self, script: Script, config: SttConfig) -> None:
        self.config = config
        self.streams: list[FakeStream] = []
        self.closed = False
        self._script = script

    async def open_stream(self) -> "FakeStream":
        await self._script.run("open_stream")
        assert all(stream.closed for stream in self.streams), "two streams of one session at a time"
        stream = FakeStream(self._script)
        self.streams.append(stream)
        return stream

    async def aclose(self) -> None:
        assert not self.closed, "a session is closed twice"
        assert all(stream.closed for stream in self.streams), "a session is closed before its stream"
        self.closed = True
        await self._script.run("close_session")


class FakeStream:
    """One utterance: keeps the audio, and checks that calls neither overlap nor come after the close."""

    def __init__(self, script: Script) -> None:
        self.audio = bytearray()
        self.pieces = 0
        self.finished = False
        self.closed = False
        self._script = script
        self._running = False

    @property
    def digest(self) -> str:
        """A text that differs whenever the audio differs in a single bit."""
        return f"heard {len(self.audio) // 2} {hashlib.sha256(self.audio).hexdigest()[:16]}"

    async def accept(self, samples: Samples) -> Hypothesis | None:
        await self._call("accept")
        self.audio += samples.astype("<i2").tobytes()
        self.pieces += 1
        text = self._script.hypothesis(self)
        return None if text is None else Hypothesis(text)

    async def finish(self, speech_samples: int) -> Transcript:
        await self._call("finish")
        assert 0 <= speech_samples <= len(self.audio) // 2
        self.finished = True
        text = self._script.final(self)
        words = tuple(Word(word, 100 * i, 100 * i + 80, 0.5) for i, word in enumerate(text.split()))
        return Transcript(text, lang="en", words=words, decode_ms=1.5)

    async def aclose(self) -> None:
        assert not self._running, "a stream is closed while a call of it runs"
        assert not self.closed, "a stream is closed twice"
        self.closed = True
        await self._script.run("close_stream")

    async def _call(self, step: Step) -> None:
        assert not self._running, "calls of one stream overlap"
        assert not self.closed, "a stream is used after its close"
        self._running = True
        try:
            await self._script.run(step)
        finally:
            self._running = False


def guess_words(stream: FakeStream) -> str:
    """A hypothesis that gains a word with each quarter of a second."""
    return " ".join(f"word{i}" for i in range(len(stream.audio) // 8000))
