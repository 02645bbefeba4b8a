"""This machine's part of a Ray cluster: joined only where strangers are kept out, since who reaches Ray runs code."""

import logging
import os
import subprocess
import sys
from importlib.util import find_spec

from app.core.config import DecodeSettings
from app.core.errors import ProviderNotReady
from app.core.extras import advise_extra
from app.core.logging import log_failure
from app.core.security import tell_open_ray

logger = logging.getLogger(__name__)

NAMESPACE = "prompter"
WORKER_PREFIX = "decode-worker-"
_START_S = 180.0
"""How long Ray's own command may take to start a node (s)."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray tells nobody that it runs
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
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


class RayNode:
    """The Ray node of this machine, and this process as one of its drivers."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings

    def join(self, cores: int) -> None:
        """Connect to the cluster; where this machine has no node of it, start one with so many cores. Blocks.

        Raises:
            ProviderNotReady: Ray is missing, unguarded, or cannot be reached.
        """
        check_installed()
        check_guard(self._settings)
        os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
        try:
            self._connect()
        except (ConnectionError, RuntimeError, OSError, ValueError) as error:
            logger.info("this machine has no node of the Ray cluster yet (%s)", type(error).__name__)
            self._start_node(cores)
            self._connect_or_refuse()

    def leave(self) -> None:
        """Disconnect this process; the node goes on. Blocks."""
        import ray

        ray.shutdown()

    def _connect(self) -> None:
        import ray

        ray.init(
            address=self._settings.address,
            namespace=NAMESPACE,
            _node_ip_address=self._settings.node_address or None,
            log_to_driver=False,
            configure_logging=False,
        )

    def _connect_or_refuse(self) -> None:
        """
        Raises:
            ProviderNotReady: the cluster does not take this process.
        """
        try:
            self._connect()
        except Exception as error:
            log_failure(logger, "the Ray cluster cannot be joined", error)
            raise ProviderNotReady(
                f"the Ray cluster at {self._settings.address} cannot be joined: it is not there, or has another token"
            ) from error

    def _start_node(self, cores: int) -> None:
        """
        Raises:
            ProviderNotReady: Ray's own command failed.
        """
        try:
            done = subprocess.run(  # noqa: S603  # Ray's own command, without a shell
                [*_RAY, *self._list_options(cores)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_START_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ProviderNotReady(f"Ray did not start within {_START_S:g} s") from error
        if done.returncode:
            logger.error("ray start: %s", done.stdout.decode(errors="replace").strip()[-2000:])
            raise ProviderNotReady(
                f"no Ray node for the cluster at {self._settings.address} could be started on this machine: the "
                "cluster is not there, or has another token; the log has Ray's words"
            )

    def _list_options(self, cores: int) -> list[str]:
        own = self._settings.node_address
        return [
            "start",
            f"--address={self._settings.address}",
            *([f"--node-ip-address={own}"] if own else []),
            f"--num-cpus={cores}",
            "--disable-usage-stats",
            "--include-log-monitor=false",
        ]


_RAY = (sys.executable, "-c", "from ray.scripts.scripts import main; main()")
"""Ray's command of this Python: `ray` need not be in the search path."""
