"""Engines of decode workers behind the protocols of a local engine: states, sessions, incremental utterances."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.core.config import Settings
from app.core.errors import ProviderNotReady, UnknownModel
from app.providers.base import ContinuingSttSession, Samples, SttConfig, SttSession, Transcript
from app.providers.stt.pocketsphinx.provider import PocketSphinxProvider
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.schemas.providers import ProviderState
from app.services.tier.remote_engine import RemoteEngine, RemoteSession, RemoteWindowSession
from tests.conftest import SAMPLES, read_wav
from tests.fakes.window_engine import WindowedSession
from tests.support.checkpoints import load_whisper
from tests.support.tier import Cluster


async def test_without_a_worker_the_engine_says_so() -> None:
    async with Cluster().run() as cluster:
        engine = cluster.build()
        assert isinstance(engine, RemoteEngine)
        assert (await engine.status()).state is ProviderState.UNREACHABLE
        with pytest.raises(ProviderNotReady, match="prompter worker"):
            await engine.open_session(SttConfig())
        assert "prompter worker" in cluster.workers.problem


async def test_what_a_worker_refuses_is_refused_here() -> None:
    async with Cluster().run() as cluster:
        await cluster.add()
        with pytest.raises(UnknownModel):
            await cluster.build().open_session(SttConfig(model="other"))
        assert cluster.workers.problem == ""


async def dictate(
    session: SttSession, samples: Samples, between: Callable[[], None] = lambda: None
) -> Transcript:
    """One utterance; `between` happens in its midst."""
    stream = await session.open_stream()
    half = len(samples) // 2
    await stream.accept(samples[:half])
    between()
    await stream.accept(samples[half:])
    transcript = await stream.finish(len(samples))
    await stream.aclose()
    return replace(transcript, decode_ms=0.0)


@pytest.mark.once
async def test_whisper_gives_the_same_text_at_every_worker() -> None:
    known = load_whisper()
    whisper = {"provider": "whisper_local", "whisper_local": {"model": str(known.path)}}
    settings = Settings.model_validate({"stt": whisper})
    local = WhisperLocalProvider(settings)
    await local.start()
    config = SttConfig(words=True)
    here = WindowedSession(await local.open_session(config), config)
    expected = [await dictate(here, known.english), await dictate(here, known.spanish)]
    await here.aclose()
    async with Cluster("whisper_local", stt=whisper).run() as cluster:
        await cluster.add()
        session = await cluster.build().open_session(config)
        assert isinstance(session, RemoteWindowSession)
        assert isinstance(session, ContinuingSttSession), "as the local engine's"
        there = WindowedSession(session, config)
        found = [await dictate(there, known.english)]
        await cluster.add()
        cluster.link.kill("worker-1")
        found.append(await dictate(there, known.spanish))
        await there.aclose()
    assert found == expected
    assert all(transcript.text for transcript in found)
    await local.aclose()


@pytest.mark.once
async def test_an_incremental_engine_hears_an_utterance_again_where_its_worker_dies() -> None:
    """What the session has learned of the speaker is at no worker, but travels with the utterance."""
    if importlib.util.find_spec("pocketsphinx") is None:
        pytest.skip("pocketsphinx has no wheel for this Python")
    samples, _ = read_wav(SAMPLES / "en_reverse_list_16k.wav")
    sphinx = {"provider": "pocketsphinx", "pocketsphinx": {"workers": 1, "decoders": 1}}
    local = PocketSphinxProvider(Settings.model_validate({"stt": sphinx}))
    await local.start()
    config = SttConfig(lang="en", words=True)
    here = await local.open_session(config)
    expected = [await dictate(here, samples), await dictate(here, samples)]
    await local.aclose()
    async with Cluster("pocketsphinx", stt=sphinx).run() as cluster:
        await cluster.add()
        there = await cluster.build().open_session(config)
        assert isinstance(there, RemoteSession)
        found = [await dictate(there, samples)]
        assert there.state is not None
        await cluster.add()
        found.append(await dictate(there, samples, lambda: cluster.link.kill("worker-1")))
    assert found == expected
    assert expected[0].text
