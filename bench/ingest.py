"""Ingest: CPU of the server per 100 ms chunk with `cloud_stub`, against a bare endpoint, in one run.

    python bench/ingest.py [--connections 50] [--messages 200] [--rounds 9]

Each connection sends its next chunk when the last was answered, so both servers work without pause. CPU comes
from the kernel's scheduler statistics, so other work on the machine hardly counts. Linux only.
"""

import argparse
import asyncio
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import websockets

ROOT = Path(__file__).resolve().parents[1]
CHUNK = json.dumps(
    {
        "type": "audio",
        "format": "pcm16",
        "sample_rate": 16_000,
        "data": base64.b64encode(os.urandom(3200)).decode(),
    }
)
START = json.dumps({"type": "start", "config": {"provider": "cloud_stub"}})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(app: str, folder: Path, port: int, core: int | None = None) -> subprocess.Popen[bytes]:
    """A server in a process of its own, on one core if `core` is given."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    return subprocess.Popen(command, cwd=folder)


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads so far."""
    return (
        sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


async def ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            async with websockets.connect(url):
                return
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            await asyncio.sleep(0.1)


async def client(url: str, messages: int, gate: asyncio.Event) -> None:
    async with websockets.connect(url, compression=None, ping_interval=None) as ws:
        await ws.send(START)
        await ws.recv()
        await gate.wait()
        answered = 0
        for count in range(1, messages + 1):
            await ws.send(CHUNK)
            while answered < count:
                answered += '"partial"' in str(await ws.recv())


async def load(url: str, pid: int, connections: int, messages: int) -> float:
    """Server CPU per message (us)."""
    gate = asyncio.Event()
    clients = [asyncio.create_task(client(url, messages, gate)) for _ in range(connections)]
    await asyncio.sleep(1)
    before = cpu_s(pid)
    gate.set()
    await asyncio.gather(*clients)
    return (cpu_s(pid) - before) / (connections * messages) * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    servers = {"bare": ("bare_endpoint:app", ROOT / "bench"), "prompter": ("app.main:app", ROOT / "backend")}
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:] or cores))
    running, urls = {}, {}
    for name, (app, folder) in servers.items():
        port = free_port()
        running[name], urls[name] = serve(app, folder, port, cores[0]), f"ws://127.0.0.1:{port}/ws/stt"
    try:
        for url in urls.values():
            await ready(url)
        await asyncio.sleep(5)  # the default engine warms up meanwhile
        costs: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, url in urls.items():
                costs[name].append(await load(url, running[name].pid, options.connections, options.messages))
    finally:
        for process in running.values():
            process.terminate()
    medians = {name: statistics.median(found) for name, found in costs.items()}
    for name, median in medians.items():
        runs = ", ".join(f"{cost:.1f}" for cost in costs[name])
        print(f"{name:9s} {median:6.1f} us CPU per chunk ({runs}), {1e5 / median:5.0f} streams/core")
    # Rounds are pairs: what else the machine does changes slower than from one server to the other.
    ratios = [bare / ours for bare, ours in zip(costs["bare"], costs["prompter"], strict=True)]
    print(json.dumps({"us_per_chunk": medians, "ratio": round(statistics.median(ratios), 3)}))


if __name__ == "__main__":
    asyncio.run(main())
