"""Frameworks that are too large for CI: their recorded requests and Realtime sessions are answered as they expect.

litellm, LlamaIndex, LangChain, Pipecat and LiveKit take half a gigabyte each: `scripts/measure/frameworks.py` runs
them.
"""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients.conftest import CLIENT_KEY
from tests.support.realtime_client import TRANSCRIPTION, connect_realtime_client
from tests.support.speech_client import load_speech, make_silence

pytestmark = pytest.mark.once

RECORDED = Path(__file__).with_name("recorded")
REQUESTS = json.loads((RECORDED / "frameworks-2026-11.json").read_text())
SESSIONS = json.loads((RECORDED / "voice-frameworks-2026-11.json").read_text())
CALLED = ["UTC", "Europe/Madrid"]
RESULTS = "noon in UTC. noon in Europe/Madrid. "


def read(path: str, data: Any) -> Any:
    """What a client reads of an answer: its text, the time zones of its calls, or its embedding."""
    match path:
        case "/v1/chat/completions":
            return data["choices"][0]["message"]["content"]
        case "/v1/completions":
            return data["choices"][0]["text"]
        case "/v1/embeddings":
            return data["data"][0]["embedding"]
        case "/v1/messages":
            return "".join(block["text"] for block in data["content"])
    calls = [
        json.loads(item["arguments"])["tz"] for item in data["output"] if item["type"] == "function_call"
    ]
    return calls or data["output"][-1]["content"][0]["text"]


def read_stream(path: str, events: list[Any]) -> Any:
    match path:
        case "/v1/chat/completions":
            return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
        case "/v1/completions":
            return "".join(event["choices"][0]["text"] for event in events)
        case "/v1/messages":
            pieces = "".join(event.get("delta", {}).get("partial_json", "") for event in events)
            return [json.loads(f"{{{piece}")["tz"] for piece in pieces.split("{")[1:]]
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def expect(body: dict[str, Any]) -> Any:
    if body["model"] == "fake/clock":
        return RESULTS if len(body.get("input", ())) > 1 else CALLED
    return "Hello world"


@pytest.mark.parametrize(
    "recorded",
    REQUESTS,
    ids=lambda each: f"{each['client']} {each['path']} {each['body'].get('stream', False)}",
)
def test_a_recorded_request(prompter: str, recorded: dict[str, Any]) -> None:
    path, body = recorded["path"], recorded["body"]
    headers = {"Authorization": f"Bearer {CLIENT_KEY}"}
    with httpx2.Client(headers=headers, trust_env=False, timeout=20) as client:
        response = client.post(prompter.removesuffix("/v1") + path, json=body)
    assert response.status_code == 200, response.text
    if path == "/v1/embeddings":
        assert read(path, response.json()) == ("AAAAAAAAAD8=" if "encoding_format" in body else [0, 0.5])
    elif body.get("stream"):
        lines = [
            line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")
        ]
        assert read_stream(path, [json.loads(line) for line in lines if line != "[DONE]"]) == expect(body)
    else:
        assert read(path, response.json()) == expect(body)


@pytest.mark.parametrize("recorded", SESSIONS, ids=lambda each: str(each["client"]))
async def test_a_recorded_session(prompter: str, recording: Path, recorded: dict[str, Any]) -> None:
    """Each of them ends its session at any `error`, which the client below takes for a failure."""
    commits = recorded["commits"]
    speech = load_speech(24_000, "es_correo_jefe_16k").tobytes()
    path = f"/v1/realtime?{recorded['query']}"
    async with connect_realtime_client(prompter.removesuffix("/v1"), path) as client:
        await client.send("session.update", session=recorded["session"])
        await client.append(speech + (b"" if commits else make_silence(1.0, 24_000).tobytes()))
        completed = await (client.commit() if commits else client.transcribed())
    assert completed["type"] == f"{TRANSCRIPTION}.completed"
    assert completed["transcript"] == client.told(completed["item_id"]) == "Escribe un correo para mi jefe."
    kinds = client.kinds
    assert "error" not in kinds
    assert ("input_audio_buffer.speech_started" in kinds) is not commits


def test_the_request_of_a_phone_s_keyboard(prompter: str, recording: Path) -> None:
    """Whisper To Input, by its source: the recording twice, options of another service in the address, text back."""
    options = {
        "encode": "true",
        "task": "transcribe",
        "language": "",
        "word_timestamps": "false",
        "output": "txt",
    }
    data = recording.read_bytes()
    parts = [(name, ("@audio.m4a", data, "audio/mp4")) for name in ("audio_file", "file")]
    with httpx2.Client(
        headers={"Authorization": f"Bearer {CLIENT_KEY}"}, trust_env=False, timeout=20
    ) as client:
        response = client.post(
            f"{prompter}/audio/transcriptions",
            params=options,
            data={"model": "whisper-1", "response_format": "text"},
            files=parts,
        )
    assert (response.status_code, response.text.strip()) == (200, "What is the weather like in Madrid today?")
