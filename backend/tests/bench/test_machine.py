"""Counters of processes: a busy child costs CPU and memory, a process that has ended costs nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.bench import machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counters of processes need Linux")


@contextmanager
def child(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that has printed one line and waits for its input to close."""
    command = [sys.executable, "-c", f"{program}\nprint(flush=True)\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.communicate(b"\n")


def test_a_child_belongs_to_its_parents_tree() -> None:
    with child("pass") as process:
        tree = machine.list_process_tree(os.getpid())
        assert tree[0] == os.getpid()
        assert process.pid in tree
    assert process.pid not in machine.list_process_tree(os.getpid())


def test_work_of_a_child_counts_as_its_parents() -> None:
    before_s = machine.read_children_cpu_s(os.getpid())
    with child("import time\nwhile time.process_time() < 0.2: pass") as process:
        assert machine.read_children_cpu_s(os.getpid()) - before_s >= 0.15
        fine_s, coarse_s = machine.read_own_cpu_s(process.pid), machine.read_cpu_s(process.pid)
        assert fine_s is not None
        assert coarse_s is not None
        assert fine_s >= 0.15
        assert coarse_s >= 0.15


def test_memory_grows_with_what_is_held() -> None:
    with child("pass") as small, child("held = b'x' * 50_000_000") as large:
        small_mb, large_mb = machine.read_memory_mb(small.pid), machine.read_memory_mb(large.pid)
    assert small_mb is not None
    assert large_mb is not None
    assert large_mb - small_mb > 40


def test_a_process_that_has_ended_has_no_counters() -> None:
    with child("pass") as process:
        pass
    assert machine.list_process_tree(process.pid) == []
    assert machine.read_cpu_s(process.pid) is None
    assert machine.read_own_cpu_s(process.pid) is None
    assert machine.read_memory_mb(process.pid) is None


def test_a_machine_is_described() -> None:
    found = machine.describe_machine()
    assert int(found["cores"]) >= 1
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["cpu"]
