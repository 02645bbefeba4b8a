"""The child process that runs llama.cpp: it loads one model, serves it on loopback, and ends with the server."""

import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAILED = b"failed\n"
_PROMPT_CACHE_MIB = 512
"""Memory for the states of earlier prompts; llama.cpp's own limit is 8 GB."""
_CPU_BATCH_TOKENS = 64
"""Tokens of prompts that are read at once on CPU cores. llama.cpp notices only between two batches that a client has
left; its own 2048 go on for 15 CPU seconds with a model of 135 million weights. Smaller ones are as fast (measured)."""
_ERRORS, _INFO = 1, 3
"""Levels of llama.cpp's log. It logs prompts at higher levels only."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The model to load, and how."""

    path: Path
    name: str
    context_tokens: int
    parallel: int
    threads: int
    gpu_layers: int
    debug: bool
    api_key: str = field(repr=False)


def main(connection: socket.socket, load: LoadOptions) -> None:
    """Load the model, send the address through `connection`, and serve until the connection closes.

    Ctrl-C is left to the parent. llama.cpp's own output is dropped unless `debug` is set.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _redirect_output(load.debug)
    _end_before_parent()
    from xllamacpp import Server

    with suppress(OSError):  # an error here means that the parent is gone
        try:
            server = Server(_make_params(load))
        except RuntimeError:
            connection.sendall(FAILED)
            return
        connection.sendall(f"{server.listening_address}\n".encode())
        connection.recv(1)
    # llama.cpp's destructors would wait for the answers under way.
    os._exit(0)


def _redirect_output(debug: bool) -> None:
    """Keep llama.cpp off standard output, which belongs to the parent and may be a pipe."""
    if debug:
        os.dup2(2, 1)
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a device, no path
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def _end_before_parent() -> None:
    """When memory runs out, the system ends this process and not the parent; an abort of llama.cpp takes no time."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    os.environ["GGML_NO_BACKTRACE"] = "1"  # it would start a debugger on itself


def _make_params(load: LoadOptions) -> Any:
    from xllamacpp import CommonParams

    params = CommonParams()
    params.model.path = str(load.path)
    params.model_alias = {load.name}
    params.n_parallel = load.parallel
    params.n_ctx = load.context_tokens * load.parallel  # llama.cpp divides it
    params.fit_params = False  # the settings are met, or loading fails
    params.n_gpu_layers = load.gpu_layers
    if not load.gpu_layers:
        params.n_batch = max(_CPU_BATCH_TOKENS, load.parallel)
    if load.threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = load.threads
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [load.api_key]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False  # it would show prompts
    params.verbosity = _INFO if load.debug else _ERRORS
    return params
