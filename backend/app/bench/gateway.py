"""The gateway: added time to the first token and CPU of a chunk, against its upstream in one run.

The upstream answers as fast as it can or at a pace at which every chunk travels alone, as a model's do. All three
processes share the machine, so times are compared pair by pair, and CPU is that of the gateway alone.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import anyio
import httpx2

from app.bench.figures import BenchError, Figure, Part
from app.bench.target import Target, reserve_port, run_process, wait_until_ready

PROFILE = "bench"
_TIMEOUT_S = 120.0
_WARM_UP = 10
"""First pairs, which open connections and do not count."""


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """What a client received of one answer."""

    first_ms: float
    """From sending to the first event."""
    chunks: int
    """Those with text."""
    whole: bool


async def measure_gateway(*, pairs: int = 150, streams: int = 20, crowd: int = 100, rounds: int = 5) -> Part:
    """Measure the upstream directly and through the server."""
    costs: dict[str, list[float]] = {"paced": [], "burst": [], "upstream": []}
    with _run_servers() as (upstream, server):
        added = await _measure_added_ms(upstream, server, pairs)
        for _ in range(rounds):
            for model, chunks in (("paced", 200), ("burst", 2000)):
                ours, theirs = await _measure_costs_us(upstream, server, model, streams, chunks)
                costs[model].append(ours)
                costs["upstream"] += [theirs] if model == "paced" else []
        lost, memory_mb = await _measure_crowd(server, crowd, rounds)
    return Part("gateway", tuple(make_figures(added, costs, crowd, lost, memory_mb)), {"us_per_chunk": costs})


def make_figures(
    added_ms: list[float],
    costs: dict[str, list[float]],
    crowd: int,
    lost: list[float],
    memory_mb: list[float],
) -> list[Figure]:
    """Figures of added latency and cost, chunks lost by many streams, and memory growth."""
    shown = tuple(round(ms, 2) for ms in added_ms)
    paced, burst, theirs = (
        tuple(round(us, 1) for us in costs[name]) for name in ("paced", "burst", "upstream")
    )
    growth = (round(memory_mb[-1] - memory_mb[0], 1),)
    return [
        Figure("gateway.first_token_p50", "added time to the first token, p50", "ms", "p50", shown, goal=3.0),
        Figure("gateway.first_token_p95", "added time to the first token, p95", "ms", "p95", shown),
        Figure("gateway.us_per_chunk", "CPU for a chunk that travels alone", "us", "p50", paced, goal=40.0),
        Figure("gateway.us_per_chunk_upstream", "the same of the upstream, which only writes it", "us", "p50",
               theirs, better="neither"),
        Figure("gateway.us_per_chunk_burst", "CPU for a chunk among many", "us", "p50", burst, goal=40.0),
        Figure("gateway.lost", f"chunks lost by {crowd} streams at once", "", "count", tuple(lost), goal=0.0),
        Figure("gateway.memory_growth", f"memory after the last {crowd}, less after the first", "MB", "value",
               growth, goal=5.0),
    ]  # fmt: skip


@contextmanager
def _run_servers() -> Iterator[tuple[Target, Target]]:
    """Run the upstream, and a server that has it as a profile."""
    with ExitStack() as stack:
        ports = [stack.enter_context(reserve_port()) for _ in range(2)]
        fast = [sys.executable, "-m", "uvicorn", "app.bench.fixtures:fast_upstream", "--port", str(ports[0])]
        ours = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", str(ports[1])]
        environment = {
            f"PROMPTER_LLM__PROFILES__{PROFILE.upper()}__BASE_URL": f"http://127.0.0.1:{ports[0]}/v1",
            "PROMPTER_LLM__DISCOVER": "false",
            "PROMPTER_STT__PROVIDER": "cloud_stub",
        }
        targets = []
        for port, command, extra in zip(ports, (fast, ours), ({}, environment), strict=True):
            server = stack.enter_context(run_process([*command], extra))
            wait_until_ready(port, server)
            targets.append(Target(f"http://127.0.0.1:{port}", server.process.pid))
        yield targets[0], targets[1]


async def _measure_added_ms(upstream: Target, server: Target, pairs: int) -> list[float]:
    """One answer of each in turns; the difference of their first events."""
    added = []
    async with _make_client() as client:
        for place in range(pairs + _WARM_UP):
            direct = await _ask(client, upstream.url, "burst", 5)
            through = await _ask(client, server.url, f"{PROFILE}/burst", 5)
            if place >= _WARM_UP:
                added.append(through.first_ms - direct.first_ms)
    return added


async def _measure_costs_us(
    upstream: Target, server: Target, model: str, streams: int, chunks: int
) -> tuple[float, float]:
    """CPU for a chunk (us) of the server, and of the upstream that only writes it; requests included."""
    before_s = [target.read_own_cpu_s() for target in (server, upstream)]
    taken = await _ask_at_once(server, model, streams, chunks)
    after_s = [target.read_own_cpu_s() for target in (server, upstream)]
    total = sum(one.chunks for one in taken)
    spent = [
        (after - before) / total * 1e6
        for before, after in zip(before_s, after_s, strict=True)
        if before is not None and after is not None
    ]
    if len(spent) < len(before_s):
        raise BenchError("this system tells no CPU time of processes; gateway needs Linux")
    return spent[0], spent[1]


async def _measure_crowd(server: Target, crowd: int, rounds: int) -> tuple[list[float], list[float]]:
    """Chunks lost, and memory (MB), round by round."""
    lost, memory_mb, chunks = [], [], 100
    for _ in range(rounds):
        taken = await _ask_at_once(server, "paced", crowd, chunks)
        lost.append(float(sum(chunks - one.chunks + (not one.whole) for one in taken)))
        memory_mb.append(server.read_memory_mb() or 0.0)
    return lost, memory_mb


async def _ask_at_once(server: Target, model: str, streams: int, chunks: int) -> list[StreamedAnswer]:
    taken: list[StreamedAnswer] = []

    async def one(client: httpx2.AsyncClient) -> None:
        taken.append(await _ask(client, server.url, f"{PROFILE}/{model}", chunks))

    async with _make_client() as client, anyio.create_task_group() as group:
        for _ in range(streams):
            group.start_soon(one, client)
    return taken


def _make_client() -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=10)
    return httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, limits=limits)


async def _ask(client: httpx2.AsyncClient, url: str, model: str, chunks: int) -> StreamedAnswer:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Tell me of submarines."}],
        "stream": True,
        "max_tokens": chunks,
    }
    first_ms, text = 0.0, b""
    began_s = time.perf_counter()
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise BenchError(f"{url} answered a prompt with status {answer.status_code}")
        async for part in answer.aiter_raw():
            first_ms = first_ms or (time.perf_counter() - began_s) * 1000
            text += part
    return StreamedAnswer(first_ms, text.count(b'"content":" submarine"'), text.endswith(b"data: [DONE]\n\n"))
