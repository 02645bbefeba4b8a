"""One transcription, step by step: progress, utterances, refusals, its end; and how many may run."""

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import anyio
import numpy as np
import pytest

from app.core.config import LimitSettings, Settings
from app.core.errors import AudioNotReadable, ModelNotFound, ServerFull
from app.providers.registry import Registration
from app.services.decoding.providers import SttProviders
from app.services.decoding.scheduler import Scheduler
from app.services.transcription.job import TranscriptionJob, TranscriptionService
from app.services.transcription.request import TranscriptionRequest
from app.services.transcription.result import TranscribedUtterance, TranscriptionProgress
from tests.fakes.engine import FakeEngine, Script
from tests.support.recordings import encode
from tests.support.speech_client import make_sentence


def service(engine: FakeEngine, uploads: int = 16) -> TranscriptionService:
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
