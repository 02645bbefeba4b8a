"""One transcription, step by step: progress, utterances, refusals, its end; and how many may run."""

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import anyio
import numpy as np
import pytest

from app.core.config import LimitSettings, Settings
from app.core.errors import AudioNotReadable, ModelNotFound, ServerFull
from app.providers.base import WindowRequest, WindowResult
from app.providers.registry import Registration
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.transcription.job import TranscriptionJob, TranscriptionService
from app.services.transcription.request import TranscriptionRequest
from app.services.transcription.result import (
    RecordingTranscript,
    TranscribedUtterance,
    TranscriptionProgress,
)
from tests.fakes.engine import FakeEngine, Script
from tests.fakes.window_engine import FakeWindowEngine, WindowScript
from tests.support.recordings import encode
from tests.support.speech_client import make_sentence


def service(engine: FakeEngine | FakeWindowEngine, uploads: int = 16) -> TranscriptionService:
    settings = Settings(_env_file=None, limits=LimitSettings(uploads=uploads))
    scheduler = Scheduler(2, lambda: 0.0)
    registration = Registration("fake", lambda: lambda _: engine, "a test")
    return TranscriptionService(
        settings, SttProviders(settings, scheduler, {"fake": registration}), scheduler
    )


@pytest.fixture(scope="module")
def two_sentences() -> bytes:
    return encode(np.frombuffer(make_sentence(2.0) * 2, np.int16), 16_000, "wav", out_hz=16_000)


@pytest.fixture
def file(two_sentences: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(two_sentences)
        yield cast("BinaryIO", file)


def request(model: str = "fake", lang: str | None = None) -> TranscriptionRequest:
    return TranscriptionRequest(model=model, lang=lang, words=True, vocabulary=("Ada",))


async def test_progress_comes_first_and_then_each_utterance(file: BinaryIO) -> None:
    engine = FakeEngine(Script(final=lambda _: "one two"))
    job = service(engine).create_job(file, request(lang="en-GB"))
    await job.open()
    config = engine.sessions[0].config
    assert (config.lang, config.words, config.vocabulary, config.partials) == ("en-GB", True, ("Ada",), False)
    steps = []
    while (step := await job.next()) is not None:
        steps.append(step)
        if isinstance(step, TranscribedUtterance):
            assert job.so_far.utterances[-1] == step
    await job.aclose()
    first, *others = [step for step in steps if isinstance(step, TranscriptionProgress)]
    assert first.done_s == 0
    assert first.duration_s is not None
    assert first.duration_s == pytest.approx(len(make_sentence(2.0)) * 2 / 32_000, abs=0.01)
    assert all(0 < each.done_s <= first.duration_s for each in others)
    transcript = job.so_far
    assert (transcript.text, transcript.lang) == ("one two one two", "en")
    assert transcript.duration_s == pytest.approx(first.duration_s, abs=0.01)
    assert engine.all_closed


async def test_the_whole_is_what_the_steps_add_up_to(file: BinaryIO) -> None:
    job = service(FakeEngine(Script(final=lambda _: "text"))).create_job(file, request())
    await job.open()
    whole = await job.whole()
    await job.aclose()
    assert whole == job.so_far
    assert whole.text == "text text"


# -- a recording in which nothing is heard


@pytest.fixture
def quiet_noise() -> Iterator[BinaryIO]:
    noise = np.random.default_rng(5).normal(0, 60, 20 * 16_000).astype(np.int16)
    with tempfile.TemporaryFile() as file:
        file.write(encode(noise, 16_000, "wav", out_hz=16_000))
        yield cast("BinaryIO", file)


async def run(engine: FakeEngine | FakeWindowEngine, file: BinaryIO) -> RecordingTranscript:
    job = service(engine).create_job(file, request())
    try:
        await job.open()
        return await job.whole()
    finally:
        await job.aclose()


async def test_where_the_gate_hears_nothing_the_engine_listens_once_without_it(quiet_noise: BinaryIO) -> None:
    engine = FakeWindowEngine(WindowScript(answer=lambda _: WindowResult("a whisper", "en")))
    heard = await run(engine, quiet_noise)
    assert (heard.text, heard.discarded) == ("a whisper", ())
    gated, cautious = engine.sessions
    assert gated.finals == []
    assert [request.speech_samples for request in cautious.finals] == [20 * 16_000]
    assert [config.cautious for config in engine.configs] == [False, True]
    assert all(session.closed for session in engine.sessions)


async def test_where_that_gives_nothing_the_recording_is_told(quiet_noise: BinaryIO) -> None:
    engine = FakeWindowEngine(WindowScript(answer=lambda _: WindowResult("", rejected="no_speech")))
    [told] = (await run(engine, quiet_noise)).discarded
    assert (told.reason, told.start_ms, told.end_ms) == ("no_speech", 0, 20_000)
    assert told.dbfs == pytest.approx(-54.7, abs=0.5)


async def test_an_engine_that_is_fed_as_audio_comes_never_listens_without_the_gate(
    quiet_noise: BinaryIO,
) -> None:
    engine = FakeEngine()
    heard = await run(engine, quiet_noise)
    assert heard.text == ""
    assert [one.reason for one in heard.discarded] == ["no_speech"]
    assert len(engine.sessions) == 1


async def test_speech_that_comes_to_nothing_is_told_where_it_is(file: BinaryIO) -> None:
    def answer(request: WindowRequest) -> WindowResult:
        return WindowResult("", rejected="hallucination")

    engine = FakeWindowEngine(WindowScript(answer=answer))
    [told] = (await run(engine, file)).discarded
    assert told.reason == "hallucination"
    assert 0 < told.start_ms < told.end_ms < len(make_sentence(2.0)) * 2 / 32


async def test_a_job_that_is_closed_early_closes_its_engine(file: BinaryIO) -> None:
    engine = FakeEngine()
    job = service(engine).create_job(file, request())
    await job.open()
    await job.aclose()
    assert engine.all_closed
    assert engine.sessions[0].streams == []


async def opened(job: TranscriptionJob) -> None:
    try:
        await job.open()
    finally:
        await job.aclose()


async def test_a_file_that_is_no_recording_costs_no_engine() -> None:
    engine = FakeEngine()
    with tempfile.TemporaryFile() as file:
        file.write(b"PK\x03\x04" + bytes(100))
        with pytest.raises(AudioNotReadable):
            await opened(service(engine).create_job(cast("BinaryIO", file), request()))
    assert engine.sessions == []


async def test_a_model_that_nobody_has_is_refused_as_the_job_opens(file: BinaryIO) -> None:
    with pytest.raises(ModelNotFound, match="known: whisper-1, auto, fake"):
        await opened(service(FakeEngine()).create_job(file, request("tiny")))


async def test_places_are_limited_and_given_back() -> None:
    it = service(FakeEngine(), uploads=2)
    async with it.reserve(), anyio.create_task_group():
        async with it.reserve():
            assert it.open_jobs == 2
            with pytest.raises(ServerFull, match=r"limits\.uploads") as caught:
                async with it.reserve():
                    raise AssertionError("there was no place")
            assert caught.value.retry_after_s == 5.0
        async with it.reserve():
            assert it.open_jobs == 2
    assert it.open_jobs == 0
