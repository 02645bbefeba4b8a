"""What every speech provider promises, built-in or third-party: one suite, run over each of them."""

import importlib.util
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
import pytest
import pytest_asyncio

from app.core.config import Settings
from app.core.errors import UnknownModel
from app.providers.base import (
    RawSttSession,
    Samples,
    SttConfig,
    SttProvider,
    SttSession,
    Transcript,
    WindowSttSession,
)
from app.providers.registry import BUILT_IN_STT, list_stt_registrations
from app.schemas.providers import ProviderState
from tests.fakes.plugin import install_plugin
from tests.fakes.upstream import FakeTranscriber
from tests.fakes.window_engine import WindowedSession
from tests.support.checkpoints import load_whisper

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

WHOLE = ("pocketsphinx", "whisper_local", "openai_compat", "sound_meter")
"""Providers that are given utterances; `sound_meter` is the third-party one."""
RAW = ("cloud_stub",)
"""Providers that are given every chunk."""

SILENCE = np.zeros(16_000, np.int16)


@dataclass(frozen=True)
class Subject:
    """A started provider, how to build another, and speech that it understands (16 kHz)."""

    provider: SttProvider
    build: Callable[[], SttProvider]
    speech: Samples
    other_speech: Samples

    async def transcribe(self, samples: Samples, config: SttConfig | None = None) -> Transcript:
        session = await self.open(config)
        transcript = await dictate(session, [samples])
        await session.aclose()
        return transcript

    async def open(self, config: SttConfig | None = None) -> SttSession:
        config = config or SttConfig(lang="en")
        session = await self.provider.open_session(config)
        assert not isinstance(session, RawSttSession)
        return WindowedSession(session, config) if isinstance(session, WindowSttSession) else session


async def dictate(session: SttSession, pieces: Sequence[Samples]) -> Transcript:
    stream = await session.open_stream()
    for piece in pieces:
        await stream.accept(piece)
    transcript = await stream.finish(sum(map(len, pieces)))
    await stream.aclose()
    return transcript


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def builders(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Settings]]:
    """Settings by name of provider, with everything beside the providers that they need."""
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
        install_plugin(tmp_path_factory.mktemp("plugin"), patch)
        upstream = await stack.enter_async_context(FakeTranscriber().serve())
        yield {
            "cloud_stub": Settings(),
            "sound_meter": Settings(),
            "pocketsphinx": make_settings("pocketsphinx", workers=1, decoders=2),
            "openai_compat": make_settings("openai_compat", base_url=upstream.base_url, api_key="sk-test"),
        }


def make_settings(name: str, **values: object) -> Settings:
    return Settings.model_validate({"models_dir": Path("/nowhere"), "stt": {name: values}})


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[*WHOLE, *RAW])
async def subject(request: pytest.FixtureRequest, builders: dict[str, Settings]) -> AsyncIterator[Subject]:
    """Each provider in turn."""
    name: str = request.param
    if name == "pocketsphinx" and importlib.util.find_spec("pocketsphinx") is None:
        pytest.skip("pocketsphinx has no wheel for this Python")
    known = load_whisper()
    settings = builders.get(name) or make_settings(name, model=str(known.path))

    def build() -> SttProvider:
        provider: SttProvider = list_stt_registrations()[name].load()(settings)
        return provider

    provider = build()
    await provider.start()
    yield Subject(provider, build, known.english, known.spanish)
    await provider.aclose()


whole = pytest.mark.parametrize("subject", WHOLE, indirect=True)
raw = pytest.mark.parametrize("subject", RAW, indirect=True)


async def test_no_provider_is_left_out() -> None:
    assert {*WHOLE, *RAW} - {"sound_meter"} == set(BUILT_IN_STT)


# -- the provider


async def test_its_state_is_one_of_the_list_and_told_in_time(subject: Subject) -> None:
    for provider in (subject.build(), subject.provider):
        began_s = time.monotonic()
        status = await provider.status()
        assert time.monotonic() - began_s <= 20
        assert status.state is ProviderState.READY
        assert status.description


async def test_it_says_what_it_is(subject: Subject) -> None:
    provider = subject.provider
    assert provider.name
    assert provider.type
    for language in provider.capabilities.languages or ():
        assert language == language.lower()
        assert "-" not in language
    session = await provider.open_session(SttConfig(lang="en"))
    assert isinstance(session, RawSttSession) == provider.capabilities.raw_audio
    await session.aclose()


async def test_it_starts_once_however_often_it_is_asked(subject: Subject) -> None:
    provider = subject.build()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(provider.start)
    await provider.start()
    session = await provider.open_session(SttConfig(lang="en"))
    await session.aclose()
    await provider.aclose()


async def test_it_ends_with_a_dictation_open(subject: Subject) -> None:
    provider = subject.build()
    await provider.start()
    session = await provider.open_session(SttConfig(lang="en"))
    with anyio.fail_after(90):
        await provider.aclose()
        await session.aclose()


async def test_it_ends_without_having_started(subject: Subject) -> None:
    with anyio.fail_after(90):
        await subject.build().aclose()


async def test_its_models_can_be_asked_for_and_no_others(subject: Subject) -> None:
    for model in subject.provider.models():
        session = await subject.provider.open_session(SttConfig(lang="en", model=model))
        await session.aclose()
    with pytest.raises(UnknownModel, match=r"has no (such )?(model|checkpoint)"):
        await subject.provider.open_session(SttConfig(model="no-such-model"))


async def test_a_dictation_may_be_closed_twice(subject: Subject) -> None:
    session = await subject.provider.open_session(SttConfig(lang="en"))
    await session.aclose()
    await session.aclose()


# -- utterances


@whole
async def test_speech_is_text(subject: Subject) -> None:
    transcript = await subject.transcribe(subject.speech)
    assert transcript.text.strip() == transcript.text != ""
    assert transcript.rejected is None


@whole
async def test_silence_is_no_text(subject: Subject) -> None:
    assert (await subject.transcribe(SILENCE)).text == ""


@whole
@pytest.mark.parametrize("length", [16, 1601, 7919, 100_000])
async def test_how_the_audio_is_cut_does_not_matter(subject: Subject, length: int) -> None:
    session = await subject.open()
    pieces = [subject.speech[at : at + length] for at in range(0, len(subject.speech), length)]
    assert (await dictate(session, pieces)).text == (await subject.transcribe(subject.speech)).text
    await session.aclose()


@whole
async def test_the_caller_may_use_its_buffer_again(subject: Subject) -> None:
    session = await subject.open()
    stream = await session.open_stream()
    buffer = subject.speech.copy()
    await stream.accept(buffer)
    buffer[:] = 0
    assert (await stream.finish(len(buffer))).text == (await subject.transcribe(subject.speech)).text
    await stream.aclose()
    await session.aclose()


@whole
async def test_dictations_at_the_same_time_do_not_hear_each_other(subject: Subject) -> None:
    alone = [await subject.transcribe(speech) for speech in (subject.speech, subject.other_speech)]
    first, second = await subject.open(), await subject.open()
    streams = [await first.open_stream(), await second.open_stream()]
    speeches = (subject.speech, subject.other_speech)
    for at in range(0, max(map(len, speeches)), 1600):
        for stream, speech in zip(streams, speeches, strict=True):
            await stream.accept(speech[at : at + 1600])
    together = [await stream.finish(len(speech)) for stream, speech in zip(streams, speeches, strict=True)]
    assert [one.text for one in together] == [one.text for one in alone]
    for stream in streams:
        await stream.aclose()
    await first.aclose()
    await second.aclose()


@whole
async def test_words_lie_in_the_utterance_in_order(subject: Subject) -> None:
    transcript = await subject.transcribe(subject.speech, SttConfig(lang="en", words=True))
    if not subject.provider.capabilities.words:
        assert transcript.words == ()
        return
    assert " ".join(word.text for word in transcript.words) == transcript.text
    times = [time_ms for word in transcript.words for time_ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= math.ceil(len(subject.speech) / 16)
    assert all(0 <= word.confidence <= 1 for word in transcript.words)


@whole
async def test_words_come_only_when_asked_for(subject: Subject) -> None:
    assert (await subject.transcribe(subject.speech)).words == ()


@whole
async def test_an_engine_that_streams_gives_hypotheses_and_no_other(subject: Subject) -> None:
    session = await subject.open()
    stream = await session.open_stream()
    given = [
        await stream.accept(subject.speech[at : at + 1600]) for at in range(0, len(subject.speech), 1600)
    ]
    await stream.finish(len(subject.speech))
    await stream.aclose()
    await session.aclose()
    assert any(given) == subject.provider.capabilities.streaming


# -- utterances that end early


async def left_unused(session: SttSession, speech: Samples) -> None:
    stream = await session.open_stream()
    await stream.aclose()


async def left_unfinished(session: SttSession, speech: Samples) -> None:
    stream = await session.open_stream()
    await stream.accept(speech[:8000])
    await stream.aclose()


async def left_while_it_hears(session: SttSession, speech: Samples) -> None:
    stream = await session.open_stream()
    await cancelled(lambda: stream.accept(speech))
    await stream.aclose()


async def left_while_it_decodes(session: SttSession, speech: Samples) -> None:
    stream = await session.open_stream()
    await stream.accept(speech)
    await cancelled(lambda: stream.finish(len(speech)))
    await stream.aclose()


async def cancelled(call: Callable[[], Awaitable[object]]) -> None:
    """Begin a call, and cancel it once it waits for something."""
    begun = anyio.Event()

    async def run() -> None:
        begun.set()
        await call()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await begun.wait()
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


@whole
@pytest.mark.parametrize("leave", [left_unused, left_unfinished, left_while_it_hears, left_while_it_decodes])
async def test_an_utterance_can_be_left_at_any_time(
    subject: Subject, leave: Callable[[SttSession, Samples], Awaitable[None]]
) -> None:
    expected = (await subject.transcribe(subject.speech)).text
    session = await subject.open()
    with anyio.fail_after(90):
        for _ in range(8):  # more than any engine has decoders
            await leave(session, subject.other_speech)
        assert (await dictate(session, [subject.speech])).text == expected
    await session.aclose()


# -- every chunk


@raw
async def test_a_raw_engine_answers_each_chunk_at_once(subject: Subject) -> None:
    sessions = [await subject.provider.open_session(SttConfig()) for _ in range(2)]
    answers = []
    for session in sessions:
        assert isinstance(session, RawSttSession)
        answers.append([tuple(session.accept_chunk(b"\0\0" * 1600)) for _ in range(6)])
        await session.aclose()
    assert answers[0] == answers[1]
    kinds = {kind for answer in answers[0] for kind, _ in answer}
    assert kinds == {"partial", "final"}
