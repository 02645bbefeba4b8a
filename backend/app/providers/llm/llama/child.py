"""The process in which llama.cpp lives: loads one model, serves it on loopback, ends with the server."""

import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAILED = b"failed\n"
_PROMPT_CACHE_MIB = 512
"""What the states of earlier prompts may take; llama.cpp's own bound is 8 GB."""
_ERRORS, _INFO = 1, 3
"""How much llama.cpp says; neither holds a prompt, which it logs at higher numbers."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is loaded, and how."""

    path: Path
    name: str
    context_tokens: int
    parallel: int
    threads: int
    gpu_layers: int
    debug: bool
    api_key: str = field(repr=False)


def main(connection: socket.socket, load: Load) -> None:
    """Load, tell the address through `connection`, serve until it closes.

    Ctrl-C is the server's affair. llama.cpp's own output is dropped unless someone debugs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _redirect(load.debug)
    _go_first()
    from xllamacpp import Server

    with suppress(OSError):  # an error here means that the server is gone: nobody is left to tell
        try:
            server = Server(_params(load))
        except RuntimeError:
            connection.sendall(FAILED)
            return
        connection.sendall(f"{server.listening_address}\n".encode())
        connection.recv(1)
    # Not the way through llama.cpp's destructors, which wait for answers under way.
    os._exit(0)


def _redirect(debug: bool) -> None:
    """Standard output is the server's own, and may be somebody's pipe."""
    if debug:
        os.dup2(2, 1)
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a device, no path
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def _go_first() -> None:
    """Where memory runs out, this process is the one to end; where llama.cpp gives up, it does so at once."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    os.environ["GGML_NO_BACKTRACE"] = "1"  # it would start a debugger on itself


def _params(load: Load) -> Any:
    from xllamacpp import CommonParams

    params = CommonParams()
    params.model.path = str(load.path)
    params.model_alias = {load.name}
    params.n_parallel = load.parallel
    params.n_ctx = load.context_tokens * load.parallel  # llama.cpp divides it
    params.fit_params = False  # what the settings ask for, or an error: not less in silence
    params.n_gpu_layers = load.gpu_layers
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
