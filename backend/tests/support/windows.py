"""A window engine's dictation behind the protocol of all others, for the contract that every provider is held to."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import anyio
from anyio.abc import TaskGroup

from app.providers.base import Hypothesis, Samples, SttConfig, Transcript, WindowSttSession
from app.services.decoding.window_session import WindowSession, WindowSizes
from app.services.decoding.window_stream import LiveWindowStream


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
