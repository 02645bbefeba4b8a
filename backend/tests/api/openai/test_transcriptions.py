"""Recordings to text through a real server: the SDK in every format, what other clients send, limits, who leaves."""

import asyncio
import io
import json
import os
import tempfile
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import openai
import pytest
import soxr
from numpy.typing import NDArray

from app.providers.base import WindowRequest, WindowResult
from app.services.decoding.policy import Priority
from tests.conftest import SAMPLES, SPEECH, read_wav
from tests.fakes.engine import FakeEngine, Gate, Script
from tests.fakes.window_engine import FakeWindowEngine, WindowScript
from tests.support.checkpoints import ENGLISH, SAMPLES_CHECKPOINT, SPANISH
from tests.support.recordings import FORMS, encode, make_video
from tests.support.server import RunningServer, serve_engine
from tests.support.speech_client import connect_speech_client, list_texts, make_sentence, wait_until

pytestmark = pytest.mark.once

PATH = "/v1/audio/transcriptions"
SAID, RATE_HZ = read_wav(SAMPLES / "en_reverse_list_16k.wav")
WHISPER = "whisper-samples"
needs_whisper = pytest.mark.skipif(
    not (SAMPLES_CHECKPOINT / "model.bin").is_file(), reason="no Whisper checkpoint that tests can use"
)


@pytest.fixture
def sdk(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def http(server: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server, trust_env=False, timeout=60) as client:
        yield client


def two_utterances() -> NDArray[np.int16]:
    """English, a pause, and English again."""
    again, _ = read_wav(SAMPLES / "en_translate_letter_16k.wav")
    return np.concatenate((SAID, np.zeros(32_000, np.int16), again))


def events_of(body: str) -> list[dict[str, Any]]:
    return [
        json.loads(line.removeprefix("data: ")) for line in body.splitlines() if line.startswith("data: ")
    ]


# -- the SDK


@needs_whisper
@pytest.mark.parametrize("form", FORMS)
def test_every_container_with_whisper(sdk: openai.OpenAI, form: str) -> None:
    file = (f"audio.{form}", encode(SAID, RATE_HZ, form, layout="stereo"))
    answer = sdk.audio.transcriptions.create(model=WHISPER, file=file)
    assert answer.text == ENGLISH
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(len(SAID) / RATE_HZ, abs=0.1)


@pytest.mark.parametrize("form", ["webm", "m4a", "mp3", "wav"])
def test_containers_with_the_incremental_engine(sdk: openai.OpenAI, form: str) -> None:
    answer = sdk.audio.transcriptions.create(
        model="pocketsphinx",
        file=("a", encode(SAID, RATE_HZ, form, out_hz=44_100 if form == "wav" else 48_000)),
    )
    assert {"python", "function", "list"} <= set(answer.text.split())


@needs_whisper
def test_every_format(sdk: openai.OpenAI) -> None:
    def ask(**options: Any) -> Any:
        return sdk.audio.transcriptions.create(
            model=WHISPER, file=("a.wav", encode(SAID, RATE_HZ, "wav")), temperature=0.2, **options
        )

    assert ask(response_format="json").text == ENGLISH
    assert ask(response_format="text") == f"{ENGLISH}\n"
    assert ask(response_format="srt").startswith("1\n00:00:0")
    assert ask(response_format="vtt").startswith("WEBVTT\n\n00:00:0")
    verbose = ask(response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en")
    assert (verbose.text, verbose.language) == (ENGLISH, "english")
    assert verbose.duration == pytest.approx(3.425, abs=0.01)
    assert [segment.text for segment in verbose.segments] == [ENGLISH]
    assert " ".join(word.word for word in verbose.words) == ENGLISH
    assert all(0 <= word.start < word.end <= verbose.duration for word in verbose.words)
    assert ask(response_format="verbose_json").words is None


@needs_whisper
def test_a_language_by_its_name(sdk: openai.OpenAI) -> None:
    said, rate_hz = read_wav(SAMPLES / "es_correo_jefe_16k.wav")
    answer: Any = sdk.audio.transcriptions.create(
        model=f"whisper_local/{WHISPER}",
        file=("a.ogg", encode(said, rate_hz, "ogg")),
        language="Spanish",
        response_format="verbose_json",
    )
    assert (answer.text, answer.language) == (SPANISH, "spanish")


def test_a_stream_tells_each_utterance(sdk: openai.OpenAI) -> None:
    file = ("a.flac", encode(two_utterances(), RATE_HZ, "flac"))
    events = list(sdk.audio.transcriptions.create(model="pocketsphinx", file=file, stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) == 2
    done = events[-1]
    assert done.type == "transcript.text.done"
    assert done.text == "".join(deltas)
    assert not deltas[0].startswith(" ")
    assert deltas[1].startswith(" ")
    whole = sdk.audio.transcriptions.create(model="pocketsphinx", file=file)
    assert whole.text == done.text


async def test_the_async_sdk_and_the_mock(server: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="unused", max_retries=0) as client:
        answer = await client.audio.transcriptions.create(
            model="cloud_stub", file=("a.wav", encode(SAID[:16_000], RATE_HZ, "wav"))
        )
    assert answer.text == " ".join(f"(mock) transcripción final #{n}" for n in (1, 2, 3))


def test_everything_the_sdk_can_send(sdk: openai.OpenAI) -> None:
    """Names with brackets, nested ones, and what has no effect here."""
    answer = sdk.audio.transcriptions.create(
        model="whisper-1",
        file=("a.wav", encode(SAID, RATE_HZ, "wav")),
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 500, "threshold": 0.5},
        include=["logprobs"],
        known_speaker_names=["a", "b"],
        known_speaker_references=["data:audio/wav;base64,AAAA", "data:audio/wav;base64,AAAA"],
        prompt="lists, Python",
        extra_body={"keywords": ["reverse", "list"], "languages": ["en"]},
        stream=False,
    )
    assert "python" in answer.text.lower()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"model": "nobody"}, openai.NotFoundError, "known: whisper-1, auto"),
        ({"language": "es", "model": "pocketsphinx"}, openai.BadRequestError, "prompter models pull"),
        ({"language": "not one"}, openai.BadRequestError, "names no language"),
        ({"response_format": "diarized_json"}, openai.BadRequestError, "verbose_json"),
        ({"response_format": "yaml"}, openai.BadRequestError, "response_format"),
        ({"temperature": 9}, openai.BadRequestError, "temperature"),
        ({"file": ("a.mp3", b"#EXTM3U\n")}, openai.BadRequestError, "expected wav, mp3"),
        ({"file": ("a.mp4", make_video())}, openai.BadRequestError, "no sound"),
        ({"file": ("a.wav", b"")}, openai.BadRequestError, "expected wav, mp3"),
        ({"model": "openai_compat"}, openai.InternalServerError, "PROMPTER_STT__OPENAI_COMPAT__BASE_URL"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_have_their_status(
    sdk: openai.OpenAI, options: dict[str, Any], error: type[openai.APIStatusError], says: str, stream: bool
) -> None:
    """Streamed or not: nothing is sent before the first second has been heard."""
    asked: dict[str, Any] = {"model": "whisper-1", "file": ("a.wav", encode(SAID, RATE_HZ, "wav"))} | options
    with pytest.raises(error, match=says) as caught:
        sdk.audio.transcriptions.create(**asked, stream=stream)
    assert caught.value.body is not None


# -- what other clients send


def test_without_a_model_the_default_answers(http: httpx2.Client) -> None:
    answer = http.post(PATH, files={"file": ("a.wav", encode(SAID, RATE_HZ, "wav"))})
    assert "python" in answer.json()["text"].lower()


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("json", "application/json"),
        ("verbose_json", "application/json"),
        ("text", "text/plain; charset=utf-8"),
        ("srt", "text/plain; charset=utf-8"),
        ("vtt", "text/plain; charset=utf-8"),
    ],
)
def test_content_types(http: httpx2.Client, form: str, kind: str) -> None:
    answer = http.post(
        PATH,
        data={"model": "cloud_stub", "response_format": form},
        files={"file": ("a.wav", encode(SAID, RATE_HZ, "wav"))},
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


def test_progress_stands_in_comments(http: httpx2.Client) -> None:
    answer = http.post(
        PATH,
        data={"model": "cloud_stub", "stream": "true"},
        files={"file": ("a.wav", encode(SAID, RATE_HZ, "wav"))},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith(': progress {"done_s":0.0,"duration_s":3.4')
    events = events_of(answer.text)
    assert all(event["start"] < event["end"] for event in events[:-1])
    assert events[-1]["usage"] == {"type": "duration", "seconds": 3.425}


# -- limits


# -- a fake engine: what runs, what is closed, who waits


def wav(samples: NDArray[np.int16]) -> bytes:
    into = io.BytesIO()
    with wave.open(into, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    return into.getvalue()


def speech(sentences: int) -> bytes:
    return wav(np.frombuffer(make_sentence(2.0) * sentences, np.int16))


@pytest.fixture
def leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads go while they are there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


async def transcribe(
    client: httpx2.AsyncClient, served: RunningServer, recording: bytes, **fields: str | list[str]
) -> httpx2.Response:
    return await client.post(
        served.url + PATH, data={"model": "fake", **fields}, files={"file": ("a.wav", recording)}
    )


async def test_nothing_is_lost_at_the_edges(client: httpx2.AsyncClient) -> None:
    """The engine hears what a dictation of the same audio gives it, to the sample."""
    engine = FakeEngine()
    recording = speech(2)
    with serve_engine(engine) as served:
        answer = await transcribe(client, served, recording)
        async with connect_speech_client(served.url) as socket:
            await socket.start(endpointing="dictation")
            await socket.connection.send(recording[44:])
            finals = list_texts(await socket.stop())
    assert answer.json()["text"] == " ".join(finals)
    assert len(finals) == 2
    assert engine.all_closed


async def test_a_client_that_leaves_ends_the_work(client: httpx2.AsyncClient, leftovers: Path) -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"finish": gate}))
    with serve_engine(engine) as served:
        asking = asyncio.create_task(transcribe(client, served, speech(30)))
        await wait_until(gate.reached.is_set)
        asking.cancel()
        await asyncio.wait([asking])
        gate.open()
        await wait_until(lambda: served.resources.transcriptions.open_jobs == 0)
        assert engine.all_closed
        assert len(engine.streams) <= 2, "the running call, and nothing after it"
        assert all(line.startswith("INFO ") for line in served.troubles)
    assert os.listdir(leftovers) == []  # noqa: PTH208  # no I/O to speak of


async def test_a_client_of_a_stream_that_leaves_ends_the_work(client: httpx2.AsyncClient) -> None:
    engine = FakeEngine(Script(delays_s={"finish": 0.2}))
    with serve_engine(engine) as served:
        async with client.stream(
            "POST",
            served.url + PATH,
            data={"model": "fake", "stream": "true"},
            files={"file": ("a.wav", speech(30))},
        ) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    break
        await wait_until(lambda: served.resources.transcriptions.open_jobs == 0)
        assert engine.all_closed
        assert len(engine.streams) < 25


async def test_an_engine_that_fails_tells_its_stream(client: httpx2.AsyncClient) -> None:
    engine = FakeEngine(Script(failures={"finish": RuntimeError("secret words")}))
    with serve_engine(engine) as served:
        answer = await transcribe(client, served, speech(1), stream="true")
        whole = await transcribe(client, served, speech(1))
        assert "secret" not in "\n".join(served.log)
    (event,) = events_of(answer.text)
    assert event["error"]["code"] == "engine_failed"
    assert (whole.status_code, whole.json()["error"]["code"]) == (500, "engine_failed")
    assert engine.all_closed


async def test_one_too_many_is_told_when_to_come_again(client: httpx2.AsyncClient) -> None:
    gate = Gate()
    engine = FakeEngine(Script(gates={"finish": gate}))
    with serve_engine(engine, limits={"uploads": 1}) as served:
        async with anyio.create_task_group() as group:
            group.start_soon(transcribe, client, served, speech(1))
            await wait_until(gate.reached.is_set)
            refused = await transcribe(client, served, speech(1))
            gate.open()
        # The place is given back behind the answer's last byte.
        await wait_until(lambda: served.resources.transcriptions.open_jobs == 0)
        again = await transcribe(client, served, speech(1))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "limits.uploads" in refused.json()["error"]["message"]
    assert again.status_code == 200


async def test_vocabulary_words_and_language_reach_the_engine(client: httpx2.AsyncClient) -> None:
    engine = FakeEngine()
    with serve_engine(engine) as served:
        answer = await transcribe(
            client,
            served,
            speech(1),
            model="fake/large",
            language="english",
            prompt="Ada, Grace",
            response_format="verbose_json",
            **{"timestamp_granularities[]": ["word", "segment"]},
        )
    config = engine.sessions[0].config
    assert (config.lang, config.model, config.words, config.vocabulary) == (
        "en",
        "large",
        True,
        ("Ada", "Grace"),
    )
    assert config.partials is False
    assert len(answer.json()["words"]) == 3


async def test_a_speaker_waits_for_one_running_decode_of_recordings(client: httpx2.AsyncClient) -> None:
    """On a single core, with more recordings than that: the final comes as soon as the call that runs has ended."""
    gate = Gate()
    engine = FakeEngine(Script(gates={"finish": gate}, delays_s={"accept": 0.02}))
    with serve_engine(engine, scheduler={"cores": 1}) as served:
        async with connect_speech_client(served.url) as socket, anyio.create_task_group() as group:
            await socket.start()
            for _ in range(3):
                group.start_soon(transcribe, client, served, speech(8))
            await wait_until(gate.reached.is_set, 10)
            await socket.connection.send(make_sentence(0.0))
            await socket.send("stop")
            policy = served.resources.scheduler._policy
            await wait_until(lambda: any(ticket.priority is Priority.FEED for ticket in policy.waiting()))
            assert [ticket.priority for ticket in policy._running] == [Priority.FILE]
            assert all(ticket.priority in (Priority.FEED, Priority.FILE) for ticket in policy.waiting())
            gate.open()
            finals = list_texts(await socket.until("stopped"))
            before = sum(stream.finished for session in engine.sessions[1:] for stream in session.streams)
            assert len(finals) == 1
            assert before <= 2, "of 24"
    assert sum(stream.finished for session in engine.sessions for stream in session.streams) == 25
    assert engine.all_closed


async def test_recordings_of_a_window_engine_take_turns(client: httpx2.AsyncClient) -> None:
    priorities: list[Priority] = []

    def note(_: WindowRequest) -> bool:
        priorities.extend(ticket.priority for ticket in served.resources.scheduler._policy._running)
        return False

    engine = FakeWindowEngine(WindowScript(hold=note, answer=lambda _: WindowResult("text", "en")))
    with serve_engine(engine, scheduler={"cores": 2}) as served:  # type: ignore[arg-type]
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(transcribe, client, served, speech(2))
        assert priorities == [Priority.FILE] * 3, "one at a time: a core is left for those who speak"
        assert served.resources.scheduler.running == served.resources.scheduler.waiting == 0
    assert [len(session.finals) for session in engine.sessions] == [1, 1, 1], "the sentences share a window"
    assert not any(session.partials for session in engine.sessions)
    assert all(session.closed for session in engine.sessions)


def test_a_recording_without_words_says_what_came_to_nothing(http: httpx2.Client) -> None:
    noise = np.random.default_rng(5).normal(0, 20, 3 * RATE_HZ).astype(np.int16)
    file = {"file": ("a.wav", encode(noise, RATE_HZ, "wav", out_hz=RATE_HZ))}

    def ask(**fields: str) -> httpx2.Response:
        answer = http.post(PATH, data={"model": "whisper-1", **fields}, files=file)
        assert answer.status_code == 200
        return answer

    for body in (
        ask().json(),
        ask(response_format="verbose_json").json(),
        events_of(ask(stream="true").text)[-1],
    ):
        assert body["text"] == ""
        [lost] = body["discarded"]
        assert (lost["reason"], lost["start_ms"], lost["end_ms"]) == ("too_quiet", 0, 3000)
        assert lost["dbfs"] == pytest.approx(-64.3, abs=0.5)
    assert ask(response_format="text").text.strip() == ""
    assert ask(response_format="srt").text == ""
    assert ask(response_format="vtt").text == "WEBVTT\n"


# -- real recordings


def test_a_long_recording_says_what_the_live_path_says(server: str, sdk: openai.OpenAI) -> None:
    """The same cuts and the same engine: the same text, whatever way the audio took."""
    clip = SPEECH / "clips" / "en_jfk.wav"
    if not clip.is_file():
        pytest.skip("the recordings are not beside this checkout")
    # Resampled once, so that both ways hear the same samples.
    said = soxr.resample(*read_wav(clip), 16_000)
    long = np.concatenate([said, np.zeros(24_000, np.int16)] * 2)

    async def live() -> list[str]:
        async with connect_speech_client(server) as socket:
            await socket.start(provider="pocketsphinx", endpointing="dictation")
            for at in range(0, len(long), 16_000):
                await socket.connection.send(long[at : at + 16_000].astype("<i2").tobytes())
            return list_texts(await socket.stop())

    flac = encode(long, 16_000, "flac", out_hz=16_000)
    answer = sdk.audio.transcriptions.create(model="pocketsphinx", file=("a.flac", flac))
    assert answer.text == " ".join(anyio.run(live))
    assert len(answer.text.split()) > 30
