"""A hundred streams through the gateway at once: each gets its own answer whole, who leaves frees the upstream."""

import asyncio
import json
import time

import httpx2
import pytest

from app.bench.target import Target, run_own_server
from tests.fakes.upstream import FakeUpstream, Reply, Request, sse_event
from tests.support.speech_client import wait_until

pytestmark = pytest.mark.once

CROWD = 100
CHUNKS = 60
ROUNDS = 4
LEAVES = 4
"""Of so many clients one leaves in the middle."""
GROWTH_MB = 8.0


class Storyteller(FakeUpstream):
    """Tells everybody a story of his own, piece by piece; remembers when each connection ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended_s: dict[str, float] = {}

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        who = request.json["messages"][0]["content"]
        pieces = [sse_event({"choices": [{"index": 0, "delta": {"content": word}}]}) for word in story(who)]
        headers = {"Content-Type": "text/event-stream", "X-Who": who}
        if "leaver" in who:
            return Reply(pieces[: CHUNKS // 2], headers=headers, pause_s=0.01, ending="hang")
        return Reply([*pieces, b"data: [DONE]\n\n"], headers=headers, pause_s=0.01)

    async def _write(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._write(reply, reader, writer)
        finally:
            self.ended_s[reply.headers.get("X-Who", "")] = time.monotonic()


def story(who: str) -> list[str]:
    return [f"{who}, {number}. " for number in range(CHUNKS)]


async def listen(http: httpx2.AsyncClient, who: str) -> float:
    """Hear a story to its end, or leave in the middle; the moment of leaving (s)."""
    body = {"model": "mine/tiny", "messages": [{"role": "user", "content": who}], "stream": True}
    heard, ended = "", False
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                heard += "".join(choice["delta"]["content"] for choice in json.loads(line[6:])["choices"])
            ended = ended or line == "data: [DONE]"
            if "leaver" in who and heard.count(".") >= 10:
                break
    told = "".join(story(who))
    assert told.startswith(heard)
    assert ended == (heard == told) == ("leaver" not in who)
    return time.monotonic()


async def crowd(server: Target, upstream: Storyteller, number: int) -> list[float]:
    """One round of listeners at once; how long after a leaver its upstream was let go of (s)."""
    names = [f"{'leaver' if at % LEAVES == 0 else 'listener'} {number}-{at}" for at in range(CROWD)]
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=server.url, timeout=60, trust_env=False, limits=limits) as http:
        left_s = await asyncio.gather(*(listen(http, name) for name in names))
    leavers = {name: at for name, at in zip(names, left_s, strict=True) if "leaver" in name}
    await wait_until(lambda: leavers.keys() <= upstream.ended_s.keys())
    return [upstream.ended_s[name] - at for name, at in leavers.items()]


async def test_nothing_is_lost_mixed_up_or_kept() -> None:
    async with Storyteller().serve() as upstream:
        environment = {
            "PROMPTER_LLM__PROFILES__MINE__BASE_URL": upstream.base_url,
            "PROMPTER_LLM__DISCOVER": "false",
            "PROMPTER_STT__PROVIDER": "cloud_stub",
        }
        freed_s, memory_mb = [], []
        with run_own_server(environment) as server:
            for number in range(ROUNDS):
                freed_s += await crowd(server, upstream, number)
                memory_mb.append(server.read_memory_mb() or 0.0)
    assert len(freed_s) == ROUNDS * CROWD / LEAVES
    assert max(freed_s) < 10.0
    # The first rounds fill pools and caches; what grows after them would grow for ever.
    assert memory_mb[-1] - memory_mb[1] < GROWTH_MB, memory_mb
