"""openai-python, blocking and async: recordings become text in every format, whole and as a stream."""

import io
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest

from tests.clients.conftest import Sdk
from tests.conftest import read_wav
from tests.support.recordings import encode

pytestmark = pytest.mark.once

SAID = "What is the weather like in Madrid today?"


async def transcribe(sdk: Sdk, file: Any, **fields: Any) -> Any:
    return await sdk("audio.transcriptions.create", **{"model": "whisper-1", "file": file, **fields})


async def test_text_in_json_is_the_default(sdk: Sdk, recording: Path) -> None:
    told = await transcribe(sdk, recording)
    assert told.text == SAID
    assert told.usage.type == "duration"
    assert told.usage.seconds > 1


@pytest.mark.parametrize("file", ["file", "bytes", "named"])
async def test_every_way_of_giving_a_file(sdk: Sdk, recording: Path, file: str) -> None:
    """A path is one more, above; the engine may have its own name in place of OpenAI's."""
    data = await anyio.Path(recording).read_bytes()
    given: Any = data if file == "bytes" else ("audio.wav", data, "audio/wav")
    if file == "file":
        given = io.BytesIO(data)
        given.name = "speech.wav"
    assert (await transcribe(sdk, given, model="whisper_local")).text == SAID


@pytest.mark.parametrize("form", ["webm", "m4a", "mp3"])
async def test_what_browsers_and_phones_record(sdk: Sdk, recording: Path, form: str) -> None:
    data = encode(*read_wav(recording), form)
    assert (await transcribe(sdk, (f"recording.{form}", data))).text == SAID


async def test_verbose_json_has_segments_and_words(sdk: Sdk, recording: Path) -> None:
    grains = ["word", "segment"]
    told = await transcribe(
        sdk,
        recording,
        response_format="verbose_json",
        timestamp_granularities=grains,
        language="en",
        prompt="Madrid",
        temperature=0.0,
    )
    assert (told.text, told.language, told.task) == (SAID, "english", "transcribe")
    assert float(told.duration) > 1
    segments = [segment.model_dump() for segment in told.segments]
    needed = {
        *("id", "seek", "start", "end", "text", "tokens"),
        *("temperature", "avg_logprob", "compression_ratio", "no_speech_prob"),
    }
    assert segments
    assert all(needed <= segment.keys() for segment in segments)
    assert "".join(segment["text"] for segment in segments).strip() == SAID
    assert [word.word.strip(" ?").lower() for word in told.words] == SAID.strip("?").lower().split()
    assert all(0 <= word.start <= word.end <= float(told.duration) for word in told.words)
    assert "words" not in (await transcribe(sdk, recording, response_format="verbose_json")).model_fields_set


@pytest.mark.parametrize(
    ("name", "begins"), [("text", SAID), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:0")]
)
async def test_text_and_subtitles_are_plain(sdk: Sdk, recording: Path, name: str, begins: str) -> None:
    told = await transcribe(sdk, recording, response_format=name)
    assert isinstance(told, str)
    assert told.startswith(begins)
    assert SAID in told
    if name != "text":
        assert " --> " in told


async def test_a_stream_of_pieces_ends_with_the_whole(sdk: Sdk, recording: Path) -> None:
    two = recording.with_name("en_two_requests_16k.wav")
    events = await sdk.all_of(await transcribe(sdk, two, stream=True))
    *deltas, done = events
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert done.text == two.with_suffix(".txt").read_text(encoding="utf-8").strip()


async def test_fields_with_brackets_are_read(sdk: Sdk, recording: Path) -> None:
    """Lists and objects, as the SDK spells them in a form."""
    extra = {"keywords": ["Madrid", "weather"], "chunking_strategy": {"type": "server_vad", "threshold": 0.5}}
    assert (await transcribe(sdk, recording, extra_body=extra)).text == SAID


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_no_recording_is_refused(sdk: Sdk, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await transcribe(sdk, ("audio.wav", b"this is no recording", "audio/wav"), stream=stream)
    assert caught.value.code == "audio_not_readable"
    assert "recording" in caught.value.message or "audio" in caught.value.message


async def test_what_is_unknown_is_refused(sdk: Sdk, recording: Path) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await transcribe(sdk, recording, model="whisper-9000")
    assert "there is no speech model of this name; known: whisper-1" in unknown.value.message
    assert "whisper-9000" not in unknown.value.message, "no error repeats what was sent"
    with pytest.raises(openai.BadRequestError) as format_:
        await transcribe(sdk, recording, response_format="pdf")
    assert "response_format" in (format_.value.param or format_.value.message)
