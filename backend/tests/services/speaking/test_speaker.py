"""Speaking a text: engines in order, bounds, one rate for every format, failures before and after the first bytes."""

from pathlib import Path
from typing import Any

import pytest

from app.core.config import Settings
from app.core.errors import BadRequest, EngineFailed, ModelNotFound, ProviderNotReady, ServerFull
from app.providers.registry import Registration
from app.schemas.providers import ProviderState
from app.services.speaking.speaker import Speaker, SpeechRequest
from tests.fakes.voice import FakeVoice


def make_speaker(*voices: FakeVoice, **fields: Any) -> Speaker:
    def register(voice: FakeVoice) -> Registration:
        return Registration(voice.name, lambda: lambda _: voice, "tests")

    return Speaker(Settings(_env_file=None, **fields), {voice.name: register(voice) for voice in voices})


async def speak(speaker: Speaker, text: str = "Hello", **fields: Any) -> bytes:
    spoken = await speaker.speak(SpeechRequest(text, **{"form": "pcm", **fields}))
    try:
        await spoken.open()
        return b"".join([piece async for piece in spoken.pieces()])
    finally:
        await spoken.aclose()


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 48_000])
async def test_every_engine_is_heard_at_24_khz(rate_hz: int) -> None:
    pcm = await speak(make_speaker(FakeVoice(rate_hz=rate_hz)))
    assert len(pcm) / 2 / 24_000 == pytest.approx(0.5, abs=0.01)


async def test_names_of_openai_mean_the_default() -> None:
    voice = FakeVoice()
    speaker = make_speaker(voice)
    for model in ("", "tts-1", "gpt-4o-mini-tts", "fake_voice"):
        assert await speak(speaker, model=model, voice="alloy")
    assert {request.voice for request in voice.requests} == {"en-gb"}
    with pytest.raises(ModelNotFound, match="fake_voice"):
        await speak(speaker, model="whisper-1")


async def test_the_first_engine_that_can_speak_does() -> None:
    missing = FakeVoice(name="missing", state=ProviderState.NOT_INSTALLED)
    silent, able = FakeVoice(name="silent", listed=()), FakeVoice(name="able")
    await speak(make_speaker(missing, silent, able))
    assert len(able.requests) == 1
    with pytest.raises(ProviderNotReady, match="'missing' cannot speak: a fake"):
        await speak(make_speaker(missing, silent))
    with pytest.raises(ProviderNotReady):
        await speak(make_speaker())
    assert await make_speaker(missing).list_voices() == ()
    assert len(await make_speaker(able).list_voices()) == 3


async def test_the_language_of_the_server_speaks_what_tells_none() -> None:
    voice = FakeVoice()
    await speak(make_speaker(voice, stt={"lang": "es-MX"}), "42")
    assert voice.requests[0].voice == "es"


@pytest.mark.parametrize("text", ["", " \n"])
async def test_nothing_to_speak(text: str) -> None:
    with pytest.raises(BadRequest, match="`input`"):
        await speak(make_speaker(FakeVoice()), text)


async def test_a_text_is_bounded() -> None:
    speaker = make_speaker(FakeVoice(), limits={"speech_chars": 5})
    assert await speak(speaker, "12345")
    with pytest.raises(BadRequest, match=r"limits\.speech_chars"):
        await speak(speaker, "123456")


async def test_texts_at_once_are_bounded_and_places_come_back() -> None:
    voice = FakeVoice()
    speaker = make_speaker(voice, limits={"speeches": 1})
    first = await speaker.speak(SpeechRequest("Hello"))
    with pytest.raises(ServerFull, match=r"limits\.speeches"):
        await speaker.speak(SpeechRequest("Hello"))
    await first.aclose()
    await first.aclose()
    assert await speak(speaker)


async def test_failures_and_leaving_free_the_engine() -> None:
    voice = FakeVoice(failure=RuntimeError("secret words"))
    speaker = make_speaker(voice, limits={"speeches": 1})
    for _ in range(2):
        with pytest.raises(EngineFailed) as failed:
            await speak(speaker)
        assert "secret" not in failed.value.message
    voice.failure = None
    spoken = await speaker.speak(SpeechRequest("Hello"))
    await spoken.open()
    await spoken.aclose()
    assert voice.opened == voice.closed == 3


async def test_a_package_that_cannot_be_loaded() -> None:
    def load() -> Any:
        raise ImportError("no such file")

    speaker = Speaker(Settings(_env_file=None), {"mine": Registration("mine", load, "some-package")})
    with pytest.raises(ProviderNotReady, match="some-package"):
        await speak(speaker)


async def test_the_default_engine_is_the_one_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProviderNotReady, match="apt install espeak-ng"):
        await speak(Speaker(Settings(_env_file=None)))
