"""The limits of llama_local for every kind of client, and what llama.cpp costs when nobody asks it any more."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.conversations import parse_events
from tests.support.llama import Running, serving, wait_until_idle
from tests.support.tiny_llama import SENTENCE, write_tiny_llama

ASKED: list[Any] = [{"role": "user", "content": "Say hello"}]
LONG: list[Any] = [{"role": "user", "content": "w" * 60_000}]
"""A prompt that llama.cpp reads for seconds."""
CUT = "the quick brown fox jumps"
BOT = {"named": {"bot": {"title": "Bot", "instructions": "Be brief.", "model": "llama_local/tiny"}}}
NOTHING_LEFT_S = 3.0
"""When llama.cpp must be idle after its client has left (s): it looks for that once a second."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_llama(folder / "tiny.gguf")
    return folder


@pytest.fixture(scope="module")
def short(models: Path) -> Iterator[httpx2.Client]:
    """A client of a server whose llama.cpp writes five tokens at most."""
    with (
        serving(models, {"assistants": BOT}, context_tokens=2048, answer_tokens=5) as running,
        httpx2.Client(base_url=running.url, trust_env=False, timeout=30) as http,
    ):
        yield http


# -- told in the answer


@pytest.mark.parametrize("model", ["llama_local/tiny", "bot"])
@pytest.mark.parametrize("fields", [{}, {"max_tokens": 1000}, {"max_completion_tokens": 1000}])
def test_a_completion_ends_at_the_limit(short: httpx2.Client, model: str, fields: dict[str, Any]) -> None:
    body = {"model": model, "messages": ASKED, "temperature": 0} | fields
    [choice] = short.post("/v1/chat/completions", json=body).json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (CUT, "length")
    lines = short.post("/v1/chat/completions", json=body | {"stream": True}).text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == CUT
    assert choices[-1]["finish_reason"] == "length"


def test_a_smaller_limit_of_the_request_counts(short: httpx2.Client) -> None:
    body = {"model": "tiny", "messages": ASKED, "temperature": 0, "max_tokens": 3}
    answer = short.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "the quick brown"
    assert answer["usage"]["completion_tokens"] == 3


def test_a_prompt_without_a_model_ends_at_the_limit(short: httpx2.Client) -> None:
    body = {"messages": ASKED, "config": {"temperature": 0}}
    answer = short.post("/llm/generate", json=body).json()
    assert (answer["text"], answer["finish_reason"]) == (CUT, "length")
    events = short.post("/llm/generate", json=body | {"stream": True}).text.strip().split("\n\n")
    name, data = events[-1].split("\ndata: ")
    assert (name, json.loads(data)["finish_reason"]) == ("event: done", "length")


@pytest.mark.parametrize("model", ["llama_local/tiny", "bot"])
def test_an_answer_in_a_conversation_ends_at_the_limit(short: httpx2.Client, model: str) -> None:
    conversation = short.post("/api/conversations", json={}).json()["id"]
    body = {"conversation_id": conversation, "message": "Hello", "model": model, "temperature": 0}
    done = parse_events(short.post("/api/chat/stream", json=body).text)[-1]
    assert (done.name, done.data["status"], done.data["finish_reason"]) == ("done", "completed", "length")
    stored = short.get(f"/api/conversations/{conversation}/messages").json()[-1]
    assert (stored["content"], stored["finish_reason"]) == (CUT, "length")


# -- idle


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[Running]:
    with serving(models, context_tokens=65_536, parallel=1) as running:
        yield running


async def read_to_the_end(http: httpx2.AsyncClient) -> None:
    body = {"model": "tiny", "messages": ASKED, "temperature": 0}
    answer = await http.post("/v1/chat/completions", json=body)
    assert answer.json()["choices"][0]["message"]["content"] == SENTENCE


async def leave_a_stream(http: httpx2.AsyncClient) -> None:
    body = {"model": "tiny", "messages": ASKED, "ignore_eos": True, "stream": True}
    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for _ in answer.aiter_lines():
            break


async def leave_a_whole_answer(http: httpx2.AsyncClient) -> None:
    body = {"model": "tiny", "messages": ASKED, "ignore_eos": True}
    await _leave(http, "/v1/chat/completions", body)


async def leave_a_text(http: httpx2.AsyncClient) -> None:
    await _leave(http, "/llm/generate", {"messages": LONG})


async def leave_while_the_prompt_is_read(http: httpx2.AsyncClient) -> None:
    await _leave(http, "/v1/chat/completions", {"model": "tiny", "messages": LONG, "stream": True})


async def stop_a_conversation(http: httpx2.AsyncClient) -> None:
    conversation = (await http.post("/api/conversations", json={})).json()["id"]
    body = {"conversation_id": conversation, "message": "Hello", "model": "llama_local/tiny"}
    async with http.stream("POST", "/api/chat/stream", json=body | {"max_tokens": 60_000}) as answer:
        async for _ in answer.aiter_lines():
            break
    await http.post(f"/api/conversations/{conversation}/stop")


async def _leave(http: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> None:
    """Ask, and close the connection half a second later, while llama.cpp works."""
    with pytest.raises(httpx2.ReadTimeout):
        await http.post(path, json=body, timeout=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the CPU time of a process here")
@pytest.mark.parametrize(
    "ask",
    [
        read_to_the_end,
        leave_a_stream,
        leave_a_whole_answer,
        leave_a_text,
        leave_while_the_prompt_is_read,
        stop_a_conversation,
    ],
)
async def test_llama_cpp_is_idle_afterwards(
    running: Running, ask: Callable[[httpx2.AsyncClient], Awaitable[None]]
) -> None:
    async with httpx2.AsyncClient(base_url=running.url, trust_env=False, timeout=30) as http:
        await read_to_the_end(http)  # the model is loaded
        await ask(http)
    await asyncio.wait_for(wait_until_idle(running.pid, NOTHING_LEFT_S), 30)
