"""One utterance of a whole-window engine: decoded at its end, or made to stream with partials and an eager final."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from anyio.abc import TaskGroup

from app.core.errors import PrompterError
from app.providers.base import (
    SAMPLE_RATE_HZ,
    SAMPLES_PER_MS,
    Hypothesis,
    Samples,
    Transcript,
    WindowRequest,
    WindowResult,
)
from app.services.decoding.policy import Priority, Shed
from app.services.decoding.second_decode import decode_uncovered
from app.services.decoding.stability import (
    LOCAL_AGREEMENT,
    LONG_WINDOW_S,
    StablePrefix,
    find_window_start,
    join_words,
    split_words,
)
from app.services.decoding.window_session import DecodeTask, WindowSession, prompt_end
from app.utils.joining import strip_ellipses
from app.utils.scripts import find_scripts, list_scripts

logger = logging.getLogger(__name__)

TAIL_SAMPLES = SAMPLE_RATE_HZ // 4
"""Audio after the end of speech that a final decode hears. It is shorter than the silence before an eager final: both
finals hear the same audio, so the text does not depend on when it was decoded."""

FIRST_S = 0.5
"""Speech before the first partial: less is hardly a word."""

EARLY_S = 1.7
"""Speech up to which partials come every EARLY_EVERY_S on an idle machine: first words are short and often misheard,
and these decodes are cheap."""
EARLY_EVERY_S = 0.25

EVERY_S = 0.5
"""New audio before the next partial, later on."""

OVERDUE_S = 2.4
"""New audio without a decoded partial after which the next one is as urgent as an utterance's first: under load
partials thin out, and whoever speaks still sees words go on."""

LANGUAGE_S = 2.0
"""Speech from which a sure language holds for the later partials of the utterance; until then each finds its own."""

STRETCH = 1.2
"""New audio before the next partial, as a multiple of the last decode's time: a slow machine shows fewer partials."""


@dataclass(frozen=True, slots=True)
class PartialDecode:
    """A partial that was decoded or shed: how much of the utterance it covered, and the time it took (s)."""

    covered_s: float
    decode_s: float = 0.0
    took_s: float = 0.0
    """With the wait for its turn: no partial covers less new audio than the last one took."""


def is_partial_due(heard_s: float, onset_s: float, last: PartialDecode | None, factor: float) -> bool:
    """Whether to decode now, with `heard_s` of an utterance whose speech began at `onset_s`.

    `factor` is that of the pressure: it stretches the distance between partials.
    """
    if last is None:
        return heard_s - onset_s >= FIRST_S * factor
    every_s = EARLY_EVERY_S if factor <= 1 and last.covered_s - onset_s < EARLY_S else EVERY_S
    return heard_s - last.covered_s >= max(every_s * factor, STRETCH * last.decode_s, last.took_s)


class DecodeListener(Protocol):
    """Gets the partials and eager finals of live utterances. Its methods take note and do not wait."""

    def on_partial(self, text: str, stable: str, covered_samples: int) -> None:
        """A hypothesis over the first `covered_samples` of the utterance; `text` begins with `stable`."""
        ...

    def on_eager_final(self, transcript: Transcript) -> None:
        """The utterance's final, if it ends with the present pause."""
        ...


class WindowStream:
    """A `SttStream` that decodes the utterance once, when it ends."""

    def __init__(self, session: WindowSession, start: int, *, priority: Priority) -> None:
        """The utterance begins at session sample `start`; its final has this priority."""
        self._session = session
        self._start = start
        self._priority = priority
        self._heard = 0
        self._audio = np.empty(0, np.int16)
        self._pieces: list[Samples] = []

    async def accept(self, samples: Samples) -> Hypothesis | None:
        """Keep the audio."""
        self._pieces.append(samples.copy())  # the caller may use its buffer again
        self._heard += len(samples)
        return None

    async def finish(self, speech_samples: int) -> Transcript:
        return self._conclude(
            await self._decode_final(DecodeTask(self._priority, speech_samples)), speech_samples
        )

    def retract(self) -> None:
        """The final is not told after all: the session's next utterances are decoded as if it had not been."""
        self._session.context.forget_last()

    async def aclose(self) -> None:
        self._pieces.clear()

    async def _decode_final(self, task: DecodeTask) -> WindowResult:
        context = self._session.context
        request = WindowRequest(
            samples=self._audio_from(0)[: task.speech_samples + TAIL_SAMPLES],
            speech_samples=task.speech_samples,
            final=True,
            window="full",
            context=context.prompt(self._start, task.speech_samples),
            context_lang=context.lang,
            words=True,  # their times tell which speech has no words
            spoken=context.spoken,
        )
        result = await self._decode_in_context(task, request)
        if result.rejected or not result.text:
            return result
        return await decode_uncovered(request, result, partial(self._session.decode_once, task))

    async def _decode_in_context(self, task: DecodeTask, request: WindowRequest) -> WindowResult:
        """Decode in one window with the speech before the utterance; alone where there is none, or in doubt."""
        context = self._session.context
        told = context.find_told(self._start, len(request.samples))
        result = await self._session.decode_continuation(task, request, told) if told else None
        if result is not None:
            return result
        result = await self._session.decode(task, lambda: request)
        text = strip_ellipses(result.text)
        words = [replace(word, text=strip_ellipses(word.text)) for word in result.words]
        return replace(
            result,
            text=text,
            words=tuple(word for word in words if word.text),
            joined=context.goes_on(text, self._start),
        )

    def _conclude(self, result: WindowResult, speech_samples: int) -> Transcript:
        """The final that the client gets: the session's next utterances are decoded in its context."""
        if result.text and not result.rejected:
            self._session.context.remember(
                result,
                self._start + speech_samples,
                speech_samples / SAMPLE_RATE_HZ,
                self._audio_from(0)[: speech_samples + TAIL_SAMPLES],
            )
        return self._transcript(result)

    def _transcript(self, result: WindowResult) -> Transcript:
        return Transcript(
            text=result.text,
            lang=result.lang,
            model=self._session.model,
            words=result.words if self._session.config.words else (),
            rejected=result.rejected,
            decode_ms=result.decode_ms,
            segments=result.segments,
            uncovered=result.uncovered,
            joined=result.joined,
            is_speech_doubted=result.is_speech_doubted,
        )

    def _audio_from(self, sample: int) -> Samples:
        if self._pieces:
            self._audio = np.concatenate((self._audio, *self._pieces))
            self._pieces.clear()
        return self._audio[sample:]


class LiveWindowStream(WindowStream):
    """Adds partials while the utterance grows, and an eager final in each pause.

    `accept`, `pause` and `resume` never wait for a decode. `aclose` returns when no decode of the utterance runs.
    """

    def __init__(
        self, session: WindowSession, start: int, onset: int, listener: DecodeListener, tasks: TaskGroup
    ) -> None:
        """Speech begins at session sample `onset`. `tasks` runs the decodes that nobody waits for yet; its owner
        waits for them before it closes the engine.
        """
        super().__init__(session, start, priority=Priority.FINAL)
        self._listener = listener
        self._tasks = tasks
        self._onset_s = (onset - start) / SAMPLE_RATE_HZ
        self._task: DecodeTask | None = None
        self._unfinished: set[DecodeTask] = set()
        """Tasks in the background; a cancelled one may still hold a core."""
        self._eager: DecodeTask | None = None
        self._paused = False
        self._is_awaited = True
        self._open = True
        self._partials = session.config.partials
        self._decoded_s: float | None = None
        """How much of the utterance the newest decoded partial covers."""
        self._last_partial: PartialDecode | None = None
        self._prefix = StablePrefix(LOCAL_AGREEMENT)
        self._window_start = 0
        """Sample at which the window of partials begins."""
        self._words_before = 0
        """Stable words before that window."""
        self._lang: str | None = None

    # -- the engine's side of a dictation

    async def accept(self, samples: Samples) -> Hypothesis | None:
        """Keep the audio; start a partial where one is due. The listener gets the partials."""
        await super().accept(samples)
        is_wanted = self._partials and self._is_awaited and not self._paused
        if is_wanted and self.is_idle and self._is_partial_due():
            priority = Priority.FIRST_PARTIAL if self._is_partial_overdue() else Priority.PARTIAL
            self._start_task(DecodeTask(priority), self._decode_partial)
        return None

    def pause(self, speech_samples: int) -> None:
        """Speech has paused at this sample: decode the final now, in case the utterance is over."""
        self._paused = True
        self._cancel_task()
        self._eager = DecodeTask(Priority.EAGER, speech_samples)
        self._start_task(self._eager, self._decode_eagerly)

    def resume(self) -> None:
        """Speech goes on: the eager final is void."""
        self._paused = False
        self._eager = None
        self._cancel_task()

    def set_awaited(self, *, is_awaited: bool) -> None:
        """Whether somebody waits for partials: while nobody does, the stream only keeps the audio."""
        self._is_awaited = is_awaited
        if not is_awaited and self._eager is None:
            self._cancel_task()

    async def finish(self, speech_samples: int) -> Transcript:
        eager = self._eager
        if eager is None or eager.speech_samples != speech_samples:
            self._cancel_task()
            return await super().finish(speech_samples)
        self._session.promote(eager)
        await eager.done.wait()
        if eager.failure is not None:
            raise eager.failure
        assert eager.result is not None
        return self._conclude(eager.result, speech_samples)

    async def aclose(self) -> None:
        self._open = False
        self._cancel_task()
        for task in tuple(self._unfinished):
            await task.done.wait()
        await super().aclose()

    # -- decodes in the background

    @property
    def is_idle(self) -> bool:
        """Whether no decode is wanted in the background."""
        return self._task is None or self._task.done.is_set()

    def _is_partial_due(self) -> bool:
        heard_s = self._heard / SAMPLE_RATE_HZ
        is_overdue = self._decoded_s is not None and self._is_partial_overdue()
        factor = 1.0 if is_overdue else self._session.pressure_factor
        return is_partial_due(heard_s, self._onset_s, self._last_partial, factor)

    def _is_partial_overdue(self) -> bool:
        """Whether words have to be shown soon, under load too: none were yet, or none for long."""
        return self._decoded_s is None or self._heard / SAMPLE_RATE_HZ - self._decoded_s >= OVERDUE_S

    def _start_task(self, task: DecodeTask, work: Callable[[DecodeTask], Awaitable[None]]) -> None:
        self._task = task
        self._unfinished.add(task)
        self._tasks.start_soon(self._run, task, work)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.scope.cancel()

    async def _run(self, task: DecodeTask, work: Callable[[DecodeTask], Awaitable[None]]) -> None:
        try:
            with task.scope:
                await work(task)
        except PrompterError as error:
            task.failure = error
        finally:
            self._unfinished.discard(task)
            task.done.set()

    async def _decode_eagerly(self, task: DecodeTask) -> None:
        task.result = await self._decode_final(task)
        transcript = self._transcript(task.result)
        is_wanted = self._eager is task and task.priority is Priority.EAGER
        # Whether doubted speech is speech is known when the utterance is over.
        if is_wanted and transcript.text and not transcript.rejected and not transcript.is_speech_doubted:
            self._listener.on_eager_final(transcript)

    # -- partials

    async def _decode_partial(self, task: DecodeTask) -> None:
        covered = self._heard
        asked_s = self._session.now()

        def build() -> WindowRequest:
            nonlocal covered
            covered = self._heard
            return self._partial_request()

        try:
            result = await self._session.decode(task, build)
        except Shed:
            self._last_partial = PartialDecode(covered / SAMPLE_RATE_HZ)
            return
        except PrompterError:
            # The final tries again, and raises if the engine is broken.
            logger.warning("partials of an utterance end: the engine failed")
            self._partials = False
            return
        self._decoded_s = covered / SAMPLE_RATE_HZ
        took_s = self._session.now() - asked_s
        self._last_partial = PartialDecode(covered / SAMPLE_RATE_HZ, result.decode_ms / 1000, took_s)
        hypothesis = self._stabilize(result, covered)
        if hypothesis is not None and self._open and not self._paused:
            self._listener.on_partial(hypothesis.text, hypothesis.stable or "", covered)

    def _partial_request(self) -> WindowRequest:
        samples = self._audio_from(self._window_start)
        before = join_words(self._prefix.words[: self._words_before], self._lang)
        return WindowRequest(
            samples=samples,
            speech_samples=len(samples),
            final=False,
            window="short",
            context=prompt_end(before),
            context_lang=self._lang,
            words=len(samples) > LONG_WINDOW_S * SAMPLE_RATE_HZ,
            lang=self._lang,
            spoken=self._session.context.spoken,
        )

    def _can_be_written(self, result: WindowResult) -> bool:
        """Whether the text has only scripts of languages that may be spoken, or that the engine is sure of."""
        config, context = self._session.config, self._session.context
        langs = config.required_langs
        if not langs:
            langs = (*config.likely_langs, *(lang for lang, _ in context.spoken))
            if result.lang is not None and result.lang_sure:
                langs = (*langs, result.lang)
        return find_scripts(result.text) <= list_scripts(langs)

    def _stabilize(self, result: WindowResult, covered: int) -> Hypothesis | None:
        """Add a partial to the stable prefix. Where its window was long, the next window begins later."""
        if result.doubtful or not result.text or not self._can_be_written(result):
            return None
        if result.lang_sure and covered >= self._onset_s * SAMPLE_RATE_HZ + LANGUAGE_S * SAMPLE_RATE_HZ:
            self._lang = result.lang
        words = self._prefix.words[: self._words_before] + split_words(result.text, result.lang)
        hypothesis = self._prefix.push(words, covered // SAMPLES_PER_MS, result.lang)
        stable = self._prefix.words[self._words_before :]
        window_ms = (covered - self._window_start) // SAMPLES_PER_MS
        if result.words and (start := find_window_start(result.words, stable, window_ms)) is not None:
            self._window_start += start.at_ms * SAMPLES_PER_MS
            self._words_before += start.words
        return hypothesis
