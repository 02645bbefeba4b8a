"""One session of a whole-window engine: the context between its utterances, and its decodes in the scheduler's turn."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import anyio
import numpy as np

from app.core.config import Settings
from app.core.errors import PrompterError
from app.providers.base import (
    SAMPLE_RATE_HZ,
    ContinuingSttSession,
    Samples,
    SttConfig,
    ToldSpeech,
    WindowRequest,
    WindowResult,
    WindowSttSession,
)
from app.providers.boundary import ProviderBoundary
from app.services.decoding.policy import Job, Priority
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.told_speech import PAUSE_S, ToldUtterance, ToldUtterances
from app.utils.joining import TextPart, strip_closing_marks

R = TypeVar("R")

CONTEXT_CHARACTERS = 200
CONTEXT_AGE_S = 30.0
SPOKEN_HALF_LIFE_S = 30.0
"""Speech after which a language that was spoken counts half, when that of a short utterance is guessed."""
CONTEXT_SPEECH_S = 2.0
"""A shorter utterance is decoded without context: the decoder would rather repeat the context than hear so little."""


def prompt_end(text: str) -> str:
    """The last words of a text, as many as a prompt is given."""
    if len(text) <= CONTEXT_CHARACTERS:
        return text
    end = text[-CONTEXT_CHARACTERS:]
    return end.partition(" ")[2] or end


class DecodingContext:
    """What the finals of a session tell its next decodes: language and text. Discarded decodes leave no trace."""

    def __init__(self) -> None:
        self.lang: str | None = None
        """The language of `prompt`, as the engine names it."""
        self._spoken_s: dict[str, float] = {}
        self._text = ""
        self._end = 0
        self._told = ToldUtterances()
        self._before: tuple[str | None, dict[str, float]] = None, {}
        """`lang` and languages before the last final."""

    def prompt(self, start: int, speech_samples: int) -> str:
        """The text before an utterance that begins at session sample `start`; empty where it does not help."""
        is_recent = start - self._end < CONTEXT_AGE_S * SAMPLE_RATE_HZ
        return self._text if is_recent and speech_samples >= CONTEXT_SPEECH_S * SAMPLE_RATE_HZ else ""

    @property
    def spoken(self) -> tuple[tuple[str, float], ...]:
        """The languages of the finals before and how long each was spoken (s); what is long ago counts less."""
        return tuple(self._spoken_s.items())

    def find_told(self, start: int, samples: int) -> ToldSpeech | None:
        """The speech before an utterance of so many samples that begins at session sample `start`."""
        return self._told.find_before(start, samples)

    def goes_on(self, text: str, start: int) -> bool:
        """Whether a text that was decoded alone goes on with the sentence before it, by how it is written."""
        is_recent = start - self._end < PAUSE_S * SAMPLE_RATE_HZ
        is_open = bool(self._text) and self._text == strip_closing_marks(self._text)
        return is_recent and is_open and text[:1].islower()

    def remember(self, final: WindowResult, end: int, speech_s: float, samples: Samples) -> None:
        """Take the final of an utterance with these samples, whose speech ended at session sample `end`."""
        self._before = self.lang, self._spoken_s
        self.lang = final.lang
        if final.lang is not None:
            fading = 0.5 ** (speech_s / SPOKEN_HALF_LIFE_S)
            self._spoken_s = {lang: spoken_s * fading for lang, spoken_s in self._spoken_s.items()}
            self._spoken_s[final.lang] = self._spoken_s.get(final.lang, 0.0) + speech_s
        self._text = prompt_end(final.text) if final.trusted else ""
        self._end = end
        if final.trusted:
            part = TextPart(final.text, final.joined, final.lang)
            self._told.add(ToldUtterance(samples, part, final.words), end, final.ends_before)
        else:
            self._told.clear()

    def dump(self) -> dict[str, Any]:
        """What another server needs to go on, but for the audio before: JSON."""
        return {"lang": self.lang, "spoken_s": self._spoken_s, "text": self._text, "end": self._end}

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on where another server was."""
        self.lang, self._spoken_s = dumped["lang"], dict(dumped["spoken_s"])
        self._text, self._end = dumped["text"], dumped["end"]

    def forget_last(self) -> None:
        """The last final turned out to be none: no next decode goes on from it, or leans to its language."""
        self.lang, self._spoken_s = self._before
        self._text = ""
        self._told.clear()


WindowSize = Literal["short", "full"]

WITHIN_S = {Priority.FINAL: 0.3, Priority.EAGER: 0.35}
"""How soon a decode is wanted. An eager final is wanted before the silence is long enough to end the utterance."""
PARTIAL_WITHIN_S = 0.5


@dataclass(frozen=True, slots=True)
class WindowSizes:
    """How much audio is encoded for a partial and for a final."""

    partial: WindowSize = "short"
    final: WindowSize = "short"

    @classmethod
    def from_settings(cls, settings: Settings) -> "WindowSizes":
        whisper = settings.stt.whisper_local
        return cls(partial=whisper.partial_window, final=whisper.final_window)


@dataclass(slots=True, eq=False)
class DecodeTask:
    """One decode of an utterance. Cancelled while it waits for its turn, it is never made."""

    priority: Priority
    """Becomes FINAL when an eager final is promoted."""
    speech_samples: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    result: WindowResult | None = None
    failure: PrompterError | None = None


class WindowSession:
    """What the streams of one session share. Of a session's finals one is decoded at a time, and of its partials."""

    def __init__(
        self,
        engine: WindowSttSession,
        config: SttConfig,
        sizes: WindowSizes,
        *,
        name: str,
        scheduler: Scheduler | None,
        number: int,
    ) -> None:
        """`number` is the session's number at the scheduler; None for an engine that takes no core of this machine."""
        self.config = config
        self.context = DecodingContext()
        self._engine = engine
        self._sizes = sizes
        self._name = name
        self._scheduler = scheduler
        self._number = number
        self._boundary = ProviderBoundary(name)
        self._finals = anyio.Lock()
        self._partials = anyio.Lock()

    @property
    def model(self) -> str | None:
        return self._engine.model

    @property
    def pressure_factor(self) -> float:
        """How much the load stretches the distance between partials."""
        return self._scheduler.pressure.factor if self._scheduler else 1.0

    def now(self) -> float:
        """The scheduler's clock (s)."""
        return self._scheduler.now() if self._scheduler else time.monotonic()

    def promote(self, eager: DecodeTask) -> None:
        """The utterance is over: the eager final is wanted now."""
        eager.priority = Priority.FINAL
        if self._scheduler:
            self._scheduler.promote(self._number)

    async def decode(self, task: DecodeTask, build: Callable[[], WindowRequest]) -> WindowResult:
        """Decode when the task's turn comes, and once more in full where a short window gives a doubtful result.

        `build` makes the request at the moment of the decode, so that a partial covers all audio until then.

        Raises:
            Shed: the task is a partial that is not worth its cost any more.
            EngineFailed, and our other errors that the engine raises.
        """
        async with self._finals if is_final(task.priority) else self._partials:
            size = self._window_size(task)
            requests: list[WindowRequest] = []

            async def call(request: WindowRequest) -> WindowResult:
                requests.append(request)
                with self._boundary:
                    return await self._engine.decode(request)

            expected = replace(build(), window=size)
            result = await self._schedule(task, expected, lambda: call(replace(build(), window=size)))
            if not self._needs_full_window(task, requests[-1], result):
                return result
            full = replace(requests[-1], window="full", lang=requests[-1].lang or result.lang)
            again = await self._schedule(task, full, lambda: call(full))
            return replace(again, decode_ms=result.decode_ms + again.decode_ms)

    async def decode_continuation(
        self, task: DecodeTask, request: WindowRequest, told: ToldSpeech
    ) -> WindowResult | None:
        """Decode an utterance in one window with the speech before it; None where it has to be decoded alone."""
        engine = self._engine
        if not isinstance(engine, ContinuingSttSession):
            return None

        async def call() -> WindowResult | None:
            with self._boundary:
                return await engine.decode_continuation(request, told)

        async with self._finals:
            samples = np.concatenate((told.samples, request.samples))
            return await self._schedule(task, replace(request, samples=samples, window="short"), call)

    async def decode_once(self, task: DecodeTask, request: WindowRequest) -> WindowResult:
        """Decode part of the task's utterance once more, in a short window, however doubtful the result."""
        short = replace(request, window="short")

        async def call() -> WindowResult:
            with self._boundary:
                return await self._engine.decode(short)

        async with self._finals:
            return await self._schedule(task, short, call)

    async def _schedule(
        self, task: DecodeTask, request: WindowRequest, call: Callable[[], Awaitable[R]]
    ) -> R:
        if self._scheduler is None:
            return await call()
        job = Job(
            session=self._number,
            priority=task.priority,
            audio_s=len(request.samples) / SAMPLE_RATE_HZ,
            deadline=self.now() + WITHIN_S.get(task.priority, PARTIAL_WITHIN_S),
            cost_key=f"{self._name}/{request.window}/{'final' if request.final else 'partial'}",
        )
        return await self._scheduler.run(job, call)

    def _window_size(self, task: DecodeTask) -> WindowSize:
        return self._sizes.final if is_final(task.priority) else self._sizes.partial

    def _needs_full_window(self, task: DecodeTask, request: WindowRequest, result: WindowResult) -> bool:
        if request.window == "full":
            return False
        if is_final(task.priority):
            return result.doubtful is not None
        # The beginning of an utterance has no words in it, and a second decode needs cores that are free.
        return result.doubtful not in (None, "empty") and self.pressure_factor <= 1


def is_final(priority: Priority) -> bool:
    """Whether the decode is that of a whole utterance."""
    return priority in (Priority.FINAL, Priority.EAGER, Priority.FILE)
