"""Requests to llama.cpp with the tiny model, and their answers."""

import os
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from app.providers.base import ChatProvider, ChatRequest
from app.providers.llm.llama.provider import LlamaLocalProvider

MESSAGES = [{"role": "user", "content": "Say héllo"}]
ENDLESS: dict[str, Any] = {"temperature": 0, "ignore_eos": True}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

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
