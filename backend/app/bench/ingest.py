"""Ingest: CPU of the server for a 100 ms chunk with `cloud_stub`, against a bare endpoint, in one run.

Each connection sends its next chunk when the last was answered, so both servers work without pause. The bare endpoint
keeps nothing, so neither does ours; what it costs to keep a final, of which the mock makes three a second, is told
beside it.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio

from app.bench.figures import BenchError, Figure, Part
from app.bench.target import Target, reserve_port, run_process, wait_until_ready
from app.client.speech_socket import open_speech_socket

CHUNKS_PER_S = 10
CHUNKS_PER_FINAL = 3
SERVERS = {"bare": "app.bench.fixtures:bare_endpoint", "prompter": "app.main:app"}


async def measure_ingest(*, connections: int = 50, messages: int = 400, rounds: int = 5) -> Part:
    """Measure both servers in turns, so that other load falls on both."""
    costs: dict[str, list[float]] = {name: [] for name in SERVERS}
    with _reserve_core() as core, ExitStack() as stack:
        targets = {name: stack.enter_context(_run_server(app, core)) for name, app in SERVERS.items()}
        await anyio.sleep(5)  # the default engine warms up meanwhile
        for _ in range(rounds):
            for name, target in targets.items():
                costs[name].append(await _measure_us_per_message(target, connections, messages))
        kept = [
            await _measure_us_per_message(targets["prompter"], connections, messages, store=True)
            for _ in range(rounds)
        ]
        costs["kept"] = kept
    return Part("ingest", tuple(make_figures(costs)), {"us_per_chunk": costs})


def make_figures(costs: dict[str, list[float]]) -> list[Figure]:
    """Cost of a chunk on each server, streams that a core takes, and the ratio."""
    # Round by round: what else the machine does falls on both.
    ratios = tuple(round(bare / ours, 3) for bare, ours in zip(costs["bare"], costs["prompter"], strict=True))
    finals = [
        max(kept - ours, 0) * CHUNKS_PER_FINAL
        for kept, ours in zip(costs.get("kept", []), costs["prompter"], strict=False)
    ]
    streams = tuple(round(1e6 / CHUNKS_PER_S / cost) for cost in costs["prompter"])
    return [
        *(
            Figure(f"ingest.us_{name}", f"CPU for a chunk of 100 ms, {name}", "us", "p50",
                   tuple(round(cost, 1) for cost in found), better="neither" if name == "bare" else "lower")
            for name, found in costs.items() if name in SERVERS
        ),
        Figure("ingest.streams", "real-time streams on a core", "", "p50", streams, better="higher"),
        Figure("ingest.ratio", "the same, of a bare endpoint's", "", "p50", ratios,
               better="higher", goal=0.7),
        Figure("ingest.us_final_kept", "CPU for keeping a final, beside that", "us", "p50",
               tuple(round(cost, 1) for cost in finals), better="lower"),
    ]  # fmt: skip


@contextmanager
def _run_server(app: str, core: int | None) -> Iterator[Target]:
    with reserve_port() as port:
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        with run_process(command) as server:
            wait_until_ready(port, server)
            yield Target(f"http://127.0.0.1:{port}", server.process.pid)


@contextmanager
def _reserve_core() -> Iterator[int | None]:
    """Reserve one core for the servers and move this process to the others; None where that is impossible."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    mine = os.sched_getaffinity(0)
    first, *others = sorted(mine)
    os.sched_setaffinity(0, set(others) or mine)
    try:
        yield first
    finally:
        os.sched_setaffinity(0, mine)


class StartGate:
    """Holds clients until all of them are connected."""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self.complete = anyio.Event()
        self.gate = anyio.Event()

    def join(self) -> None:
        self._missing -= 1
        if not self._missing:
            self.complete.set()


async def _measure_us_per_message(
    target: Target, connections: int, messages: int, *, store: bool = False
) -> float:
    """Server CPU for a message (us)."""
    waiting = StartGate(connections)
    async with anyio.create_task_group() as group:
        for _ in range(connections):
            group.start_soon(_send_chunks, target.url, messages, waiting, store)
        await waiting.complete.wait()
        before_s = target.read_own_cpu_s() or 0.0
        waiting.gate.set()
    after_s = target.read_own_cpu_s()
    if after_s is None:
        raise BenchError("this system tells no CPU time of processes; ingest needs Linux")
    return (after_s - before_s) / (connections * messages) * 1e6


async def _send_chunks(url: str, messages: int, waiting: StartGate, store: bool) -> None:
    pcm = base64.b64encode(os.urandom(3200)).decode()
    chunk = json.dumps({"type": "audio", "format": "pcm16", "sample_rate": 16_000, "data": pcm})
    async with open_speech_socket(url.replace("http", "ws", 1) + "/ws/stt", {}, proxy=False) as ws:
        start = {"type": "start", "config": {"provider": "cloud_stub", "store": store}}
        await ws.send(json.dumps(start))
        await ws.recv()
        waiting.join()
        await waiting.gate.wait()
        answered = 0
        for count in range(1, messages + 1):
            await ws.send(chunk)
            while answered < count:
                answered += '"partial"' in str(await ws.recv())
