"""What every engine that speaks promises, built-in or third-party: one suite, run over each of them."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import aclosing

import numpy as np
import pytest

from app.core.config import Settings
from app.providers.base import TtsProvider, TtsRequest
from app.providers.registry import BUILT_IN_TTS, list_tts_registrations
from app.schemas.providers import USABLE, ProviderState
from tests.fakes.voice import FakeVoice

Build = Callable[[], TtsProvider]
NAMES = (*BUILT_IN_TTS, "fake_voice")


@pytest.fixture(params=NAMES)
def build(request: pytest.FixtureRequest) -> Build:
    if request.param == "fake_voice":
        return FakeVoice
    if request.param == "espeak_ng" and not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    return lambda: list_tts_registrations()[request.param].load()(Settings(_env_file=None))


async def speak(
    provider: TtsProvider, text: str, voice: str = "", speed: float = 1.0
) -> tuple[bytes, set[int]]:
    """All samples, and the rates that were told."""
    named = voice or (await provider.voices())[0].id
    pieces = [piece async for piece in provider.speak(TtsRequest(text, named, speed))]
    assert all(len(pcm) % 2 == 0 for pcm, _ in pieces)
    return b"".join(pcm for pcm, _ in pieces), {rate_hz for _, rate_hz in pieces}


async def test_it_is_described_by_its_registered_name(build: Build) -> None:
    provider = build()
    assert provider.name in NAMES
    assert provider.type
    status = await provider.status()
    assert status.state in USABLE
    assert status.description


async def test_its_voices_can_be_told_apart(build: Build) -> None:
    voices = await build().voices()
    assert len({voice.id for voice in voices}) == len(voices) > 0
    for voice in voices:
        assert voice.title
        assert voice.langs
        assert all(lang == lang.lower() for lang in voice.langs)


async def test_it_speaks_at_one_rate(build: Build) -> None:
    pcm, rates = await speak(build(), "Good morning, everybody.")
    [rate_hz] = rates
    assert 8000 <= rate_hz <= 48_000
    samples = np.frombuffer(pcm, "<i2")
    assert 0.5 < len(samples) / rate_hz < 10
    assert np.abs(samples.astype(np.int32)).max() > 1000


async def test_it_speaks_spanish_with_a_spanish_voice(build: Build) -> None:
    provider = build()
    voice = next(voice for voice in await provider.voices() if "es" in voice.langs)
    pcm, _ = await speak(provider, "¿Qué tal? Mañana será otro día.", voice.id)
    assert len(pcm) > 20_000


async def test_the_speed_changes_the_length(build: Build) -> None:
    provider = build()
    lengths = [
        len((await speak(provider, "one two three four five", speed=speed))[0]) for speed in (0.5, 1.0, 2.0)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 1.3 * lengths[2]


async def test_whoever_leaves_ends_the_work(build: Build) -> None:
    provider = build()
    voice = (await provider.voices())[0].id
    async with asyncio.timeout(30):
        async with aclosing(provider.speak(TtsRequest("word " * 800, voice))) as pieces:
            await anext(pieces)
        await provider.aclose()


async def test_several_texts_at_once_stay_apart(build: Build) -> None:
    provider = build()
    texts = ["one", "one two three", "one two three four five six"]
    alone = [await speak(provider, text) for text in texts]
    together = await asyncio.gather(*(speak(provider, text) for text in texts))
    assert [len(pcm) for pcm, _ in together] == [len(pcm) for pcm, _ in alone]


async def test_marks_and_strange_characters_break_nothing(build: Build) -> None:
    provider = build()
    for text in ("[[h@loU]] <speak>x</speak> --version -f /etc/passwd", "😀 \x07 \ufeff", "…", "a\n\n-v\nb"):
        await speak(provider, text)


def test_an_engine_that_is_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    provider = list_tts_registrations()["espeak_ng"].load()(Settings(_env_file=None))
    status = asyncio.run(provider.status())
    assert status.state is ProviderState.NOT_INSTALLED
    assert "apt install espeak-ng" in status.description
    assert asyncio.run(provider.voices()) == ()
