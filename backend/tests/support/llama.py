"""Requests to llama.cpp with the tiny model, their answers, and servers that run it."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import openai
import uvicorn

from app.core.config import LlamaSettings, LlmSettings, Settings
from app.main import create_app
from app.providers.base import ChatProvider, ChatRequest
from app.providers.llm.llama.provider import LlamaLocalProvider
from app.providers.registry import Registration, Registrations, list_llm_registrations
from tests.support.server import own_data_folder, run_app

MESSAGES = [{"role": "user", "content": "Say héllo"}]
ENDLESS: dict[str, Any] = {"temperature": 0, "ignore_eos": True}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

FOR_TESTS: dict[str, Any] = {"threads": 1, "answer_tokens": 1 << 20}
"""One thread: more than cores that are free wait for each other longer than they work. And no end of `ENDLESS`."""

IDLE_CPU_S = 0.02
"""CPU time in a second that counts as none: the system counts in hundredths."""

Make = Callable[..., LlamaLocalProvider]


def make_request(model: str = "", **fields: Any) -> ChatRequest:
    return ChatRequest(model, {"messages": MESSAGES, "temperature": 0} | fields)


async def read_answer(provider: ChatProvider, asked: ChatRequest) -> tuple[str, dict[str, Any]]:
    """The text of a streamed answer, and its last choice with the usage added."""
    text, last = "", {}
    async with aclosing(provider.stream(asked)) as chunks:
        async for chunk in chunks:
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                last = choice
            last = last | {"usage": chunk.get("usage")}
    return text, last


async def start_answer(provider: ChatProvider, asked: ChatRequest) -> Any:
    """A stream whose first text has arrived."""
    chunks = provider.stream(asked)
    async for chunk in chunks:
        if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
            return chunks
    raise AssertionError("the answer has no text")


def get_pid(provider: LlamaLocalProvider) -> int:
    process = provider.server.process
    assert process is not None
    assert process.pid is not None
    return process.pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def read_cpu_s(pid: int) -> float:
    """The CPU time that a process has used, all its threads together (s)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def wait_until_idle(pid: int, within_s: float) -> None:
    """Wait until the process uses no CPU time for a second.

    Raises:
        AssertionError: it still does after `within_s`.
    """
    until_s = time.monotonic() + within_s
    while True:
        before_s = read_cpu_s(pid)
        await asyncio.sleep(1.0)  # CPU time has no event
        used_s = read_cpu_s(pid) - before_s
        if used_s <= IDLE_CPU_S:
            return
        assert time.monotonic() < until_s, f"llama.cpp still uses {used_s:.2f} cores after {within_s:g} s"


class Running:
    """A server and what its tests look into."""

    def __init__(self, url: str, server: uvicorn.Server, provider: LlamaLocalProvider) -> None:
        self.url = url
        self.server = server
        self.provider = provider

    @property
    def pid(self) -> int:
        process = self.provider.server.process
        assert process is not None
        assert process.pid is not None
        return process.pid

    def sdk(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0)


@contextmanager
def serving(models: Path, fields: dict[str, Any] | None = None, **llama: Any) -> Iterator[Running]:
    """A server with a models folder, in a thread; `fields` are other settings."""
    given = Settings(
        _env_file=None,
        models_dir=models,
        **(fields or {}),
        llm=LlmSettings(llama_local=LlamaSettings(**FOR_TESTS | llama), discover=False),
    )
    with own_data_folder(given) as settings:
        provider = LlamaLocalProvider(settings)
        own = Registration("llama_local", lambda: lambda _: provider, "tests")
        llm = {**list_llm_registrations(settings), "llama_local": own}
        app = create_app(settings, registrations=Registrations(llm=llm))
        with run_app(app, log_level="error", timeout_graceful_shutdown=1) as (url, server):
            yield Running(url, server, provider)
