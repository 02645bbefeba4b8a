"""The utterance decoder: the same for live speech and recordings, over incremental and whole-window engines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

from app.core.config import Settings
from app.core.errors import EngineFailed, ServerFull, UnknownProvider
from app.providers.base import (
    Hypothesis,
    RawSttSession,
    Samples,
    SttCapabilities,
    SttConfig,
    SttSession,
    Transcript,
    WindowSttSession,
)
from app.providers.registry import Registration
from app.providers.stt.cloud_stub import CloudStubSession
from app.services.audio.segmenter import UtteranceStarted
from app.services.decoding.policy import Priority
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.utterance import LiveOutput, OpenEngine, UtteranceDecoder, open_engine
from tests.fakes.engine import FakeEngine, FakeSession, Gate, Script, guess_words
from tests.fakes.window_engine import (
    WORD_SAMPLES,
    FakeWindowEngine,
    FakeWindowSession,
    WindowScript,
    hear,
    make_speech,
    make_text,
)
from tests.support.utterances import make_ended

QUARTER_S = 4000


@dataclass
class Listener:
    """Remembers what it gets."""

    partials: list[tuple[str, str, int]] = field(default_factory=list)
    eager: list[str] = field(default_factory=list)

    def on_partial(self, text: str, stable: str, covered_samples: int) -> None:
        self.partials.append((text, stable, covered_samples))

    def on_eager_final(self, transcript: Transcript) -> None:
        self.eager.append(transcript.text)


def opened(
    session: SttSession | WindowSttSession | RawSttSession,
    config: SttConfig | None = None,
    scheduler: Scheduler | None = None,
) -> OpenEngine:
    """A fake engine that is open."""
    number = scheduler.new_session() if scheduler else 0
    return OpenEngine(
        provider=FakeEngine(),
        session=session,
        config=config or SttConfig(),
        scheduler=scheduler,
        number=number,
    )


@asynccontextmanager
async def live(engine: OpenEngine) -> AsyncIterator[tuple[UtteranceDecoder, Listener]]:
    listener = Listener()
    async with anyio.create_task_group() as tasks:
        decoder = UtteranceDecoder(engine, LiveOutput(listener, tasks))
        yield decoder, listener
        await decoder.close()
    await engine.aclose()


async def settle() -> None:
    for _ in range(40):
        await anyio.lowlevel.checkpoint()


def samples(count: int) -> Samples:
    return np.arange(count).astype(np.int16)


# -- incremental engines


async def test_an_incremental_engine_gets_all_audio_and_its_hypotheses_a_stable_prefix() -> None:
    session = FakeSession(Script(guess_words), SttConfig())
    async with live(opened(session, scheduler=Scheduler(1, lambda: 0.0))) as (decoder, listener):
        await decoder.begin(UtteranceStarted(1, 1000, 2000))
        for _ in range(8):
            await decoder.accept(samples(QUARTER_S))
        final = await decoder.finish(make_ended(1000, 1000 + 8 * QUARTER_S))
    assert listener.partials[-1] == (
        " ".join(f"word{i}" for i in range(8)),
        "word0 word1 word2 word3 word4 word5",
        32_000,
    )
    assert final.transcript.text == session.streams[0].digest
    assert (final.decode_ms, final.wait_ms >= 0) == (1.5, True)
    assert bytes(session.streams[0].audio) == samples(QUARTER_S).tobytes() * 8
    assert session.closed


async def test_a_prefix_that_the_engine_names_is_passed_on() -> None:
    class Sure(FakeSession):
        async def open_stream(self) -> "SureStream":  # type: ignore[override]
            return SureStream()

    class SureStream:
        async def accept(self, samples: Samples) -> Hypothesis | None:
            return Hypothesis("open the door", "open")

        async def finish(self, speech_samples: int) -> Transcript:
            return Transcript("open the door")

        async def aclose(self) -> None:
            """Nothing to release."""

    async with live(opened(Sure(Script(), SttConfig()))) as (decoder, listener):
        await decoder.begin(UtteranceStarted(1, 0, 0))
        await decoder.accept(samples(100))
    assert listener.partials == [("open the door", "open", 100)]


# -- while nobody waits


async def test_an_utterance_for_nobody_holds_no_stream_and_is_heard_again() -> None:
    session = FakeSession(Script(guess_words), SttConfig())
    async with live(opened(session, scheduler=Scheduler(1, lambda: 0.0))) as (decoder, listener):
        await decoder.begin(UtteranceStarted(1, 0, 0))
        for _ in range(4):
            await decoder.accept(samples(QUARTER_S))
        shown = len(listener.partials)
        decoder.set_awaited(is_awaited=False)
        await decoder.give_place_back()
        assert session.streams[0].closed
        await decoder.accept(samples(QUARTER_S))
        assert (len(session.streams), len(listener.partials)) == (1, shown)
        assert decoder.accepted_samples == 5 * QUARTER_S
        decoder.set_awaited(is_awaited=True)
        await decoder.give_place_back()  # too late: somebody waits again
        for _ in range(3):
            await decoder.accept(samples(QUARTER_S))
        final = await decoder.finish(make_ended(0, 8 * QUARTER_S))
    assert [len(stream.audio) for stream in session.streams] == [8 * QUARTER_S, 16 * QUARTER_S]
    assert bytes(session.streams[1].audio) == samples(QUARTER_S).tobytes() * 8
    assert final.transcript.text == session.streams[1].digest
    stable = [stable for _, stable, _ in listener.partials]
    assert all(after.startswith(before) for before, after in pairwise(stable))


async def test_a_feed_for_nobody_is_broken_off_and_no_audio_is_lost() -> None:
    gate = Gate()
    session = FakeSession(Script(guess_words, gates={"accept": gate}), SttConfig())
    async with live(opened(session)) as (decoder, _):
        await decoder.begin(UtteranceStarted(1, 0, 0))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decoder.accept, samples(QUARTER_S))
            await anyio.to_thread.run_sync(gate.reached.wait)
            decoder.set_awaited(is_awaited=False)
            decoder.set_awaited(is_awaited=True)  # at once, before the call has returned
            assert not session.streams[0].closed
            gate.open()
        await decoder.accept(samples(QUARTER_S))
        final = await decoder.finish(make_ended(0, 2 * QUARTER_S))
    assert final.transcript.text == session.streams[-1].digest
    assert bytes(session.streams[-1].audio) == samples(QUARTER_S).tobytes() * 2
    assert session.streams[0].closed


async def test_an_utterance_that_ends_for_nobody_is_decoded_once() -> None:
    session = FakeSession(Script(guess_words), SttConfig())
    async with live(opened(session)) as (decoder, listener):
        decoder.set_awaited(is_awaited=False)
        await decoder.begin(UtteranceStarted(1, 0, 0))
        await decoder.accept(samples(QUARTER_S))
        await decoder.accept(samples(QUARTER_S))
        assert session.streams == []
        final = await decoder.finish(make_ended(0, 2 * QUARTER_S))
        await decoder.close()
    assert [stream.finished for stream in session.streams] == [True]
    assert bytes(session.streams[0].audio) == samples(QUARTER_S).tobytes() * 2
    assert final.transcript.text == session.streams[0].digest
    assert listener.partials == []


async def test_a_window_engine_for_nobody_decodes_the_final_alone() -> None:
    engine = FakeWindowSession()
    async with live(opened(engine, scheduler=Scheduler(1, lambda: 0.0))) as (decoder, listener):
        decoder.set_awaited(is_awaited=False)
        await decoder.begin(UtteranceStarted(1, 0, 0))
        await decoder.accept(make_speech(4))
        await settle()
        assert engine.requests == []
        decoder.set_awaited(is_awaited=True)
        await decoder.accept(make_speech(2, first=4))
        await settle()
        assert [text for text, _, _ in listener.partials] == [make_text(6)]
        decoder.set_awaited(is_awaited=False)
        await decoder.accept(make_speech(4, first=6))
        await settle()
        final = await decoder.finish(make_ended(0, 10 * WORD_SAMPLES))
    assert final.transcript.text == make_text(10)
    assert (len(engine.partials), len(engine.finals)) == (1, 1)


async def test_a_stable_prefix_does_not_shrink_where_an_engine_hears_the_audio_again() -> None:
    class Unsure(FakeSession):
        async def open_stream(self) -> "UnsureStream":  # type: ignore[override]
            return UnsureStream()

    class UnsureStream:
        def __init__(self) -> None:
            self._pieces = 0

        async def accept(self, samples: Samples) -> Hypothesis | None:
            self._pieces += 1
            return Hypothesis("a b c d", " ".join("abcd"[: self._pieces]))

        async def finish(self, speech_samples: int) -> Transcript:
            return Transcript("a b c d")

        async def aclose(self) -> None:
            """Nothing to release."""

    async with live(opened(Unsure(Script(), SttConfig()))) as (decoder, listener):
        await decoder.begin(UtteranceStarted(1, 0, 0))
        for _ in range(2):
            await decoder.accept(samples(100))
        decoder.set_awaited(is_awaited=False)
        await decoder.give_place_back()
        decoder.set_awaited(is_awaited=True)
        for _ in range(3):
            await decoder.accept(samples(100))
    assert [stable for _, stable, _ in listener.partials] == ["a", "a b", "a b", "a b c"]


@pytest.mark.parametrize("as_recording", [True, False])
async def test_there_are_no_partials_where_nobody_asks_for_them(as_recording: bool) -> None:
    session = FakeSession(Script(guess_words), SttConfig())
    engine = opened(session, SttConfig(partials=False))
    async with live(engine) as (decoder, listener):
        if as_recording:
            decoder = UtteranceDecoder(replace(engine, config=SttConfig()))
        await decoder.begin(UtteranceStarted(1, 0, 0))
        await decoder.accept(samples(2 * QUARTER_S))
        assert decoder.accepted_samples == 2 * QUARTER_S
        await decoder.finish(make_ended(0, 100))
        await decoder.close()
        assert all(stream.closed for stream in session.streams)
    assert listener.partials == []


async def test_an_utterance_that_was_cut_in_hindsight_is_decoded_anew() -> None:
    session = FakeSession(Script(guess_words), SttConfig())
    cut = samples(QUARTER_S)
    async with live(opened(session)) as (decoder, _):
        await decoder.begin(UtteranceStarted(1, 500, 600))
        await decoder.accept(samples(3 * QUARTER_S))
        final = await decoder.finish(make_ended(500, 500 + QUARTER_S, audio=cut))
    heard_beyond, again = session.streams
    assert heard_beyond.closed
    assert not heard_beyond.finished
    assert bytes(again.audio) == cut.tobytes()
    assert final.transcript.text == again.digest


async def test_what_an_engine_raises_becomes_an_error_of_ours_and_all_is_closed() -> None:
    session = FakeSession(Script(failures={"accept": RuntimeError("secret words")}), SttConfig())
    async with live(opened(session)) as (decoder, _):
        await decoder.begin(UtteranceStarted(1, 0, 0))
        with pytest.raises(EngineFailed) as caught:
            await decoder.accept(samples(10))
        await decoder.close()
    assert "secret" not in caught.value.message
    assert session.streams[0].closed
    assert session.closed


# -- whole-window engines


async def test_a_window_engine_streams_and_decodes_an_eager_final() -> None:
    session = FakeWindowSession()
    async with live(opened(session, scheduler=Scheduler(1, lambda: 0.0))) as (decoder, listener):
        await decoder.begin(UtteranceStarted(1, 700, 700))
        for word in range(4):
            await decoder.accept(make_speech(1, word))
            await settle()
        await decoder.accept(np.zeros(4096, np.int16))
        decoder.pause(700 + 4 * WORD_SAMPLES)
        await settle()
        final = await decoder.finish(make_ended(700, 700 + 4 * WORD_SAMPLES))
    assert listener.partials
    assert all(make_text(4).startswith(text) for text, _, _ in listener.partials)
    assert listener.eager == [final.transcript.text] == [make_text(4)]
    assert len(session.finals) == 1
    assert final.decode_ms < session.script.decode_ms, "the eager final was decoded before the end was known"


async def test_speech_that_goes_on_makes_the_eager_final_void() -> None:
    session = FakeWindowSession()
    async with live(opened(session)) as (decoder, listener):
        await decoder.begin(UtteranceStarted(1, 0, 0))
        await decoder.accept(make_speech(2))
        decoder.pause(2 * WORD_SAMPLES)
        await settle()
        decoder.resume()
        await decoder.accept(make_speech(2, 2))
        final = await decoder.finish(make_ended(0, 4 * WORD_SAMPLES))
    assert listener.eager == [make_text(2)]
    assert final.transcript.text == make_text(4)


async def test_a_recording_has_one_decode_that_gives_way_to_live_speech() -> None:
    scheduler = Scheduler(1, lambda: 0.0)
    priorities: list[Priority] = []

    def note(_: object) -> bool:
        priorities.extend(ticket.priority for ticket in scheduler._policy._running)
        return False

    session = FakeWindowSession()
    session.script.hold = note
    engine = opened(session, scheduler=scheduler)
    decoder = UtteranceDecoder(engine)
    await decoder.begin(UtteranceStarted(1, 0, 0))
    await decoder.accept(make_speech(20))
    decoder.pause(20 * WORD_SAMPLES)
    final = await decoder.finish(make_ended(0, 20 * WORD_SAMPLES))
    await decoder.close()
    await engine.aclose()
    assert final.transcript.text == make_text(20)
    assert session.partials == []
    assert priorities == [Priority.FILE]
    assert session.closed


async def test_an_engine_that_finds_utterances_by_itself_is_refused() -> None:
    with pytest.raises(TypeError, match="by itself"):
        UtteranceDecoder(opened(CloudStubSession()))


# -- opening an engine


def providers(engine: object, settings: Settings, scheduler: Scheduler) -> SttProviders:
    registration = Registration("fake", lambda: lambda _: engine, "a test")
    return SttProviders(settings, scheduler, {"fake": registration})


async def test_an_open_engine_has_its_place_at_the_scheduler_until_it_is_closed() -> None:
    settings, scheduler, fake = Settings(_env_file=None), Scheduler(1, lambda: 0.0), FakeWindowEngine()
    found = providers(fake, settings, scheduler)
    engines = [
        await open_engine(found, settings, "fake", SttConfig(vocabulary=("Ada",)), live=live)
        for live in (True, False)
    ]
    assert [engine.scheduler for engine in engines] == [scheduler, scheduler]
    assert len({engine.number for engine in engines}) == 2
    assert [engine.config.vocabulary for engine in engines] == [("Ada",)] * 2
    assert engines[0].name == "fake"
    assert (engines[0].sizes.partial, engines[0].sizes.final) == ("short", "short")
    pressures: list[object] = []
    engines[0].watch_pressure(pressures.append)
    for engine in engines:
        await engine.aclose()
    assert all(session.closed for session in fake.sessions)
    assert pressures == []


async def test_an_engine_without_a_vocabulary_gets_none_and_one_elsewhere_has_no_scheduler() -> None:
    fake = FakeEngine()
    fake.capabilities = SttCapabilities(("en",), streaming=True, words=True, vocabulary=False, network=True)
    settings, scheduler = Settings(_env_file=None), Scheduler(1, lambda: 0.0)
    engine = await open_engine(
        providers(fake, settings, scheduler), settings, "fake", SttConfig(vocabulary=("Ada",)), live=True
    )
    assert engine.config.vocabulary == fake.sessions[0].config.vocabulary == ()
    assert engine.scheduler is None
    engine.watch_pressure(lambda _: None)
    await engine.aclose()


async def test_only_live_speech_needs_room() -> None:
    settings, scheduler = Settings(_env_file=None), Scheduler(1, lambda: 0.0)
    fake = FakeEngine(Script(cost=1.0))
    found = providers(fake, settings, scheduler)
    first = await open_engine(found, settings, "fake", SttConfig(), live=True)
    with pytest.raises(ServerFull, match="try again in") as refused:
        await open_engine(found, settings, "fake", SttConfig(), live=True)
    assert refused.value.retry_after_s is not None
    assert "admit_load" not in refused.value.message, "whoever speaks does not know the operator's settings"
    recording = await open_engine(found, settings, "fake", SttConfig(), live=False)
    for engine in (recording, first):
        await engine.aclose()
    assert fake.all_closed
    await (await open_engine(found, settings, "fake", SttConfig(), live=True)).aclose()


async def test_an_engine_that_breaks_as_it_opens_is_an_error_of_ours() -> None:
    settings, scheduler = Settings(_env_file=None), Scheduler(1, lambda: 0.0)
    fake = FakeEngine(Script(failures={"open_session": RuntimeError("secret words")}))
    with pytest.raises(EngineFailed) as caught:
        await open_engine(providers(fake, settings, scheduler), settings, "fake", SttConfig(), live=True)
    assert "secret" not in caught.value.message
    with pytest.raises(UnknownProvider):
        await open_engine(providers(fake, settings, scheduler), settings, "none", SttConfig(), live=True)


@pytest.mark.parametrize("voiced_share", [0.9, 0.3])
@pytest.mark.parametrize("doubted", [False, True])
async def test_what_neither_engine_nor_detector_is_sure_of_has_no_text(
    doubted: bool, voiced_share: float
) -> None:
    script = WindowScript(lambda request: replace(hear(request), is_speech_doubted=doubted))
    decoder = UtteranceDecoder(opened(FakeWindowSession(script)))
    await decoder.begin(UtteranceStarted(utterance_id=1, start=0, onset=0))
    await decoder.accept(make_speech(4))
    ended = make_ended(0, 4 * WORD_SAMPLES)
    ended = replace(ended, evidence=replace(ended.evidence, voiced_share=voiced_share))
    transcript = (await decoder.finish(ended)).transcript
    await decoder.close()
    is_rejected = doubted and voiced_share < 0.5
    assert transcript.text == ("" if is_rejected else make_text(4))
    assert transcript.rejected == ("no_speech" if is_rejected else None)


@pytest.mark.parametrize("voiced_share", [0.9, 0.3])
async def test_only_a_final_that_is_told_is_the_context_of_the_next(voiced_share: float) -> None:
    script = WindowScript(lambda request: replace(hear(request), is_speech_doubted=True))
    session = FakeWindowSession(script)
    decoder = UtteranceDecoder(opened(session))
    for number in range(2):
        start = number * 20 * WORD_SAMPLES
        await decoder.begin(UtteranceStarted(utterance_id=number, start=start, onset=start))
        await decoder.accept(make_speech(10))
        ended = make_ended(start, start + 10 * WORD_SAMPLES)
        await decoder.finish(replace(ended, evidence=replace(ended.evidence, voiced_share=voiced_share)))
        await decoder.close()
    is_told = voiced_share > 0.5
    assert session.finals[1].context == (make_text(10) if is_told else "")
    assert session.finals[1].spoken == ((("en", 3.0),) if is_told else ())


def test_the_fakes_are_what_they_stand_for() -> None:
    assert isinstance(CloudStubSession(), RawSttSession)
    assert isinstance(FakeWindowSession(), WindowSttSession)
