"""CPU time and memory of a process and its children, and what machine this is (Linux; None elsewhere)."""

import os
import platform
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def family(pid: int) -> list[int]:
    """A process and all that descend from it; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid] if (_PROC / str(pid)).exists() else []
    for one in found:
        found += children.get(one, [])
    return found


def cpu_s(pid: int) -> float | None:
    """CPU seconds so far, to 10 ms. Threads that have ended count, which the finer schedstat forgets."""
    members = family(pid)
    return _spent_s(members) if members else None


def children_cpu_s(pid: int) -> float:
    """The same of all that descend from a process, without itself."""
    return _spent_s(family(pid)[1:])


def _spent_s(members: list[int]) -> float:
    total = 0.0
    for one in members:
        try:
            fields = (_PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:13]) / _TICKS
    return total


def fine_cpu_s(pid: int) -> float | None:
    """CPU seconds of a process's own threads, to a nanosecond; threads that have ended are forgotten."""
    found = [path.read_text().split()[0] for path in (_PROC / str(pid) / "task").glob("*/schedstat")]
    return sum(map(int, found)) / 1e9 if found else None


def memory_mb(pid: int) -> float | None:
    """Memory in MB; what processes share counts once (proportional set size)."""
    total_kb, members = 0, family(pid)
    for one in members:
        try:
            lines = (_PROC / str(one) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1024 if total_kb else None


def describe() -> dict[str, str | int]:
    """What a result has to say about the machine it comes from."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "cpu": _cpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"
