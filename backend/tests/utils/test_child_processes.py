"""Children that end while other threads look after all of them."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from app.utils.child_processes import end_process, start_without_sigint

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def somebody_looks_after_all_children() -> Iterator[None]:
    """As `multiprocessing` does whenever a process is started, in whatever thread."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            multiprocessing.active_children()

    others = [threading.Thread(target=look) for _ in range(3)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for other in others:
        other.start()
    yield
    over.set()
    for other in others:
        other.join()
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("somebody_looks_after_all_children")
def test_an_exit_that_another_thread_sees_first_is_no_error() -> None:
    for _ in range(15):
        process = SPAWN.Process(target=time.sleep, args=(60,), daemon=True)
        start_without_sigint(process)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        end_process(process, 5)
        with pytest.raises(ValueError, match="closed"):
            process.is_alive()
