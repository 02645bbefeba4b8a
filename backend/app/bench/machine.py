"""CPU time and memory of a process and its children, and a description of this machine (Linux; else None)."""

import os
import platform
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def list_process_tree(pid: int) -> list[int]:
    """A process and its descendants; empty without /proc."""
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


def read_cpu_s(pid: int) -> float | None:
    """CPU seconds so far of a process and its descendants, to 10 ms. Ended threads count."""
    members = list_process_tree(pid)
    return _sum_cpu_s(members) if members else None


def read_children_cpu_s(pid: int) -> float:
    """CPU seconds so far of the descendants of a process, to 10 ms, without the process itself."""
    return _sum_cpu_s(list_process_tree(pid)[1:])


def _sum_cpu_s(members: list[int]) -> float:
    total = 0.0
    for one in members:
        try:
            fields = (_PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:13]) / _TICKS
    return total


def read_own_cpu_s(pid: int) -> float | None:
    """CPU seconds of the live threads of one process, to a nanosecond. Ended threads do not count."""
    found = [path.read_text().split()[0] for path in (_PROC / str(pid) / "task").glob("*/schedstat")]
    return sum(map(int, found)) / 1e9 if found else None


def read_memory_mb(pid: int) -> float | None:
    """Memory of a process and its descendants (MB), as proportional set size: shared pages count once."""
    total_kb, members = 0, list_process_tree(pid)
    for one in members:
        try:
            lines = (_PROC / str(one) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1024 if total_kb else None


def describe_machine() -> dict[str, str | int]:
    """Cores, CPU, system and Python of this machine, for a result."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "cpu": _read_cpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _read_cpu_name() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"
