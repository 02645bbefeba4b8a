"""This machine's part of a Ray cluster: joined only where strangers are kept out, since who reaches Ray runs code."""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import anyio

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.core.extras import advise_extra
from app.core.security import tell_open_ray
from app.providers.tier.port import LinkLost

logger = logging.getLogger(__name__)

RAY = (sys.executable, "-c", "from ray.scripts.scripts import main; main()")
"""Ray's command of this Python: `ray` need not be in the search path."""
NAMESPACE = "prompter"
WORKER_PREFIX = "decode-worker-"
_START_S = 180.0
"""How long a node may take to start (s)."""
_STARTS = 3
"""Ray gives a node 30 s to start, which a busy machine does not always keep."""
_TRY_S = 1.0
_LOOK_S = 1.0
_END_S = 15.0
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray tells nobody that it runs
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # Ray's 15 would let a worker wait for everything else that its machine does
}


def check_guard(settings: DecodeSettings) -> None:
    """Check that strangers cannot use the cluster.

    Raises:
        ProviderNotReady: neither Ray's token nor the network keeps them out.
    """
    if advice := tell_open_ray(os.environ, is_trusted=settings.trusted_network):
        raise ProviderNotReady(advice)


def check_installed() -> None:
    """
    Raises:
        ProviderNotReady: Ray is not there.
    """
    if find_spec("ray") is None:
        raise ProviderNotReady(f"Ray is not installed: {advise_extra('ray')} installs it")


def silence_ray() -> None:
    """Keep lines that are no objects out of a log of objects: what Ray writes by itself is in its own files, too.

    The log of this process, `ray`'s warnings included, goes on where standard error was.
    """
    before = sys.stderr
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    for handler in (*logging.getLogger("app").handlers, *logging.getLogger().handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(sys.stderr)  # a log that was set up before
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


class RayNode:
    """The Ray node of this machine, and this process as one of its drivers."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._node: subprocess.Popen[bytes] | None = None
        """Ray's own command, where this process has started the node: the node ends with it."""
        self._is_given_up = threading.Event()

    def join(self) -> None:
        """Connect to the cluster; where this machine has no node of it, start one. Blocks.

        Raises:
            ProviderNotReady: Ray is missing, unguarded, or cannot be reached.
        """
        check_installed()
        check_guard(self._settings)
        os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
        may_have_node = has_node(self._settings.address, self._settings.node_address)
        if not may_have_node or not self._try_connect():
            self._start_node()

    def leave(self) -> None:
        """Disconnect this process, and end a node that it has started. Blocks."""
        import ray

        ray.shutdown()
        self.end_node()

    def end_node(self) -> None:
        """End the node that this process has started, if any. Blocks."""
        node, self._node = self._node, None
        if node is None:
            return
        node.terminate()
        try:
            node.wait(_END_S)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()

    def give_up(self) -> None:
        """Ask a node that this process has started, or starts at this moment in another thread, to end."""
        self._is_given_up.set()
        if (node := self._node) is not None:
            node.terminate()

    def has_ended(self) -> bool:
        """Whether a node that this process has started has ended by itself."""
        return self._node is not None and self._node.poll() is not None

    async def wait_end(self) -> None:
        """Wait until the node has ended by itself, as it does where a head that was started anew does not know it.

        Ray leaves this process as it is then, and its calls unanswered. Of a node that others have started nothing is
        known, and nothing ends.
        """
        while not self.has_ended():  # noqa: ASYNC110  # of a process, which is asked
            await anyio.sleep(_LOOK_S)

    def _try_connect(self) -> bool:
        """Whether the cluster takes this process, through a node of this machine."""
        import ray

        share_log()
        try:
            ray.init(
                address=self._settings.address,
                namespace=NAMESPACE,
                _node_ip_address=self._settings.node_address or None,
                log_to_driver=False,
                configure_logging=False,
            )
        except Exception as error:  # noqa: BLE001  # Ray has no class for it
            logger.info("not in the Ray cluster yet (%s)", type(error).__name__)
            return False
        return True

    def _start_node(self) -> None:
        """
        Raises:
            ProviderNotReady: Ray's own command failed, or the cluster does not take this machine.
        """
        for _ in range(_STARTS):
            if self._is_given_up.is_set():
                break
            if self._try_start_node():
                return
        raise ProviderNotReady(
            f"no Ray node for the cluster at {self._settings.address} could be started on this machine: the cluster is "
            "not there, or has another token; the log has Ray's words"
        )

    def _try_start_node(self) -> bool:
        """Whether there is a node now through which this process is in the cluster."""
        with tempfile.TemporaryFile() as output:
            self._node = subprocess.Popen(  # noqa: S603  # Ray's own command, without a shell
                [*RAY, *self._list_options()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us alone
            )
            deadline_s = time.monotonic() + _START_S
            while self._node.poll() is None and time.monotonic() < deadline_s:
                if self._is_given_up.is_set():
                    break
                if self._try_connect():
                    return True
                self._is_given_up.wait(_TRY_S)
            self.end_node()
            output.seek(0)
            told = output.read().decode(errors="replace").strip()
        logger.error("ray start: %s", told[-2000:])
        check_answer(told)
        return False

    def _list_options(self) -> list[str]:
        own = self._settings.node_address
        return [
            "start",
            "--block",
            f"--address={self._settings.address}",
            *([f"--node-ip-address={own}"] if own else []),
            "--num-cpus=0",  # workers have slots of their own, and nothing else is to run here
            "--disable-usage-stats",
            "--include-log-monitor=false",
            f"--object-store-memory={STORE_BYTES}",
            # With ports of its own choice a node waits for files that helpers write, for 15 s at most: a slow machine
            # would have no node.
            *(f"--{name}={port}" for name, port in zip(HELPER_PORTS, find_free_ports(), strict=True)),
        ]


def check_answer(told: str) -> None:
    """Look for what another try would not change in the words of `ray start`, which takes a minute to say them.

    Raises:
        ProviderNotReady: the cluster has another token.
    """
    if "InvalidAuthToken" in told:
        raise ProviderNotReady(
            "the cluster has another token: RAY_AUTH_TOKEN must be the same on all machines"
        )


def share_log() -> None:
    """Let what Ray logs in this process go where other libraries' warnings go, and not in a format of its own.

    Ray has set up its log when it was loaded. That a thread joins the cluster, which it warns of, is in order.
    """
    logger = logging.getLogger("ray")
    logger.handlers.clear()
    logger.propagate = True
    logging.getLogger("ray._private.worker").setLevel(logging.ERROR)


HELPER_PORTS = (
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
)
STORE_BYTES = 200 << 20
"""Shared memory for calls under way: a call has less than 2 MB."""


def check_cluster() -> None:
    """Ask the head whether this process is in its cluster still. Blocks.

    It is not where the head was started again without what it knew. Ray's processes of before stay connected to it
    then, and nothing tells them.

    Raises:
        LinkLost: the head has begun another cluster.
        Exception: it does not answer; Ray has no one class for that.
    """
    from ray.exceptions import AuthenticationError
    from ray.experimental.internal_kv import _internal_kv_get

    try:
        _internal_kv_get("session_name", namespace="session")
    except AuthenticationError as error:
        raise LinkLost from error


def has_node(address: str, own: str, processes: Path = Path("/proc")) -> bool:
    """Whether this machine may have a node of this cluster, at its address `own` if that is given.

    Ray itself would look for one for a minute. Where processes cannot be listed, there may be one.
    """
    if not processes.is_dir():
        return True
    wanted = [f"--gcs-address={address}", *([f"--node_ip_address={own}"] if own else [])]
    for path in processes.glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "/raylet " in line and all(f"{part} " in line for part in wanted):
                return True
    return False


def find_free_ports() -> list[int]:
    """As many ports of this machine as a node's helpers need."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in HELPER_PORTS]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]
