"""One dictation of a whole-window engine: its streams, its context between utterances, its use of the scheduler."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from anyio.abc import TaskGroup

from app.providers.base import SAMPLE_RATE_HZ, SttConfig, WindowRequest, WindowResult, WindowSttSession
from app.providers.boundary import ProviderBoundary
from app.services.decoding.jobs import Job, Priority
from app.services.decoding.scheduler import Scheduler

CONTEXT_CHARACTERS = 200
CONTEXT_AGE_S = 30.0
CONTEXT_SPEECH_S = 2.0
"""A shorter utterance gets no context: the decoder would rather repeat that than hear so little."""


def ending(text: str) -> str:
    """The last words of a text, as many as a prompt is given."""
    if len(text) <= CONTEXT_CHARACTERS:
        return text
    tail = text[-CONTEXT_CHARACTERS:]
    return tail.partition(" ")[2] or tail


class Memory:
    """Only finals that were told enter, in their order: what was decoded in vain leaves no trace."""

    def __init__(self) -> None:
        self.lang: str | None = None
        """As the engine named it, once it was sure."""
        self._text = ""
        self._end = 0

    def context(self, start: int, speech_samples: int) -> str:
        """What to tell the engine before an utterance that begins at session sample `start`."""
        fresh = start - self._end < CONTEXT_AGE_S * SAMPLE_RATE_HZ
        return self._text if fresh and speech_samples >= CONTEXT_SPEECH_S * SAMPLE_RATE_HZ else ""

    def keep(self, final: WindowResult, end: int) -> None:
        """A final was told; the utterance ended at session sample `end`."""
        if final.lang_sure and self.lang is None:
            self.lang = final.lang
        self._text = ending(final.text) if final.trusted else ""
        self._end = end


WindowSize = Literal["short", "full"]
WindowChoice = Literal["short", "full", "auto"]

WITHIN_S = {Priority.FINAL: 0.3, Priority.EAGER: 0.35}
"""How soon a decode is wanted: an eager final before the silence is long enough. Partials: PARTIAL_WITHIN_S."""
PARTIAL_WITHIN_S = 0.5


@dataclass(frozen=True, slots=True)
class WindowSizes:
    """How much is encoded: settings of the engine."""

    partial: WindowChoice = "short"
    final: WindowChoice = "auto"


@dataclass(slots=True, eq=False)
class Turn:
    """A decode's place in the line; `priority` changes when an eager final is promoted."""

    priority: Priority


class WindowSession:
    """What the streams of one dictation share. `number` is the scheduler's name for it; None for an engine that takes
    no core here.

    At most one decode of a dictation runs at a time, whatever its streams ask for.
    """

    def __init__(
        self,
        engine: WindowSttSession,
        config: SttConfig,
        windows: WindowSizes,
        scheduler: Scheduler | None,
        number: int,
        name: str,
        tasks: TaskGroup | None,
    ) -> None:
        self.config = config
        self.memory = Memory()
        self.tasks = tasks
        """Runs the decodes that nobody waits for yet; its owner waits for them before it closes the engine. None where
        there are none: neither partials nor pauses."""
        self._engine = engine
        self._windows = windows
        self._scheduler = scheduler
        self._number = number
        self._name = name
        self._boundary = ProviderBoundary(name)
        self._one = anyio.Lock()

    @property
    def model(self) -> str | None:
        return self._engine.model

    @property
    def factor(self) -> float:
        """How much the load stretches the cadence of partials."""
        return self._scheduler.pressure.factor if self._scheduler else 1.0

    def now(self) -> float:
        """The scheduler's clock (s)."""
        return self._scheduler.now() if self._scheduler else time.monotonic()

    def promote(self, turn: Turn) -> None:
        """The eager final that has this turn is wanted now."""
        turn.priority = Priority.FINAL
        if self._scheduler:
            self._scheduler.promote(self._number)

    async def decode(self, turn: Turn, build: Callable[[], WindowRequest]) -> WindowResult:
        """Decode when the turn has come; a doubtful short window once more in full.

        `build` makes the request in that very moment, so that a partial covers what has been heard until then.

        Raises:
            Shed: a partial that is not worth its cost any more.
            EngineFailed, and what else of ours the engine raises.
        """
        async with self._one:
            size = self._size(turn)
            asked: list[WindowRequest] = []

            async def call(request: WindowRequest) -> WindowResult:
                asked.append(request)
                with self._boundary:
                    return await self._engine.decode(request)

            expected = replace(build(), window=size)
            result = await self._in_turn(turn, expected, lambda: call(replace(build(), window=size)))
            if not self._again(turn, asked[-1], result):
                return result
            full = replace(asked[-1], window="full")
            again = await self._in_turn(turn, full, lambda: call(full))
            return replace(again, decode_ms=result.decode_ms + again.decode_ms)

    async def _in_turn(
        self, turn: Turn, request: WindowRequest, call: Callable[[], Awaitable[WindowResult]]
    ) -> WindowResult:
        if self._scheduler is None:
            return await call()
        audio_s = len(request.samples) / SAMPLE_RATE_HZ
        deadline = self.now() + WITHIN_S.get(turn.priority, PARTIAL_WITHIN_S)
        costs = f"{self._name}/{request.window}/{'final' if request.final else 'partial'}"
        return await self._scheduler.run(Job(self._number, turn.priority, audio_s, deadline, costs), call)

    def _size(self, turn: Turn) -> WindowSize:
        choice = self._windows.final if is_final(turn.priority) else self._windows.partial
        if choice != "auto":
            return choice
        return "full" if self._scheduler is None or self._scheduler.has_headroom else "short"

    def _again(self, turn: Turn, request: WindowRequest, result: WindowResult) -> bool:
        if request.window == "full":
            return False
        if is_final(turn.priority):
            return result.doubtful is not None or not covers(result, request)
        # The beginning of an utterance has no words in it; and a second decode needs cores that are free.
        return result.doubtful not in (None, "empty") and self.factor <= 1


def is_final(priority: Priority) -> bool:
    return priority in (Priority.FINAL, Priority.EAGER, Priority.FILE)


UNCOVERED_MS = 1200


def covers(result: WindowResult, request: WindowRequest) -> bool:
    """Whether the words reach the end of speech, as far as they have times."""
    speech_ms = request.speech_samples * 1000 // SAMPLE_RATE_HZ
    return not result.words or result.words[-1].end_ms >= speech_ms - UNCOVERED_MS
