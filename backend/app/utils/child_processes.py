"""Starts and ends child processes, also from several threads at once."""

import signal
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

EXIT_CODE_WAIT_S = 5.0
"""How long another thread may take to record the exit that it has seen."""


def start_without_sigint(process: BaseProcess) -> None:
    """Start the process with SIGINT blocked, so that Ctrl-C cannot hit it before it ignores the signal."""
    if not hasattr(signal, "pthread_sigmask"):
        process.start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_process(process: BaseProcess, patience_s: float) -> None:
    """Wait `patience_s` for a process to exit, then kill it, and free its resources. Does nothing if it never started.

    `multiprocessing` polls all children whenever one is started. If another thread receives the exit status that way,
    `join` returns here before `exitcode` is set, and `close` would raise.
    """
    if process.pid is None:
        return
    if not wait([process.sentinel], patience_s):
        process.kill()
    process.join()
    deadline_s = time.monotonic() + EXIT_CODE_WAIT_S
    while process.exitcode is None and time.monotonic() < deadline_s:
        time.sleep(0.001)
    process.close()
