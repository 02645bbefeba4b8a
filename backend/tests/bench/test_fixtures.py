"""The servers to compare with: each answers as the real one would, and does nothing else."""

import base64
import json

import httpx2
from starlette.testclient import TestClient

from app.bench.fixtures import bare_endpoint, fast_upstream


async def ask(body: dict[str, object] | None) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=fast_upstream)
    async with httpx2.AsyncClient(transport=transport, base_url="http://upstream") as client:
        if body is None:
            return await client.get("/v1/models")
        return await client.post("/v1/chat/completions", json=body)


async def test_the_upstream_lists_its_models() -> None:
    answer = await ask(None)
    assert [model["id"] for model in answer.json()["data"]] == ["burst", "paced"]


async def test_the_upstream_sends_as_many_chunks_as_are_asked_for() -> None:
    answer = await ask({"model": "burst", "messages": [], "stream": True, "max_tokens": 7})
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    assert [delta.get("content") for delta in deltas] == ["", *[" submarine"] * 7, None]


def test_the_bare_endpoint_counts_the_bytes_of_audio() -> None:
    with TestClient(bare_endpoint) as client, client.websocket_connect("/ws/stt") as socket:
        assert client.get("/health/ready").json() == {"status": "ready"}
        socket.send_text(json.dumps({"type": "start"}))
        assert json.loads(socket.receive_text())["text"] == "0"
        for count in (1, 2):
            socket.send_text(json.dumps({"type": "audio", "data": base64.b64encode(b"\0" * 320).decode()}))
            assert json.loads(socket.receive_text())["text"] == str(320 * count)
