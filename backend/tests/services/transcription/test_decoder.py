"""A recording's utterances: cut at pauses for engines that get utterances, as an engine says for the others."""

from collections.abc import Sequence
from typing import Literal

import anyio
import numpy as np
import pytest

from app.core.config import Settings
from app.core.discard_reasons import DiscardReason
from app.core.errors import EngineFailed
from app.providers.base import Samples, Segment, SttConfig, Uncovered, WindowRequest, WindowResult, Word
from app.providers.stt.cloud_stub import CloudStubProvider, CloudStubSession
from app.services.decoding.scheduler import Scheduler
from app.services.decoding.utterance import OpenEngine
from app.services.transcription.decoder import (
    RAW_CHUNK_SAMPLES,
    PackedTranscriber,
    PassthroughTranscriber,
    RecordingTranscriber,
    SegmentedTranscriber,
    TranscribedPart,
)
from app.services.transcription.result import DiscardedAudio, TranscribedUtterance, UncoveredAudio
from tests.fakes.engine import FakeEngine, FakeSession, Script
from tests.fakes.window_engine import FakeWindowEngine, FakeWindowSession, WindowScript
from tests.support.speech_client import make_sentence

SETTINGS = Settings(_env_file=None)
BLOCK = 16_000


def audio(sentences: int) -> Samples:
    return np.frombuffer(make_sentence(2.0) * sentences, np.int16)


def engine(session: FakeSession, *, scheduled: bool = True) -> OpenEngine:
    scheduler = Scheduler(2, lambda: 0.0) if scheduled else None
    return OpenEngine(
        provider=FakeEngine(),
        session=session,
        config=SttConfig(lang="en-GB", partials=False),
        scheduler=scheduler,
        number=scheduler.new_session(live=False) if scheduler else 0,
    )


def segmented(
    opened: OpenEngine, utterances: anyio.CapacityLimiter | None = None, silence_ms: int | None = None
) -> SegmentedTranscriber:
    return SegmentedTranscriber(
        opened,
        SETTINGS,
        silence_ms=silence_ms,
        utterances=utterances or anyio.CapacityLimiter(1),
        segmenters=anyio.CapacityLimiter(1),
    )


async def transcribe(transcriber: RecordingTranscriber, samples: Samples) -> list[TranscribedUtterance]:
    return [part for part in await take_apart(transcriber, samples) if isinstance(part, TranscribedUtterance)]


async def take_apart(transcriber: RecordingTranscriber, samples: Samples) -> list[TranscribedPart]:
    found = []
    for at in range(0, len(samples), BLOCK):
        found += await transcriber.push(samples[at : at + BLOCK])
    found += await transcriber.finish()
    await transcriber.aclose()
    return found


async def test_a_recording_is_cut_at_pauses_and_times_count_from_its_start() -> None:
    session = FakeSession(Script(final=lambda _: "one two"), SttConfig())
    first, second = await transcribe(segmented(engine(session)), audio(2))
    assert (first.text, first.lang) == ("one two", "en")
    assert first.start_ms < first.end_ms < second.start_ms < second.end_ms <= len(audio(2)) / 16
    assert [word.text for word in second.words] == ["one", "two"]
    assert second.words[0].start_ms >= second.start_ms
    assert session.closed
    assert len(session.streams) == 2


async def test_a_longer_silence_makes_fewer_utterances() -> None:
    session = FakeSession(Script(final=lambda _: "text"), SttConfig())
    assert len(await transcribe(segmented(engine(session), silence_ms=9000), audio(2))) == 1


async def test_what_the_engine_has_no_text_for_is_told() -> None:
    session = FakeSession(Script(final=lambda _: ""), SttConfig())
    [lost] = await take_apart(segmented(engine(session)), audio(1))
    assert isinstance(lost, DiscardedAudio)
    assert lost.reason == DiscardReason.EMPTY
    assert 0 < lost.start_ms < lost.end_ms < len(audio(1)) / 16
    assert -40 < lost.dbfs < -5


@pytest.mark.parametrize("rejected", ["no_speech", "hallucination"])
async def test_a_window_that_the_engine_rejects_is_told(rejected: str) -> None:
    session = FakeWindowSession(WindowScript(answer=lambda _: WindowResult("", "en", rejected=rejected)))
    [lost] = await take_apart(packed(session), audio(2))
    assert isinstance(lost, DiscardedAudio)
    assert lost.reason == rejected
    [heard] = await transcribe(
        packed(FakeWindowSession(WindowScript(answer=lambda _: WindowResult("a")))), audio(2)
    )
    assert (lost.start_ms, lost.end_ms) == (heard.start_ms, heard.end_ms)
    assert -40 < lost.dbfs < -5


async def test_an_open_utterance_holds_the_place_that_others_wait_for() -> None:
    limiter = anyio.CapacityLimiter(1)
    it = segmented(engine(FakeSession(Script(), SttConfig())), limiter)
    assert not it.is_busy
    await it.push(audio(1)[:BLOCK])
    assert it.is_busy
    assert limiter.borrowed_tokens == 1
    await it.aclose()
    assert not it.is_busy
    assert limiter.borrowed_tokens == 0


async def test_an_engine_elsewhere_waits_for_no_place() -> None:
    limiter = anyio.CapacityLimiter(1)
    it = segmented(engine(FakeSession(Script(), SttConfig()), scheduled=False), limiter)
    await it.push(audio(1)[:BLOCK])
    assert limiter.borrowed_tokens == 0
    await it.aclose()


async def test_an_engine_that_fails_gives_its_place_back() -> None:
    limiter = anyio.CapacityLimiter(1)
    session = FakeSession(Script(failures={"finish": RuntimeError("secret words")}), SttConfig())
    it = segmented(engine(session), limiter)
    with pytest.raises(EngineFailed):
        await transcribe(it, audio(1))
    await it.aclose()
    assert limiter.borrowed_tokens == 0
    assert session.closed


# -- engines that decode windows


def open_windows(session: FakeWindowSession) -> OpenEngine:
    scheduler = Scheduler(2, lambda: 0.0)
    return OpenEngine(
        provider=FakeWindowEngine(),
        session=session,
        config=SttConfig(lang="en-GB", words=True, partials=False),
        scheduler=scheduler,
        number=scheduler.new_session(live=False),
    )


def packed(session: FakeWindowSession, utterances: anyio.CapacityLimiter | None = None) -> PackedTranscriber:
    return PackedTranscriber(
        open_windows(session),
        SETTINGS,
        utterances=utterances or anyio.CapacityLimiter(1),
        segmenters=anyio.CapacityLimiter(1),
    )


WORDS = ("Incomprehensible", "misunderstandings.", "Characteristically", "uncommunicative")


def divide(request: WindowRequest) -> WindowResult:
    """Two segments: one to the middle of the window, one to its end; two words in each, as long as their times."""
    half, end = request.speech_samples // 32, request.speech_samples // 16
    times = [0, half // 2, half, (half + end) // 2, end]
    words = [Word(text, start, stop, 0.9) for text, start, stop in zip(WORDS, times, times[1:], strict=False)]
    return WindowResult(
        " ".join(WORDS),
        "en",
        tuple(words),
        segments=(Segment(" ".join(WORDS[:2]), 0, half), Segment(" ".join(WORDS[2:]), half, end)),
    )


async def test_sentences_between_pauses_are_decoded_together_and_times_lead_back() -> None:
    session = FakeWindowSession(WindowScript(answer=divide))
    samples = audio(3)
    first, second = await transcribe(packed(session), samples)
    assert [len(session.finals), session.closed] == [1, True]
    assert session.finals[0].speech_samples < len(samples), "long pauses are shortened"
    assert (first.text, second.text, first.lang) == (" ".join(WORDS[:2]), " ".join(WORDS[2:]), "en")
    assert [[word.text for word in each.words] for each in (first, second)] == [
        list(WORDS[:2]),
        list(WORDS[2:]),
    ]
    one_by_one = await transcribe(
        segmented(engine(FakeSession(Script(final=lambda _: "x"), SttConfig()))), samples
    )
    assert first.start_ms == pytest.approx(one_by_one[0].start_ms, abs=400)
    assert second.end_ms == pytest.approx(one_by_one[-1].end_ms, abs=100)
    assert first.start_ms < first.end_ms <= second.start_ms < second.end_ms


async def test_speech_without_words_is_told_where_it_is() -> None:
    """Here in the second sentence: behind a pause that the window has without its middle."""

    def answer(request: WindowRequest) -> WindowResult:
        end_ms = request.speech_samples // 16
        gap = Uncovered(end_ms - 1000, end_ms - 500, -61.5)
        return WindowResult("one", "en", uncovered=(gap,))

    samples = audio(2)
    utterance, told = await take_apart(packed(FakeWindowSession(WindowScript(answer=answer))), samples)
    assert isinstance(utterance, TranscribedUtterance)
    assert isinstance(told, UncoveredAudio)
    assert (told.start_ms, told.end_ms) == (utterance.end_ms - 1000, utterance.end_ms - 500)
    assert told.dbfs == -61.5
    [_, alone] = await take_apart(
        segmented(open_windows(FakeWindowSession(WindowScript(answer=answer))), silence_ms=500), audio(1)
    )
    assert isinstance(alone, UncoveredAudio)
    assert 0 < alone.start_ms < alone.end_ms < len(audio(1)) / 16


@pytest.mark.parametrize("block", [160, BLOCK, 10 * BLOCK])
async def test_blocks_of_any_length_give_the_same_windows(block: int) -> None:
    samples = audio(25)

    async def windows_of(block: int) -> list[WindowRequest]:
        session = FakeWindowSession(WindowScript(answer=divide))
        it = packed(session)
        for at in range(0, len(samples), block):
            await it.push(samples[at : at + block])
        await it.finish()
        await it.aclose()
        return session.finals

    expected, found = await windows_of(BLOCK), await windows_of(block)
    assert len(found) > 1
    assert [request.samples.tobytes() for request in found] == [
        request.samples.tobytes() for request in expected
    ]


async def test_a_text_without_segments_is_one_utterance() -> None:
    session = FakeWindowSession(WindowScript(answer=lambda _: WindowResult("one two", "en")))
    [utterance] = await transcribe(packed(session), audio(2))
    assert utterance.text == "one two"
    assert 0 < utterance.start_ms < utterance.end_ms < len(audio(2)) / 16


async def test_a_place_is_held_only_while_a_window_is_decoded() -> None:
    limiter = anyio.CapacityLimiter(1)
    borrowed = []

    def note(_: WindowRequest) -> bool:
        borrowed.append(limiter.borrowed_tokens)
        return False

    it = packed(FakeWindowSession(WindowScript(hold=note)), limiter)
    await it.push(audio(1)[:BLOCK])
    assert (limiter.borrowed_tokens, it.is_busy) == (0, False)
    await it.finish()
    assert (borrowed, limiter.borrowed_tokens, it.is_busy) == ([1], 0, False)
    await it.aclose()


async def test_a_window_engine_that_fails_gives_its_place_back() -> None:
    limiter = anyio.CapacityLimiter(1)
    session = FakeWindowSession(WindowScript(failures=[RuntimeError("secret words")]))
    it = packed(session, limiter)
    with pytest.raises(EngineFailed):
        await transcribe(it, audio(1))
    await it.aclose()
    assert limiter.borrowed_tokens == 0
    assert session.closed


# -- engines that see every chunk


def passthrough(session: CloudStubSession) -> PassthroughTranscriber:
    opened = OpenEngine(provider=CloudStubProvider(SETTINGS), session=session, config=SttConfig(lang="es"))
    return PassthroughTranscriber(opened, session)


@pytest.mark.parametrize("block", [RAW_CHUNK_SAMPLES, 7 * RAW_CHUNK_SAMPLES])
async def test_each_final_of_a_chunk_engine_is_an_utterance(block: int) -> None:
    it = passthrough(CloudStubSession())
    found: list[TranscribedPart] = []
    samples = np.zeros(7 * RAW_CHUNK_SAMPLES, np.int16)
    for at in range(0, len(samples), block):
        found += await it.push(samples[at : at + block])
    assert await it.finish() == []
    await it.aclose()
    finals = [each for each in found if isinstance(each, TranscribedUtterance)]
    assert [(each.start_ms, each.end_ms, each.lang) for each in finals] == [(0, 300, "es"), (300, 600, "es")]
    assert not it.is_busy


async def test_a_chunk_engine_that_fails_is_an_error_of_ours() -> None:
    class Broken(CloudStubSession):
        def accept_chunk(self, pcm: bytes) -> list[tuple[Literal["partial", "final"], str]]:
            raise RuntimeError("secret words")

    it = passthrough(Broken())
    with pytest.raises(EngineFailed) as caught:
        await it.push(np.zeros(100, np.int16))
    assert "secret" not in caught.value.message


async def test_a_chunk_engine_gets_pcm16_at_16_khz() -> None:
    class Noting(CloudStubSession):
        got: Sequence[bytes] = ()

        def accept_chunk(self, pcm: bytes) -> list[tuple[Literal["partial", "final"], str]]:
            self.got = [*self.got, pcm]
            return []

    session = Noting()
    samples = np.arange(2000).astype(np.int16)
    await passthrough(session).push(samples)
    assert [len(pcm) for pcm in session.got] == [2 * RAW_CHUNK_SAMPLES, 2 * 400]
    assert b"".join(session.got) == samples.astype("<i2").tobytes()
