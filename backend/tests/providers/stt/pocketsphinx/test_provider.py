"""The embedded engine with its real worker processes: same audio, same text, whatever happens around it."""

import asyncio
import os
import select
import signal
import sys
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
import pytest_asyncio
import soxr

from app.core.config import Settings
from app.core.errors import ProviderNotReady, UnknownModel
from app.providers.base import SAMPLE_RATE_HZ, Samples, SttConfig, SttProvider, Transcript
from app.providers.stt.pocketsphinx.provider import PocketSphinxProvider
from app.providers.stt.pocketsphinx.stream import SphinxSession, SphinxStream
from app.schemas.providers import ProviderState

pytest.importorskip("importlib.metadata").distribution("pocketsphinx")
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.once]

BACKEND = Path(__file__).resolve().parents[4]
SAMPLES = BACKEND.parent / "samples"
NAMES = ("en_translate_letter_16k", "en_weather_madrid_48k", "en_summarize_document_44k")
WORDS = SttConfig(lang="en", words=True)
CHUNK = 1600


def read(name: str) -> Samples:
    with wave.open(str(SAMPLES / f"{name}.wav"), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return resample(pcm, file.getframerate())


def resample(pcm: Samples, rate_hz: int) -> Samples:
    out = soxr.resample(pcm.astype(np.float32), rate_hz, SAMPLE_RATE_HZ)
    samples: Samples = np.clip(np.rint(out), -32767, 32767).astype(np.int16)
    return samples


def settings(workers: int, decoders: int) -> Settings:
    return Settings.model_validate({"stt": {"pocketsphinx": {"workers": workers, "decoders": decoders}}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[PocketSphinxProvider]:
    """Two workers with two decoders each: four utterances at once."""
    provider = PocketSphinxProvider(settings(2, 2))
    await provider.start()
    yield provider
    await provider.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def expected(provider: PocketSphinxProvider) -> dict[str, Transcript]:
    """What each sample gives as the first utterance of a session, decoded alone."""
    return {name: await decode(provider, read(name)) for name in NAMES}


async def decode(
    provider: PocketSphinxProvider, samples: Samples, session: SphinxSession | None = None, chunk: int = CHUNK
) -> Transcript:
    session = session or await provider.open_session(WORDS)
    stream = await session.open_stream()
    for start in range(0, len(samples), chunk):
        await stream.accept(samples[start : start + chunk])
    transcript = await stream.finish(len(samples))
    await stream.aclose()
    return transcript


def said(transcript: Transcript) -> tuple[object, ...]:
    """All of a transcript that must be the same for the same audio."""
    return transcript.text, transcript.words, transcript.lang, transcript.model


@contextmanager
def standing_still(pids: Sequence[int]) -> Iterator[None]:
    """The processes do nothing meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def until_gone(pids: Sequence[int]) -> None:
    """Wait until the processes have ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], 10)
        os.close(descriptor)
        assert ready, f"process {pid} is still there"


async def until_replaced(provider: PocketSphinxProvider, killed: Sequence[int]) -> None:
    """Wait until the pool is whole again, without those that a test killed."""
    async with asyncio.timeout(60):
        while len(pids := set(provider.worker_pids)) < 2 or pids & set(killed):  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.02)


async def test_speech_becomes_text_while_it_is_spoken(provider: PocketSphinxProvider) -> None:
    samples = read("en_weather_madrid_48k")
    stream = await (await provider.open_session(WORDS)).open_stream()
    partials = [
        hypothesis.text
        for start in range(0, len(samples), CHUNK)
        if (hypothesis := await stream.accept(samples[start : start + CHUNK]))
    ]
    final = await stream.finish(len(samples))
    await stream.aclose()

    assert len(partials) >= 3
    assert all(before != after for before, after in pairwise(partials))
    spoken = (SAMPLES / "en_weather_madrid_48k.txt").read_text("utf-8").strip().rstrip("?").lower()
    assert jiwer.wer(spoken, final.text) <= 0.4
    assert (final.lang, final.model, final.rejected) == ("en", "en-us", None)
    assert final.decode_ms > 0


async def test_words_are_those_of_the_text_in_order(expected: dict[str, Transcript]) -> None:
    for name in NAMES:
        final, length_ms = expected[name], 1000 * len(read(name)) / SAMPLE_RATE_HZ
        assert " ".join(word.text for word in final.words) == final.text
        times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[-1] <= length_ms + 20
        assert all(0 <= word.confidence <= 1 for word in final.words)
        assert len({word.confidence for word in final.words}) > 1


async def test_words_stay_away_when_not_asked_for(provider: PocketSphinxProvider) -> None:
    session = await provider.open_session(SttConfig(lang="en"))
    final = await decode(provider, read(NAMES[1]), session)
    assert final.text
    assert final.words == ()


@pytest.mark.parametrize("chunk", [7, 1537, 10**6])
async def test_cutting_does_not_matter(
    provider: PocketSphinxProvider, expected: dict[str, Transcript], chunk: int
) -> None:
    final = await decode(provider, read(NAMES[1]), chunk=chunk)
    assert said(final) == said(expected[NAMES[1]])


async def test_order_and_worker_do_not_matter(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    holders = []
    for name in (NAMES[1], NAMES[2], NAMES[1], NAMES[0]):  # another of the four decoders each time
        assert said(await decode(provider, read(name))) == said(expected[name])
        holders.append(await (await provider.open_session(WORDS)).open_stream())
    await holders.pop().aclose()
    assert said(await decode(provider, read(NAMES[1]))) == said(expected[NAMES[1]])
    for holder in holders:
        await holder.aclose()


async def test_the_cepstral_mean_belongs_to_the_session(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    async def two_utterances(between: str | None) -> tuple[object, ...]:
        session = await provider.open_session(WORDS)
        await decode(provider, read(NAMES[1]), session)
        if between:
            await decode(provider, read(between))
        return said(await decode(provider, read(NAMES[1]), session))

    alone = await two_utterances(None)
    assert alone != said(expected[NAMES[1]]), "the first utterance left no trace: the mean is not kept"
    both = await asyncio.gather(two_utterances(NAMES[2]), two_utterances(None))
    assert list(both) == [alone] * 2


async def test_eight_at_once_lose_nothing(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    names = [NAMES[1], NAMES[2], *[NAMES[1]] * 6]
    finals = await asyncio.gather(*(decode(provider, read(name)) for name in names))
    assert [said(final) for final in finals] == [said(expected[name]) for name in names]


async def test_a_killed_worker_costs_no_word(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    before = provider.worker_pids
    samples = read(NAMES[0])
    half = len(samples) // 2
    stream = await (await provider.open_session(WORDS)).open_stream()
    await stream.accept(samples[:half])
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await stream.accept(samples[half:])
    final = await stream.finish(len(samples))
    await stream.aclose()

    assert said(final) == said(expected[NAMES[0]])
    assert said(await decode(provider, read(NAMES[1]))) == said(expected[NAMES[1]])
    await until_replaced(provider, before)


async def test_a_worker_killed_during_the_final_costs_no_word(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    samples = read(NAMES[0])
    stream = await (await provider.open_session(WORDS)).open_stream()
    await stream.accept(samples)
    victims = provider.worker_pids
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    final = asyncio.create_task(stream.finish(len(samples)))
    await asyncio.sleep(0)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert said(await final) == said(expected[NAMES[0]])
    await stream.aclose()
    await until_replaced(provider, victims)


async def test_a_client_that_leaves_frees_its_decoder(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    samples = read(NAMES[0])
    streams = [await (await provider.open_session(WORDS)).open_stream() for _ in range(4)]
    with standing_still(provider.worker_pids):  # so that all four are in the middle of a request
        running = [asyncio.create_task(stream.accept(samples)) for stream in streams]
        waiting = asyncio.create_task(decode(provider, read(NAMES[1])))
        done, _ = await asyncio.wait(running, timeout=0.1)
        assert not done
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        async with asyncio.timeout(30):
            for stream in streams:
                await stream.aclose()
    assert said(await waiting) == said(expected[NAMES[1]])


async def test_those_who_wait_are_served_in_order_and_may_leave(provider: PocketSphinxProvider) -> None:
    async def open_stream() -> SphinxStream:
        return await (await provider.open_session(WORDS)).open_stream()

    samples = read(NAMES[1])
    holders = [await open_stream() for _ in range(4)]
    first, leaver, second = await open_stream(), await open_stream(), await open_stream()
    for stream in (second, leaver, first):
        assert await stream.accept(samples) is None, "it has no decoder yet"
    finished: list[str] = []

    async def finish(name: str, stream: SphinxStream) -> None:
        assert (await stream.finish(len(samples))).text
        finished.append(name)
        await stream.aclose()

    tasks = [asyncio.create_task(finish(name, stream)) for name, stream in (("2", second), ("1", first))]
    await leaver.aclose()
    await holders.pop().aclose()
    await asyncio.gather(*tasks)
    assert finished == ["1", "2"]
    for holder in holders:
        await holder.aclose()


@pytest.mark.parametrize("length", [0, 1, 100, 1536, 48_000])
async def test_silence_has_no_words(provider: PocketSphinxProvider, length: int) -> None:
    final = await decode(provider, np.zeros(length, np.int16))
    assert (final.text, final.words) == ("", ())


async def test_ctrl_c_is_not_for_the_workers(
    provider: PocketSphinxProvider, expected: dict[str, Transcript]
) -> None:
    before = provider.worker_pids
    for pid in before:
        os.kill(pid, signal.SIGINT)
    assert said(await decode(provider, read(NAMES[1]))) == said(expected[NAMES[1]])
    assert provider.worker_pids == before


async def test_models(provider: PocketSphinxProvider) -> None:
    assert isinstance(provider, PocketSphinxProvider)
    as_protocol: SttProvider = provider
    assert as_protocol.models() == ["en-us"]
    await provider.open_session(SttConfig(model="en-us"))
    with pytest.raises(UnknownModel, match="no such model; it knows 'en-us'"):
        await provider.open_session(SttConfig(model="de-de"))


async def test_not_installed_says_how_to_get_it() -> None:
    provider = PocketSphinxProvider(settings(1, 1), find_spec=lambda _name: None)
    status = await provider.status()
    assert status.state is ProviderState.NOT_INSTALLED
    assert "3.11 and 3.13" in status.description
    assert "C compiler" in status.description
    with pytest.raises(ProviderNotReady, match="not installed"):
        await provider.start()
    await provider.aclose()


async def test_start_is_shared_and_aclose_ends_all(expected: dict[str, Transcript]) -> None:
    provider = PocketSphinxProvider(settings(1, 1))
    starts = [asyncio.create_task(provider.start()) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await provider.status()).state is ProviderState.LOADING
    await asyncio.gather(*starts)
    pids = provider.worker_pids
    assert len(pids) == 1

    stream = await (await provider.open_session(WORDS)).open_stream()
    waiting = await (await provider.open_session(WORDS)).open_stream()
    with standing_still(pids):  # so that a request is under way
        running = asyncio.create_task(stream.accept(read(NAMES[0])))
        queued = asyncio.create_task(waiting.finish(0))
        await asyncio.sleep(0)
        await provider.aclose()
    for task in (running, queued):
        with pytest.raises(ProviderNotReady, match="stopping"):
            await task
    await stream.aclose()
    await waiting.aclose()
    await until_gone(pids)
    with pytest.raises(ProviderNotReady, match="not started"):
        await provider.open_session(WORDS)


PARENT = """
import asyncio, sys
from app.core.config import Settings
from app.providers.stt.pocketsphinx.provider import PocketSphinxProvider

async def main():
    provider = PocketSphinxProvider(Settings.model_validate({"stt": {"pocketsphinx": {"workers": 1}}}))
    await provider.start()
    print(*provider.worker_pids, flush=True)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_workers_end_with_their_server() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, cwd=BACKEND, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    parent.kill()
    await parent.wait()
    assert pids
    await until_gone(pids)
