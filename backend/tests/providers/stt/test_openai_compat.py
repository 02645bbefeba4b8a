"""Transcription by an upstream: what is sent, what is understood, failures that the dictation survives."""

import io
import logging
import time
import wave
from typing import Any

import numpy as np
import pytest

from app.core.config import Settings, SttSettings, SttUpstreamSettings
from app.core.errors import (
    PrompterError,
    ProviderNotReady,
    UnknownModel,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from app.providers.base import Samples, SttConfig, Transcript, Word
from app.providers.stt.openai_compat import OpenAiCompatSttProvider
from app.schemas.providers import ProviderState
from tests.fakes.upstream import (
    FakeUpstream,
    Reply,
    Request,
    dropped_reply,
    error_reply,
    json_reply,
    silent_reply,
)

KEY = "sk-server-0123456789abcdef"
AUDIO: Samples = (np.sin(np.arange(16_000) / 20) * 10_000).astype(np.int16)
VERBOSE = {
    "task": "transcribe",
    "language": "spanish",
    "duration": 1.0,
    "text": " Hola mundo ",
    "words": [
        {"word": "Hola", "start": 0.1, "end": 0.42},
        {"word": " mundo", "start": 0.5, "end": 0.9},
        {"bad": 1},
    ],
    "segments": [{"start": 0.0, "end": 0.45, "avg_logprob": -0.1053605}],
}


def provider(upstream: FakeUpstream | None, **own: Any) -> OpenAiCompatSttProvider:
    url = upstream.base_url if upstream else ""
    chosen = SttUpstreamSettings(**{"base_url": url, "api_key": KEY, "model": "whisper-1", **own})
    return OpenAiCompatSttProvider(Settings(_env_file=None, stt=SttSettings(openai_compat=chosen)))


async def dictate(engine: OpenAiCompatSttProvider, config: SttConfig | None = None) -> Transcript:
    try:
        await engine.start()
        session = await engine.open_session(config or SttConfig())
        stream = await session.open_stream()
        for piece in np.array_split(AUDIO, 7):
            assert await stream.accept(piece) is None
        transcript = await stream.finish(len(AUDIO))
        await stream.aclose()
        await session.aclose()
        return transcript
    finally:
        await engine.aclose()


def fields(request: Request) -> dict[str, list[bytes]]:
    """The parts of a multipart body by name."""
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    found: dict[str, list[bytes]] = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        found.setdefault(name, []).append(value.removesuffix(b"\r\n"))
    return found


async def test_an_utterance_is_sent_as_wav_and_answered() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(json_reply({"text": " Hello\n world "}))
        transcript = await dictate(provider(upstream))
        assert (transcript.text, transcript.lang, transcript.model) == ("Hello world", None, "whisper-1")
        assert transcript.decode_ms > 0
        sent = upstream.requests[0]
        assert (sent.path, sent.headers["authorization"]) == ("/v1/audio/transcriptions", f"Bearer {KEY}")
        form = fields(sent)
        assert set(form) == {"file", "model", "response_format"}
        assert (form["model"], form["response_format"]) == ([b"whisper-1"], [b"json"])
        with wave.open(io.BytesIO(form["file"][0])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert file.readframes(20_000) == AUDIO.tobytes()


async def test_language_vocabulary_and_words_are_asked_for() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(json_reply(VERBOSE))
        config = SttConfig(lang="es-MX", words=True, vocabulary=("FastAPI", "kubectl"))
        transcript = await dictate(provider(upstream), config)
        form = fields(upstream.requests[0])
        assert form["language"] == [b"es"]
        assert form["prompt"] == [b"FastAPI, kubectl"]
        assert form["response_format"] == [b"verbose_json"]
        assert b"word" in form["timestamp_granularities[]"]
        assert transcript.text == "Hola mundo"
        assert [(word.text, word.start_ms, word.end_ms) for word in transcript.words] == [
            ("Hola", 100, 420),
            ("mundo", 500, 900),
        ]
        assert transcript.words[0].confidence == pytest.approx(0.9, abs=1e-3)
        assert transcript.words[1] == Word("mundo", 500, 900, 1.0)


@pytest.mark.parametrize(
    ("told", "expected"), [("spanish", "es"), ("ES", "es"), ("pt-BR", "pt"), ("klingon", None), (7, None)]
)
async def test_a_detected_language_is_passed_on(told: object, expected: str | None) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(json_reply({"text": "x", "language": told}))
        assert (await dictate(provider(upstream))).lang == expected


@pytest.mark.parametrize("status", [400, 422])
async def test_a_model_without_word_times_still_gives_the_text(status: int) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend(
            [error_reply(status, "response_format is not supported"), json_reply({"text": "Hello"})]
        )
        transcript = await dictate(provider(upstream), SttConfig(words=True))
        assert (transcript.text, transcript.words) == ("Hello", ())
        assert fields(upstream.requests[1])["response_format"] == [b"json"]


@pytest.mark.parametrize(
    "failure", [error_reply(500, "oops"), error_reply(429, "wait", Retry_After="0"), dropped_reply()]
)
async def test_one_retry_before_the_first_byte(failure: Reply) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([failure, json_reply({"text": "Hello"})])
        assert (await dictate(provider(upstream))).text == "Hello"
        assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("replies", "expected", "words"),
    [
        ([error_reply(401, f"bad key {KEY}")], UpstreamUnauthorized, "did not accept the API key"),
        ([error_reply(500, "oops")] * 2, UpstreamError, "status 500: oops"),
        ([dropped_reply()] * 2, UpstreamError, "cannot be reached"),
        ([error_reply(400, "audio too short")], UpstreamError, "audio too short"),
        ([json_reply({"nothing": 1})], UpstreamError, "without a text"),
        ([Reply([b"<html>"])], UpstreamError, "no API there"),
        ([Reply(status=301, headers={"Location": "/v2"})], UpstreamError, "redirects"),
    ],
)
async def test_failures_come_out_of_finish(
    replies: list[Reply], expected: type[PrompterError], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend(replies)
        with caplog.at_level(logging.DEBUG), pytest.raises(expected, match=words) as caught:
            await dictate(provider(upstream))
        assert not caught.value.fatal
        assert KEY not in caught.value.message + caplog.text
        assert len(upstream.requests) == len(replies)


async def test_the_next_utterance_goes_well_after_a_failed_one() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.extend([error_reply(400, "no"), json_reply({"text": "Hello"})])
        engine = provider(upstream)
        session = await engine.open_session(SttConfig())
        failing, good = await session.open_stream(), await session.open_stream()
        await failing.accept(AUDIO)
        with pytest.raises(UpstreamError):
            await failing.finish(len(AUDIO))
        await good.accept(AUDIO)
        assert (await good.finish(len(AUDIO))).text == "Hello"
        await engine.aclose()


async def test_silence_times_out() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(silent_reply())
        started = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await dictate(provider(upstream, timeout_s=0.3))
        assert time.monotonic() - started < 2


async def test_without_a_key_none_is_sent() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(json_reply({"text": "Hello"}))
        await dictate(provider(upstream, api_key=""))
        assert "authorization" not in upstream.requests[0].headers


async def test_what_the_engine_was_given_may_be_changed_afterwards() -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.script.append(json_reply({"text": "Hello"}))
        engine = provider(upstream)
        stream = await (await engine.open_session(SttConfig())).open_stream()
        piece = AUDIO.copy()
        await stream.accept(piece)
        piece[:] = 0
        await stream.finish(len(AUDIO))
        await engine.aclose()
        assert AUDIO.tobytes() in fields(upstream.requests[0])["file"][0]


async def test_only_the_configured_model_may_be_asked_for() -> None:
    async with FakeUpstream().serve() as upstream:
        engine = provider(upstream)
        assert engine.models() == ["whisper-1"]
        await engine.open_session(SttConfig(model="whisper-1"))
        with pytest.raises(UnknownModel, match="expected 'whisper-1'"):
            await engine.open_session(SttConfig(model="gpt-4o-transcribe"))


@pytest.mark.parametrize("url", ["", "not an address"])
async def test_not_configured(url: str) -> None:
    engine = provider(None, base_url=url)
    status = await engine.status()
    assert status.state is ProviderState.NOT_CONFIGURED
    assert status.title == "", "the name of a model that nobody has set up names nothing"
    with pytest.raises(ProviderNotReady, match="PROMPTER_STT__OPENAI_COMPAT__BASE_URL"):
        await engine.start()


@pytest.mark.parametrize(
    ("models", "state"),
    [
        (json_reply({"data": [{"id": "whisper-1"}]}), ProviderState.READY),
        (error_reply(401, "no"), ProviderState.UNAUTHORIZED),
        (dropped_reply(), ProviderState.UNREACHABLE),
    ],
)
async def test_states(models: Reply, state: ProviderState) -> None:
    async with FakeUpstream().serve() as upstream:
        upstream.models = models
        engine = provider(upstream)
        assert (await engine.status()).state is state
        await engine.aclose()
