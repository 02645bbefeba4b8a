"""The recognition of a dictation: its queue, and the events when speech pauses, goes on and ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest

from app.core.discard_reasons import DiscardReason
from app.core.errors import EngineFailed, UpstreamError
from app.core.metrics import Observer
from app.providers.base import Samples, SttConfig, WindowRequest, WindowResult
from app.services.audio.segmenter import (
    UtteranceAudio,
    UtteranceEnded,
    UtterancePaused,
    UtteranceResumed,
    UtteranceStarted,
)
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.utterance import OpenEngine
from app.services.dictation.events import EngineInfo, EventBuilder
from app.services.dictation.latency_meter import Meter, SessionTotals
from app.services.dictation.outbox import Outbox
from app.services.dictation.recognition import FlushMark, RecognitionLoop, StopMark, WorkQueue
from tests.fakes.engine import FakeSession, Script
from tests.fakes.window_engine import (
    WORD_SAMPLES,
    FakeWindowEngine,
    FakeWindowSession,
    WindowScript,
    hear,
    make_speech,
    make_text,
)
from tests.support.utterances import CLEAR_SPEECH

PAUSE = 4096
ASKED = frozenset({"eager_final", "turn_resumed"})


class Room:
    """One dictation: the segmenter's events go in, the client's events come out."""

    def __init__(
        self, script: WindowScript, events: frozenset[str], session: FakeSession | None = None
    ) -> None:
        """`session` is an incremental engine in place of the scripted windows."""
        self.engine = FakeWindowSession(script)
        self.kept: list[str] = []
        self._queue = WorkQueue()
        self._outbox = Outbox(256, 256)
        self.events: list[dict[str, Any]] = []
        scheduler = Scheduler(1, lambda: 0.0)
        engine = OpenEngine(
            provider=FakeWindowEngine(),
            session=session or self.engine,
            config=SttConfig(partials=False),
            scheduler=scheduler,
            number=scheduler.new_session(),
        )
        builder = EventBuilder(
            EngineInfo("fake", "fake", "en"),
            self._outbox.emit,
            Meter(Observer(), "fake", SessionTotals()),
            requested=events,
            words=False,
            keep=lambda event: self.kept.append(event["text"]),
        )
        self.recognition = RecognitionLoop(engine, self._queue, builder, self._outbox)
        self.at = 0
        self.begun = 0
        self.ids = 0

    async def hear(self, *work: Any) -> None:
        for each in work:
            self._queue.put(each)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(40):
            await anyio.lowlevel.checkpoint()
        self.events += [dict(event) for event in self._outbox.events()]

    async def speak(self, words: int, first: int = 0) -> None:
        if not first:
            self.ids, self.begun = self.ids + 1, self.at
            self._queue.put(UtteranceStarted(self.ids, self.at, self.at))
        await self._give(make_speech(words, first))

    async def pause(self) -> None:
        speech_end = self.at
        await self._give(np.zeros(PAUSE, np.int16))
        await self.hear(UtterancePaused(self.ids, speech_end, self.at))

    async def resume(self) -> None:
        await self.hear(UtteranceResumed(self.ids, self.at))

    async def end(self, speech_end: int, discard_reason: DiscardReason | None = None) -> None:
        span = (self.ids, self.begun, self.at, speech_end, self.at)
        await self.hear(UtteranceEnded(*span, CLEAR_SPEECH, discard_reason))

    async def _give(self, samples: Samples) -> None:
        self.at += len(samples)
        await self.hear(UtteranceAudio(samples))

    @property
    def told(self) -> list[tuple[str, str | None]]:
        return [(event["type"], event.get("text")) for event in self.events]


@asynccontextmanager
async def room(script: WindowScript | None = None, events: frozenset[str] = ASKED) -> AsyncIterator[Room]:
    it = Room(script or WindowScript(), events)
    async with anyio.create_task_group() as group:
        group.start_soon(it.recognition.run)
        yield it
        await it.hear(StopMark())
    assert it.engine.closed


async def test_an_eager_final_is_the_final() -> None:
    async with room() as it:
        await it.speak(4)
        await it.pause()
        assert it.told == [("eager_final", make_text(4))]
        await it.end(4 * WORD_SAMPLES)
        assert it.told == [("eager_final", make_text(4)), ("final", make_text(4))]
        eager, final = it.events
        assert (eager["revision"], final["revision"]) == (1, 2)
        assert eager["timing"] == {"speech_end_ms": 1200, "endpoint_ms": 256, "queue_ms": 0, "decode_ms": 1}
        assert final["timing"]["decode_ms"] <= 1, "the eager final was waited for again"
        assert it.kept == [make_text(4)]
        assert len(it.engine.finals) == 1


async def test_speech_that_goes_on_takes_it_back_once() -> None:
    async with room() as it:
        await it.speak(4)
        await it.pause()
        await it.resume()
        await it.speak(4, 4)
        await it.pause()
        await it.end(it.at - PAUSE)
        assert it.told == [
            ("eager_final", make_text(4)),
            ("turn_resumed", None),
            ("eager_final", make_text(8)),
            ("final", make_text(8)),
        ]
        assert it.kept == [make_text(8)]


async def test_a_pause_too_short_for_the_engine_is_not_told() -> None:
    script = WindowScript(hold=lambda request: request.speech_samples == 4 * WORD_SAMPLES)
    async with room(script) as it:
        await it.speak(4)
        await it.pause()
        await it.resume()
        it.engine.held[0].set()
        await it.speak(4, 4)
        await it.end(it.at)
        assert it.told == [("final", make_text(8))]


async def test_who_did_not_ask_is_told_the_final_alone_and_it_is_as_early() -> None:
    async with room(events=frozenset()) as it:
        await it.speak(4)
        await it.pause()
        assert len(it.engine.finals) == 1
        await it.end(4 * WORD_SAMPLES)
        assert it.told == [("final", make_text(4))]
        assert it.events[0]["revision"] == 1
        assert len(it.engine.finals) == 1


@pytest.mark.parametrize("asked", [True, False])
async def test_an_utterance_that_comes_to_nothing_takes_it_back_too(asked: bool) -> None:
    """The engine may change its mind when it hears all of it."""

    def doubt(request: WindowRequest) -> WindowResult:
        return hear(request) if request.speech_samples == 4 * WORD_SAMPLES else WindowResult("")

    events = ASKED | {"utterance_discarded"} if asked else ASKED
    async with room(WindowScript(doubt), events=frozenset(events)) as it:
        await it.speak(4)
        await it.pause()
        await it.end(5 * WORD_SAMPLES)
        last = ("utterance_discarded", None) if asked else ("final", "")
        assert it.told == [("eager_final", make_text(4)), ("turn_resumed", None), last]
        assert it.kept == []


async def test_what_was_shown_is_decoded_whatever_the_gate_says() -> None:
    async with room() as it:
        await it.speak(4)
        await it.pause()
        await it.end(4 * WORD_SAMPLES, DiscardReason.NO_SPEECH)
        assert it.told == [("eager_final", make_text(4)), ("final", make_text(4))]


async def test_what_the_gate_calls_no_speech_is_not_decoded() -> None:
    async with room(events=frozenset({"utterance_discarded"})) as it:
        await it.speak(1)
        await it.end(WORD_SAMPLES, DiscardReason.NO_SPEECH)
        assert [event["reason"] for event in it.events] == ["no_speech"]
        assert it.engine.finals == []


async def test_an_end_elsewhere_than_at_the_pause_is_decoded_anew() -> None:
    async with room() as it:
        await it.speak(4)
        await it.pause()
        await it.speak(1, 4)
        await it.end(it.at)
        assert it.told == [("eager_final", make_text(4)), ("turn_resumed", None), ("final", make_text(5))]


async def test_what_the_engine_rejects_is_no_eager_final() -> None:
    def nothing(request: WindowRequest) -> WindowResult:
        return WindowResult("", rejected="no_speech")

    async with room(WindowScript(nothing), ASKED | {"utterance_discarded"}) as it:
        await it.speak(4)
        await it.pause()
        await it.end(4 * WORD_SAMPLES)
        assert [kind for kind, _ in it.told] == ["utterance_discarded"]
        assert it.events[0]["reason"] == "no_speech"


async def test_each_utterance_has_its_own_and_flushed_comes_after() -> None:
    async with room() as it:
        for words in (2, 3):
            await it.speak(words)
            await it.pause()
            await it.end(it.at - PAUSE)
        await it.hear(FlushMark("f"))
        assert [kind for kind, _ in it.told] == ["eager_final", "final"] * 2 + ["flushed"]
        assert [event["utterance_id"] for event in it.events[:4]] == [1, 1, 2, 2]


async def test_an_engine_that_breaks_in_the_pause_ends_the_dictation_as_at_the_end() -> None:
    it = Room(WindowScript(failures=[EngineFailed("broken")]), ASKED)
    failed: list[EngineFailed] = []

    async def run() -> None:
        try:
            await it.recognition.run()
        except EngineFailed as error:
            failed.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await it.speak(4)
        await it.pause()
        await it.end(4 * WORD_SAMPLES)
    assert [error.code for error in failed] == ["engine_failed"]
    assert it.engine.closed


async def test_a_client_that_leaves_in_the_pause_frees_the_engine_after_its_call() -> None:
    it = Room(WindowScript(hold=lambda _: True), ASKED)
    async with anyio.create_task_group() as group:
        group.start_soon(it.recognition.run)
        await it.speak(4)
        await it.pause()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await it.settle()
            assert not it.engine.closed
            it.engine.held[0].set()
    assert it.engine.closed


async def test_an_engine_that_cannot_open_an_utterance_discards_it_and_goes_on() -> None:
    """The audio and the end of that utterance are passed over; where it began is told."""
    script = Script(failures={"open_stream": UpstreamError("the service is away")})
    session = FakeSession(script, SttConfig())
    it = Room(WindowScript(), frozenset({"utterance_discarded"}), session)
    it.at = 32_000
    async with anyio.create_task_group() as group:
        group.start_soon(it.recognition.run)
        await it.speak(1)
        await it.end(it.at)
        script.failures.clear()
        await it.speak(2)
        await it.end(it.at)
        await it.hear(StopMark())
    kinds = [event["type"] for event in it.events]
    assert kinds == ["utterance_discarded", "error", "final"]
    discarded, error, final = it.events
    assert (discarded["reason"], discarded["start_ms"], discarded["end_ms"]) == ("engine_error", 2000, 2000)
    assert (error["code"], error["fatal"]) == ("upstream_error", False)
    assert final["utterance_id"] == 2
    assert session.closed


async def test_a_dictation_that_wants_no_partials_gets_none_of_an_incremental_engine() -> None:
    session = FakeSession(Script(lambda stream: " ".join(f"w{i}" for i in range(stream.pieces))), SttConfig())
    it = Room(WindowScript(), frozenset(), session)
    async with anyio.create_task_group() as group:
        group.start_soon(it.recognition.run)
        await it.speak(1)
        for word in range(1, 5):
            await it.speak(1, word)
        await it.end(it.at)
        await it.hear(StopMark())
    assert [event["type"] for event in it.events] == ["final"]
    assert session.streams[0].pieces == 5


def audio(samples: int) -> UtteranceAudio:
    return UtteranceAudio(np.zeros(samples, np.int16))


async def test_audio_that_waits_is_joined_up_to_a_second() -> None:
    queue = WorkQueue()
    queue.put(UtteranceStarted(1, 0, 0))
    for _ in range(3):
        queue.put(audio(6000))
    queue.put(FlushMark("f"))
    assert queue.pending_samples == 18_000
    assert isinstance(await queue.get(), UtteranceStarted)
    lengths = []
    while isinstance(work := await queue.get(), UtteranceAudio):
        lengths.append(len(work.samples))
    assert lengths == [12_000, 6000]
    assert work == FlushMark("f")
    assert queue.pending_samples == queue.pending_flushes == 0


async def test_whoever_feeds_waits_until_less_is_pending() -> None:
    queue = WorkQueue()
    queue.put(audio(16_000))
    queue.put(audio(16_000))
    fed = anyio.Event()

    async def feed() -> None:
        await queue.wait_below(20_000, 8)
        fed.set()

    async with anyio.create_task_group() as group:
        group.start_soon(feed)
        await anyio.wait_all_tasks_blocked()
        assert not fed.is_set()
        await queue.get()
    assert fed.is_set()


async def test_flushes_are_bounded_too() -> None:
    queue = WorkQueue()
    queue.put(FlushMark(1))
    with anyio.move_on_after(0.01) as scope:
        await queue.wait_below(1, 1)
    assert scope.cancelled_caught
    await queue.get()
    await queue.wait_below(1, 1)


async def test_a_closed_queue_returns_what_was_left() -> None:
    queue = WorkQueue()
    queue.put(UtteranceStarted(7, 0, 0))
    queue.put(StopMark())
    assert queue.close() == [UtteranceStarted(7, 0, 0), StopMark()]
    assert queue.is_closed
