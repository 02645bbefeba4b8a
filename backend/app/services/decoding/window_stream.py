"""One utterance of a whole-window engine made to stream: timed partials while it grows, its final begun early."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
import numpy as np

from app.core.errors import PrompterError
from app.providers.base import SAMPLE_RATE_HZ, Hypothesis, Samples, Transcript, WindowRequest, WindowResult
from app.services.decoding.jobs import Priority, Shed
from app.services.decoding.stability import LONG_S, Agreement, find_cut, join, split
from app.services.decoding.window_session import Turn, WindowSession, ending

FIRST_S = 0.6
"""Speech before the first partial: less is no word yet."""

EVERY_S = 0.5
"""New audio before the next one, on an idle machine."""

STRETCH = 1.2
"""New audio before the next one, in times of what the last decode took: a slow machine shows fewer."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A partial that was decoded, or shed: how much of the utterance it covered, and what it took (s)."""

    covered_s: float
    decode_s: float = 0.0
    took_s: float = 0.0
    """Waiting included: no pass covers less new audio than the last one took."""


def is_due(heard_s: float, onset_s: float, last: Pass | None, factor: float) -> bool:
    """Whether to decode now, with `heard_s` of an utterance whose speech began at `onset_s`.

    `factor` is the pressure's: it stretches the distance.
    """
    if last is None:
        return heard_s - onset_s >= FIRST_S * factor
    return heard_s - last.covered_s >= max(EVERY_S * factor, STRETCH * last.decode_s, last.took_s)


logger = logging.getLogger(__name__)

TAIL_SAMPLES = SAMPLE_RATE_HZ // 4
"""Audio behind the speech that a final hears. Less than the provisional silence: the final that was begun in advance
hears what the one at the end would have heard, so its text cannot depend on when it was decoded."""


class Listener(Protocol):
    """Who is told as soon as there is something; takes note and does not wait."""

    def partial(self, hypothesis: Hypothesis, covered_samples: int) -> None: ...

    def eager_final(self, transcript: Transcript) -> None:
        """The utterance's final, if it ends with the pause that goes on now."""
        ...


class _Background:
    """A decode that nobody waits for yet. Called off while it waits, it is never made."""

    def __init__(self, priority: Priority, speech_samples: int = 0) -> None:
        self.turn = Turn(priority)
        self.speech_samples = speech_samples
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()
        self.result: WindowResult | None = None
        self.failure: PrompterError | None = None


class WindowStream:
    """A `SttStream`; `pause` and `resume` besides, for finals in advance.

    `accept` never waits for a decode. `aclose` returns when no decode of this utterance runs any more.
    """

    def __init__(
        self,
        session: WindowSession,
        start: int,
        onset: int,
        listener: Listener,
        *,
        final: Priority = Priority.FINAL,
    ) -> None:
        """The utterance begins at session sample `start`, its speech at `onset`; its final has the priority `final`."""
        self._session = session
        self._final_priority = final
        self._listener = listener
        self._start = start
        self._onset_s = (onset - start) / SAMPLE_RATE_HZ
        self._audio = np.empty(0, np.int16)
        self._pieces: list[Samples] = []
        self._heard = 0
        self._background: _Background | None = None
        self._eager: _Background | None = None
        self._paused = False
        self._open = True
        self._partials = session.config.partials
        self._passes = 0
        self._last: Pass | None = None
        self._agreement = Agreement()
        self._origin = 0
        """Sample at which the window of partials begins; `_before` words lie before it."""
        self._before = 0
        self._lang: str | None = None

    # -- the engine's side of a dictation

    async def accept(self, samples: Samples) -> None:
        """Keep the audio; begin a partial where one is due."""
        self._pieces.append(samples.copy())  # the caller may use its buffer again
        self._heard += len(samples)
        if self._partials and not self._paused and self.idle and self._is_due():
            self._begin(
                _Background(Priority.PARTIAL if self._passes else Priority.FIRST_PARTIAL), self._partial
            )

    def pause(self, speech_samples: int) -> None:
        """Speech has paused at this sample: decode the final now, in case it is over."""
        self._paused = True
        self._call_off()
        self._eager = _Background(Priority.EAGER, speech_samples)
        self._begin(self._eager, self._in_advance)

    def resume(self) -> None:
        """Speech goes on: what was decoded in advance is void."""
        self._paused = False
        self._eager = None
        self._call_off()

    async def finish(self, speech_samples: int) -> Transcript:
        eager = self._eager
        if eager is not None and eager.speech_samples == speech_samples:
            self._session.promote(eager.turn)
            await eager.done.wait()
        else:
            self._call_off()
            eager = _Background(self._final_priority, speech_samples)
            eager.result = await self._final(eager)
        if eager.failure is not None:
            raise eager.failure
        assert eager.result is not None
        if eager.result.text and not eager.result.rejected:
            self._session.memory.keep(eager.result, self._start + speech_samples)
        return self._transcript(eager.result)

    async def aclose(self) -> None:
        self._open = False
        self._call_off()
        if self._background is not None:
            await self._background.done.wait()
        self._pieces.clear()

    # -- decodes in the background

    @property
    def idle(self) -> bool:
        """Whether no decode runs or waits in the background."""
        return self._background is None or self._background.done.is_set()

    def _is_due(self) -> bool:
        return is_due(self._heard / SAMPLE_RATE_HZ, self._onset_s, self._last, self._session.factor)

    def _begin(self, job: _Background, work: Callable[[_Background], Awaitable[None]]) -> None:
        before, self._background = self._background, job
        assert self._session.tasks is not None
        self._session.tasks.start_soon(self._run, job, work, before)

    def _call_off(self) -> None:
        if self._background is not None:
            self._background.scope.cancel()

    async def _run(
        self,
        job: _Background,
        work: Callable[[_Background], Awaitable[None]],
        before: _Background | None,
    ) -> None:
        try:
            with job.scope:
                await work(job)
        except PrompterError as error:
            job.failure = error
        finally:
            if before is not None:
                with anyio.CancelScope(shield=True):
                    await before.done.wait()
            job.done.set()

    async def _in_advance(self, job: _Background) -> None:
        job.result = await self._final(job)
        transcript = self._transcript(job.result)
        if (
            self._eager is job
            and job.turn.priority is Priority.EAGER
            and transcript.text
            and not transcript.rejected
        ):
            self._listener.eager_final(transcript)

    async def _final(self, job: _Background) -> WindowResult:
        speech_samples = job.speech_samples
        samples = self._audio_from(0)[: speech_samples + TAIL_SAMPLES]
        memory = self._session.memory
        request = WindowRequest(
            samples,
            speech_samples,
            final=True,
            window="full",
            context=memory.context(self._start, speech_samples),
            words=self._session.config.words,
            lang=memory.lang,
        )
        return await self._session.decode(job.turn, lambda: request)

    # -- partials

    async def _partial(self, job: _Background) -> None:
        covered = self._heard
        asked_s = self._session.now()

        def build() -> WindowRequest:
            nonlocal covered
            covered = self._heard
            return self._partial_request()

        try:
            result = await self._session.decode(job.turn, build)
        except Shed:
            self._last = Pass(covered / SAMPLE_RATE_HZ)
            return
        except PrompterError:
            # The final tries again, and tells if the engine is broken.
            logger.warning("partials of an utterance end: the engine failed")
            self._partials = False
            return
        covered_s = covered / SAMPLE_RATE_HZ
        self._passes += 1
        self._last = Pass(covered_s, result.decode_ms / 1000, self._session.now() - asked_s)
        if (hypothesis := self._take(result, covered_s)) is not None and self._open and not self._paused:
            self._listener.partial(hypothesis, covered)

    def _partial_request(self) -> WindowRequest:
        samples = self._audio_from(self._origin)
        lang = self._session.memory.lang or self._lang
        stable = join(self._agreement.stable[: self._before], lang)
        long = len(samples) > LONG_S * SAMPLE_RATE_HZ
        return WindowRequest(
            samples, len(samples), final=False, window="short", context=ending(stable), words=long, lang=lang
        )

    def _take(self, result: WindowResult, covered_s: float) -> Hypothesis | None:
        """Agree on what was decoded, and let the next window begin later where this one was long."""
        if result.doubtful or not result.text:
            return None
        if result.lang_sure:
            self._lang = result.lang
        before = self._agreement.stable[: self._before]
        hypothesis = self._agreement.push(before + split(result.text, result.lang), covered_s, result.lang)
        stable = self._agreement.stable[self._before :]
        window_ms = round(covered_s * 1000) - self._origin * 1000 // SAMPLE_RATE_HZ
        if result.words and (cut := find_cut(result.words, stable, window_ms)) is not None:
            self._origin += cut.at_ms * SAMPLE_RATE_HZ // 1000
            self._before += cut.words
        return hypothesis

    # -- audio

    def _audio_from(self, sample: int) -> Samples:
        if self._pieces:
            self._audio = np.concatenate((self._audio, *self._pieces))
            self._pieces.clear()
        return self._audio[sample:]

    def _transcript(self, result: WindowResult) -> Transcript:
        return Transcript(
            result.text, result.lang, self._session.model, result.words, result.rejected, result.decode_ms
        )
