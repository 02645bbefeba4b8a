"""Open WebUI 0.12 as a client: its requests as they were recorded, its way of reading the answers."""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.fakes.chat_upstream import BEHAVIORS, USAGE, BackgroundUpstream
from tests.support.recordings import decode_recording

SAID = "What is the weather like in Madrid today?"
USER = {
    "X-OpenWebUI-User-Name": "Ana",
    "X-OpenWebUI-User-Id": "7f3a",
    "X-OpenWebUI-User-Email": "ana@example.org",
    "X-OpenWebUI-User-Role": "admin",
    "X-OpenWebUI-Chat-Id": "c1",
}


@pytest.fixture
async def webui(prompter: str) -> AsyncIterator[httpx2.AsyncClient]:
    """What it sends with every request; the paths of the tests are appended as it appends them."""
    headers = {"Authorization": "Bearer sk-any", **USER}
    async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
        yield client


def body(model: str, say: str = "Hi", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": say}]
    return {"stream": True, "model": f"fake/{model}", "messages": messages, **fields}


def told(text: str) -> list[Any]:
    """The objects of a stream, read line by line as Open WebUI does."""
    lines = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def text_of(events: list[Any]) -> str:
    return "".join(event["choices"][0]["delta"]["content"] or "" for event in events if event["choices"])


@pytest.mark.parametrize("path", ["/models", "//models"])
async def test_it_lists_the_models(webui: httpx2.AsyncClient, prompter: str, path: str) -> None:
    """It keeps a slash at the end of the URL that its user typed."""
    response = await webui.get(f"{prompter}{path}", follow_redirects=False)
    assert response.status_code == 200
    listed = response.json()["data"]
    assert {f"fake/{name}" for name in BEHAVIORS} <= {
        model.get("id") or model.get("name") for model in listed
    }


@pytest.mark.parametrize("path", ["/chat/completions", "//chat/completions"])
async def test_it_chats(webui: httpx2.AsyncClient, prompter: str, path: str) -> None:
    response = await webui.post(f"{prompter}{path}", json=body("tiny"))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert text_of(told(response.text)) == "Hello world"
    assert "usage" not in told(response.text)[-1] or not told(response.text)[-1]["usage"]


async def test_it_counts_where_the_model_can(webui: httpx2.AsyncClient, prompter: str) -> None:
    asked = body("tiny", stream_options={"include_usage": True})
    *_, counted = told((await webui.post(f"{prompter}/chat/completions", json=asked)).text)
    assert counted["choices"] == []
    assert counted["usage"] == counted["usage"] | USAGE


async def test_it_asks_for_titles_without_a_stream(webui: httpx2.AsyncClient, prompter: str) -> None:
    response = await webui.post(f"{prompter}/chat/completions", json=body("tiny", stream=False, max_tokens=9))
    assert response.json()["choices"][0]["message"]["content"] == "Hello world"


async def test_its_own_headers_and_fields(
    webui: httpx2.AsyncClient, prompter: str, upstream: BackgroundUpstream, words: str
) -> None:
    """`continue_final_message` reaches llama.cpp; who its user is does not leave this machine."""
    asked = body("tiny", words, continue_final_message=True, add_generation_prompt=False)
    assert (await webui.post(f"{prompter}/chat/completions", json=asked)).status_code == 200
    [request] = [request for request in upstream.fake.requests if words.encode() in request.body]
    assert request.json["continue_final_message"] is True
    assert not [name for name in request.headers if name.startswith("x-openwebui")]


async def test_every_piece_of_a_call_has_its_index(webui: httpx2.AsyncClient, prompter: str) -> None:
    """It drops calls without one in silence."""
    tool = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
    events = told((await webui.post(f"{prompter}/chat/completions", json=body("clock", tools=[tool]))).text)
    deltas = [event["choices"][0]["delta"] for event in events]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or []]
    assert [call["index"] for call in calls] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(("model", "status"), [("busy", 429), ("bad", 400), ("locked", 401)])
async def test_it_shows_the_reason(webui: httpx2.AsyncClient, prompter: str, model: str, status: int) -> None:
    response = await webui.post(f"{prompter}/chat/completions", json=body(model))
    assert response.status_code == status
    assert isinstance(response.json()["error"]["message"], str)
    assert response.headers.get("retry-after") == ("1" if model == "busy" else None)


async def test_it_shows_the_reason_of_a_stream_that_fails(webui: httpx2.AsyncClient, prompter: str) -> None:
    *_, last = told((await webui.post(f"{prompter}/chat/completions", json=body("late"))).text)
    assert "the model fell over" in last["error"]["message"]


# -- speech


async def form(file: Path, **fields: str) -> AsyncIterator[bytes]:
    """A form as it streams it: no length, and no content type for any part."""
    for name, value in fields.items():
        yield f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'.encode()
    data = await anyio.Path(file).read_bytes()
    for at in range(0, len(data), 4096):
        yield data[at : at + 4096]
    yield b"\r\n--edge--\r\n"


async def speak(webui: httpx2.AsyncClient, prompter: str, file: Path, **fields: str) -> httpx2.Response:
    return await webui.post(
        f"{prompter}/audio/transcriptions",
        content=form(file, **fields),
        headers={"Content-Type": "multipart/form-data; boundary=edge"},
    )


async def test_it_sends_speech_in_chunks(webui: httpx2.AsyncClient, prompter: str, recording: Path) -> None:
    response = await speak(webui, prompter, recording, model="whisper-1", language="en")
    assert "content-length" not in response.request.headers
    assert response.request.headers["transfer-encoding"] == "chunked"
    assert (response.status_code, response.json()["text"]) == (200, SAID)


async def test_it_tries_again_without_the_language(
    webui: httpx2.AsyncClient, prompter: str, recording: Path
) -> None:
    """An engine that lacks the language says so, in the words that its user sees; without it, it answers."""
    refused = await speak(webui, prompter, recording, model="pocketsphinx", language="es")
    assert refused.status_code == 400
    assert "'es'" in refused.json()["error"]["message"]
    again = await speak(webui, prompter, recording, model="pocketsphinx")
    assert again.status_code == 200
    assert "weather" in again.json()["text"]


async def test_it_can_send_speech_as_json(webui: httpx2.AsyncClient, prompter: str, recording: Path) -> None:
    data = base64.b64encode(await anyio.Path(recording).read_bytes()).decode()
    asked = {"model": "whisper-1", "language": "en", "input_audio": {"data": data, "format": "wav"}}
    response = await webui.post(f"{prompter}/audio/transcriptions", json=asked)
    assert (response.status_code, response.json()["text"]) == (200, SAID)


async def test_it_lists_what_can_transcribe(webui: httpx2.AsyncClient, prompter: str) -> None:
    response = await webui.get(f"{prompter}/audio/models")
    assert "whisper-1" in {model["id"] for model in response.json()["data"]}


async def test_it_reads_aloud(webui: httpx2.AsyncClient, prompter: str) -> None:
    """It takes the list of voices, sends a text, and keeps the body as an MP3 file."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    voices = (await webui.get(f"{prompter}/audio/voices")).json()["voices"]
    assert "es" in {voice["id"]: voice["name"] for voice in voices}
    asked = {"model": "tts-1", "input": "Good morning.", "voice": "alloy"}
    response = await webui.post(f"{prompter}/audio/speech", json=asked)
    assert (response.status_code, response.headers["content-type"]) == (200, "audio/mpeg")
    assert 0.5 < len(await decode_recording(response.content)) / 16_000 < 3


async def test_it_asks_for_embeddings(webui: httpx2.AsyncClient, prompter: str) -> None:
    asked = {"input": ["one", "two"], "model": "fake/tiny"}
    response = await webui.post(f"{prompter}/embeddings", json=asked)
    assert [each["embedding"] for each in response.json()["data"]] == [[0, 0.5], [1, 0.5]]


async def test_what_it_offers_and_is_not_served_says_so(webui: httpx2.AsyncClient, prompter: str) -> None:
    response = await webui.post(f"{prompter}/images/generations", json={})
    assert response.status_code == 404
    assert response.json()["error"]["message"]
