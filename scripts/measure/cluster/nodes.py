"""Machines on one machine: network namespaces at a bridge, each held to a share of a core by a cgroup. Needs root.

Without namespaces (`LoopbackLan`) each has an address of the loopback interface: a machine whose network must not
change can be measured on, and no cable can be pulled.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BRIDGE = "prompter-lan"
NET, LOOPBACK = "10.98.0", "127.98.0"
"""The first three parts of every address; the bridge itself, and this script with it, has .1."""
CGROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 20_000
"""A quota is divided into periods of this length: longer ones would stop a node for long at a time."""
FIRST_HOST = 10
RAY_FOLDER = Path("/tmp/ray")
"""Where Ray has its sockets; each node has its own there, as no file is shared by real machines."""
JOIN = 'for file in $NODE_CGROUPS; do echo $$ > "$file" || exit 1; done; exec "$@"'
OWN_RAY = f'mount --bind "$NODE_FOLDER/ray" {RAY_FOLDER} || exit 1; exec "$@"'


class ClusterError(Exception):
    """This machine lacks something, or a part of the cluster did not start; a person reads the message."""


def check_machine(*programs: str) -> None:
    """Raises ClusterError with all that this machine lacks."""
    missing = [f"the program {name!r}" for name in programs if find_program(name) is None]
    if os.geteuid() != 0:
        missing.append("root, who alone can make network namespaces and cgroups")
    if not (CGROUPS / "cgroup.controllers").is_file() and not (CGROUPS / "cpu").is_dir():
        missing.append("cgroups with the controller `cpu`, version 1 or 2")
    if missing:
        raise ClusterError(f"this machine lacks {', and '.join(missing)}")


def find_program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/sbin")


def run_ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")


class Quota:
    """A cgroup, of version 1 or 2: holds its processes to a share of the cores, and counts their CPU time."""

    def __init__(self, name: str) -> None:
        self._is_v2 = (CGROUPS / "cgroup.controllers").is_file()
        controllers = [""] if self._is_v2 else ["cpu", "cpuacct"]
        self.folders = [CGROUPS / controller / name for controller in controllers]
        if self._is_v2:
            (CGROUPS / "cgroup.subtree_control").write_text("+cpu")
        for folder in self.folders:
            folder.mkdir(exist_ok=True)

    def limit(self, cores: float) -> None:
        quota_us = int(cores * PERIOD_US)
        if self._is_v2:
            (self.folders[0] / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (self.folders[0] / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.folders[0] / "cpu.cfs_quota_us").write_text(str(quota_us))

    def read_cpu_s(self) -> float:
        """CPU seconds of all its processes so far, those that have ended included."""
        if self._is_v2:
            text = (self.folders[0] / "cpu.stat").read_text()
            return int(text.split("usage_usec")[1].split()[0]) / 1e6
        return int((self.folders[1] / "cpuacct.usage").read_text()) / 1e9

    def list_processes(self) -> list[int]:
        return [int(line) for line in (self.folders[0] / "cgroup.procs").read_text().split()]

    def read_memory_mb(self) -> float:
        """Memory of its processes (MB), as proportional set size: shared pages count once."""
        total_kb = 0
        for pid in self.list_processes():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total_kb / 1024

    def remove(self) -> None:
        deadline_s = time.monotonic() + 10
        while self.list_processes() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


@dataclass
class Node:
    """One machine of the cluster."""

    name: str
    address: str
    namespace: str
    """Empty without one."""
    link: str
    """Its end of the bridge, in the namespace of this script."""
    quota: Quota
    folder: Path
    """Its files and logs."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(
        self, title: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process on this machine; its output goes to a file of this title."""
        procs = [str(folder / "cgroup.procs") for folder in self.quota.folders]
        (self.folder / "ray").mkdir(exist_ok=True)
        RAY_FOLDER.mkdir(exist_ok=True)
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else ["unshare", "--mount"]
        with (self.folder / f"{title}.log").open("ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", JOIN, "sh", *inside, "sh", "-c", OWN_RAY, "sh", *command],
                env={
                    **os.environ,
                    **(environment or {}),
                    "NODE_CGROUPS": " ".join(procs),
                    "NODE_FOLDER": str(self.folder),
                },
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def read_log(self, title: str) -> str:
        return (self.folder / f"{title}.log").read_text(errors="replace")

    def power_off(self) -> None:
        """As when its plug is pulled: nobody is told that its connections are over."""
        if self.link:
            run_ip("link", "set", self.link, "down")
        self.kill()

    def kill(self) -> None:
        """End all of its processes by SIGKILL; its network is still there, and resets their connections."""
        while members := self.quota.list_processes():
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def signal(self, number: signal.Signals) -> None:
        for pid in self.quota.list_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Lan:
    """The machines, and the bridge that joins them."""

    net = NET

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Node] = []
        self._bridge = False

    def open(self) -> None:
        """Raises ClusterError where the bridge is there already, from a run that goes on or that was killed."""
        run_ip("link", "add", BRIDGE, "type", "bridge")
        self._bridge = True
        run_ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
        run_ip("link", "set", BRIDGE, "up")

    def add(self, name: str, *, cores: float | None = None) -> Node:
        """A new machine, held to this share of the cores."""
        number = len(self.nodes)
        folder = self.folder / name
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        namespace, link = self._name(name, number)
        node = Node(
            name=name,
            address=f"{self.net}.{FIRST_HOST + number}",
            namespace=namespace,
            link=link,
            quota=Quota(f"{BRIDGE}-{name}"),
            folder=folder,
        )
        self.nodes.append(node)
        if cores is not None:
            node.quota.limit(cores)
        self._connect(node)
        return node

    def _name(self, name: str, number: int) -> tuple[str, str]:
        """The namespace and the link of a machine."""
        return f"{BRIDGE}-{name}", f"pml{number}"

    def _connect(self, node: Node) -> None:
        namespace, link = node.namespace, node.link
        run_ip("netns", "add", namespace)
        run_ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run_ip("link", "set", link, "master", BRIDGE)
        run_ip("link", "set", link, "up")
        for inside in (
            ("addr", "add", f"{node.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            run_ip("-n", namespace, *inside)

    def read_cpu_s(self, *without: Node) -> float:
        """CPU seconds of all machines but these."""
        return sum(node.quota.read_cpu_s() for node in self.nodes if node not in without)

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
            node.quota.remove()
            for end in (("link", "del", node.link), ("netns", "del", node.namespace)):
                with contextlib.suppress(ClusterError):
                    if node.namespace:
                        run_ip(*end)
        if self._bridge:
            run_ip("link", "del", BRIDGE)


class LoopbackLan(Lan):
    """Machines that share the network of this one, at addresses of its loopback interface."""

    net = LOOPBACK

    def open(self) -> None: ...

    def _name(self, name: str, number: int) -> tuple[str, str]:  # noqa: ARG002  # they have none
        return "", ""

    def _connect(self, node: Node) -> None: ...


@contextmanager
def open_lan(folder: Path, *, has_namespaces: bool = True) -> Iterator[Lan]:
    """An empty network; nothing of it is left at the end."""
    lan = Lan(folder) if has_namespaces else LoopbackLan(folder)
    try:
        lan.open()
        yield lan
    finally:
        lan.close()
