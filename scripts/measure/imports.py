"""Measures imports of large files: time, memory of the server, and how long it takes to answer others meanwhile."""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from tests.support.command import run_server_process  # noqa: E402  # the path above comes first
from tests.support.exports import make_large_chatgpt  # noqa: E402

MIB = 1 << 20


def main() -> None:
    """Import a file of many conversations, the same again, and one with a single long conversation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many-mib", type=int, default=50)
    parser.add_argument("--one-mib", type=int, default=35)
    parser.add_argument("--postgres", default="", help="address of a database, at the newest schema")
    chosen = parser.parse_args()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="prompter-imports-") as folder:
        many = make_large_chatgpt(chance, chosen.many_mib * MIB, messages=60)
        one = make_large_chatgpt(chance, chosen.one_mib * MIB, messages=15_000)
        result = asyncio.run(
            measure(Path(folder), {"many": many, "again": many, "one": one}, chosen.postgres)
        )
    print(json.dumps(result, indent=2))


async def measure(folder: Path, files: dict[str, bytes], postgres: str) -> list[dict[str, Any]]:
    """Import the files one after another on one server."""
    env = {"PROMPTER_STORAGE__URL": postgres} if postgres else {}
    found = []
    async with (
        run_server_process(folder, **env) as server,
        server.client(timeout_s=600) as http,
    ):
        pid = server.process.pid
        for name, content in files.items():
            before = read_memory(pid)
            reset_peak(pid)
            found.append({"file": name, "mib": round(len(content) / MIB, 1), "before_mib": before["VmRSS"]})
            found[-1].update(await import_file(http, content))
            found[-1]["peak_mib"] = read_memory(pid)["VmHWM"]
    return found


async def import_file(http: httpx2.AsyncClient, content: bytes) -> dict[str, Any]:
    """Import a file, and ask for another page all the while."""
    started_s = time.monotonic()
    made = await http.post("/api/import", files={"file": ("conversations.json", content)})
    uploaded_s = time.monotonic() - started_s
    slowest_s = 0.0
    found = made.raise_for_status().json()
    while found["state"] in ("waiting", "working"):
        asked_s = time.monotonic()
        await http.get("/health")
        slowest_s = max(slowest_s, time.monotonic() - asked_s)
        await asyncio.sleep(0.02)
        found = (await http.get(f"/api/import/{found['id']}")).json()
    report = found["report"]
    return {
        "upload_s": round(uploaded_s, 1),
        "import_s": round(time.monotonic() - started_s - uploaded_s, 1),
        "slowest_health_ms": round(slowest_s * 1000),
        **{name: report[name] for name in ("created", "unchanged", "messages", "left_out")},
    }


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def read_memory(pid: int) -> dict[str, int]:
    """The resident memory of a process, now and at its peak (MiB)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {
        line.split(":")[0]: int(line.split()[1]) // 1024
        for line in lines
        if line.startswith(("VmRSS", "VmHWM"))
    }


if __name__ == "__main__":
    main()
