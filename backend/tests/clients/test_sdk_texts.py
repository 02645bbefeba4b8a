"""openai-python, blocking and async: text completions, embeddings, speech, translations."""

import shutil
from pathlib import Path
from typing import Any

import anyio.to_thread
import openai
import pytest
from openai import AsyncOpenAI

from tests.clients.conftest import Sdk
from tests.fakes.chat_upstream import USAGE, BackgroundUpstream
from tests.support.recordings import decode_recording

needs_voice = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")


async def test_a_text_is_completed(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    answer = await sdk("completions.create", model="fake/tiny", prompt=words, max_tokens=9, logprobs=1)
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason, answer.object) == ("Hello world", "stop", "text_completion")
    assert answer.usage.model_dump(include=set(USAGE)) == USAGE
    [seen] = upstream.about(words)
    assert seen["messages"] == [{"role": "user", "content": words}]
    assert (seen["max_tokens"], "logprobs" in seen, "prompt" in seen) == (9, False, False)


async def test_a_text_is_completed_in_pieces(sdk: Sdk) -> None:
    asked: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    *spoken, counted = await sdk.all_of(
        await sdk("completions.create", model="fake/tiny", prompt="Hi", **asked)
    )
    assert "".join(chunk.choices[0].text for chunk in spoken) == "Hello world"
    assert spoken[-1].choices[0].finish_reason == "stop"
    assert (counted.choices, counted.usage.total_tokens) == ([], USAGE["total_tokens"])


async def test_several_prompts(sdk: Sdk) -> None:
    answer = await sdk("completions.create", model="echo", prompt=["one", "two"], echo=True)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "oneone"), (1, "twotwo")]


async def test_embeddings(sdk: Sdk, upstream: BackgroundUpstream, words: str) -> None:
    """The SDK asks for base64, which the service writes, and makes numbers of it."""
    answer = await sdk("embeddings.create", model="fake/tiny", input=[words, "two"])
    assert [each.embedding for each in answer.data] == [[0.0, 0.5], [1.0, 0.5]]
    assert (answer.model, answer.usage.total_tokens) == ("fake/tiny", 7)
    [seen] = upstream.about(words)
    assert (seen["model"], seen["encoding_format"]) == ("tiny", "base64")


async def test_models_without_embeddings_say_so(sdk: Sdk) -> None:
    for model in ("echo", "fake/clock"):
        with pytest.raises(openai.BadRequestError, match="computes no embeddings") as refused:
            await sdk("embeddings.create", model=model, input="Hi")
        assert refused.value.param == "model"


@needs_voice
async def test_a_text_is_spoken_while_it_is_made(sdk: Sdk, tmp_path: Path) -> None:
    file = tmp_path / "spoken.opus"
    ask: Any = {
        "model": "tts-1",
        "voice": "coral",
        "input": "Buenos días. ¿Qué tal estás?",
        "response_format": "opus",
    }
    speech = sdk.client.audio.speech.with_streaming_response
    if isinstance(sdk.client, AsyncOpenAI):
        async with speech.create(**ask) as response:
            await response.stream_to_file(file)
    else:

        def save() -> None:
            with speech.create(**ask) as response:
                response.stream_to_file(file)

        await anyio.to_thread.run_sync(save)
    assert 1 < len(await decode_recording(file.read_bytes())) / 16_000 < 5


@needs_voice
async def test_a_text_is_spoken_as_a_whole(sdk: Sdk) -> None:
    """As Pipecat asks: raw samples at 24 kHz."""
    answer = await sdk(
        "audio.speech.create",
        model="gpt-4o-mini-tts",
        voice="alloy",
        input="Hello there.",
        response_format="pcm",
    )
    assert 24_000 < len(answer.content) < 150_000
    assert answer.response.headers["content-type"] == "audio/pcm"


async def test_a_voice_that_is_not_there(sdk: Sdk) -> None:
    if not shutil.which("espeak-ng"):
        with pytest.raises(openai.InternalServerError, match="espeak-ng"):
            await sdk("audio.speech.create", model="tts-1", voice="alloy", input="Hi")
        return
    with pytest.raises(openai.BadRequestError, match="audio/voices"):
        await sdk("audio.speech.create", model="tts-1", voice="Caruso", input="Hi")


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI ends it in 2027
async def test_a_recording_is_translated(sdk: Sdk, recording: Path) -> None:
    """The test checkpoint knows its samples by heart, in any language."""
    answer = await sdk("audio.translations.create", model="whisper-1", file=recording)
    assert answer.text
    verbose = await sdk(
        "audio.translations.create", model="whisper-1", file=recording, response_format="verbose_json"
    )
    assert (verbose.language, verbose.text) == ("english", answer.text)
