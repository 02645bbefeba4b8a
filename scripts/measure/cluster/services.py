"""What runs on the machines of the cluster: PostgreSQL, gateways, workers, and nginx before the gateways."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodes import ClusterError, Node, find_program

from app.providers.tier.ray_node import RAY

ROOT = Path(__file__).resolve().parents[3]
BACKEND = ROOT / "backend"
PORT = 8000
RAY_PORT = 6379
STARTS_S = 180.0
"""Ten processes that start at once on two cores take their time, and a node of 0.3 cores loads a checkpoint slowly."""

NGINX = """daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    {temporary}
    upstream prompter {{ {servers} }}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen {address}:{port};
        location / {{
            proxy_pass http://prompter;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_connect_timeout 2s;
            proxy_read_timeout 1h;
            proxy_next_upstream error timeout;
        }}
    }}
}}
"""
"""As deploy/nginx.conf, without encryption; clients are spread over the gateways in turn, as all have one address."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The speech engine of a run, as settings of gateways and workers."""

    name: str
    environment: Mapping[str, str]


def choose_engine(model: str, folder: Path) -> Engine:
    """`sleeping`, or the name or folder of a checkpoint for `whisper_local`."""
    if model != "sleeping":
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prompter" / "weights"
        return Engine(
            "whisper_local",
            {
                "PROMPTER_STT__WHISPER_LOCAL__MODEL": model,
                **({"PROMPTER_MODELS_DIR": str(cache)} if (cache / model).is_dir() else {}),
            },
        )
    package = folder / "plugin"
    about = package / "sleeping_engine-1.0.dist-info"
    about.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("sleeping_engine.py"), package)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sleeping-engine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[prompter.stt_providers]\nsleeping = sleeping_engine:SleepingProvider\n"
    )
    log = folder / "decodes.txt"
    log.touch()
    return Engine("sleeping", {"PYTHONPATH": str(package), "SLEEPING_ENGINE_LOG": str(log)})


def make_environment(node: Node, engine: Engine, **settings: str) -> dict[str, str]:
    """The settings of a process of ours on this machine."""
    paths = filter(None, [str(BACKEND), engine.environment.get("PYTHONPATH"), os.environ.get("PYTHONPATH")])
    return {
        "OMP_NUM_THREADS": "1",
        "SLEEPING_ENGINE_NODE": node.name,
        "PROMPTER_DATA_DIR": str(node.folder / "data"),
        "PROMPTER_STT__PROVIDER": engine.name,
        "PROMPTER_LLM__DISCOVER": "false",
        "PROMPTER_SCHEDULER__ADMIT_LOAD": "0",
        **engine.environment,
        "PYTHONPATH": os.pathsep.join(paths),
        **settings,
    }


@dataclass(frozen=True, slots=True)
class Tier:
    """The Ray cluster that joins gateways and workers: its head, and the token of all who belong to it."""

    node: Node
    token: str

    @property
    def address(self) -> str:
        return f"{self.node.address}:{RAY_PORT}"

    def settings(self, node: Node) -> dict[str, str]:
        """Of a gateway or a worker on this machine."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "PROMPTER_DECODE__ADDRESS": self.address,
            "PROMPTER_DECODE__NODE_ADDRESS": node.address,
        }

    def start(self) -> None:
        options = [f"--node-ip-address={self.node.address}", f"--port={RAY_PORT}", "--num-cpus=0",
                   "--include-dashboard=false", "--disable-usage-stats"]  # fmt: skip
        self.node.run("ray", [*RAY, "start", "--head", "--block", *options], self.settings(self.node))
        wait_for("the head of Ray", lambda: can_connect(self.node.address, RAY_PORT))


def can_connect(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def run_prompter(environment: Mapping[str, str], *arguments: str) -> str:
    """Run the command to its end, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"`prompter {' '.join(arguments)}` failed: {done.stderr[-500:]}")
    return done.stdout


class Postgres:
    """A database on a machine of its own, which waits for the disk as one that matters does."""

    def __init__(self, node: Node) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
        if not found:
            raise ClusterError("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin")
        self.node, self._bin = node, found[-1].parent
        self.url = f"postgresql://prompter@{node.address}/prompter"
        self._data = node.folder / "postgres"

    def start(self) -> None:
        if not self._data.exists():
            self._data.mkdir()
            shutil.chown(self._data, "postgres", "postgres")
            self._run("initdb", "-D", str(self._data), "-U", "prompter", "-E", "UTF8", "-A", "trust")
            with (self._data / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {self.node.address}/24 trust\n")
        self.node.run(
            "postgres",
            [*self._as_postgres(), str(self._bin / "postgres"), "-D", str(self._data),
             "-c", "listen_addresses=*", "-c", f"unix_socket_directories={self._data}",
             "-c", "max_connections=200"],
        )  # fmt: skip
        wait_for("PostgreSQL", lambda: self._try("pg_isready", "-h", self.node.address))
        self._try("createdb", "-h", self.node.address, "-U", "prompter", "prompter")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_postgres(), str(self._bin / program), *arguments],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"{program} failed: {done.stderr or done.stdout}")

    def _try(self, program: str, *arguments: str) -> bool:
        try:
            self._run(program, *arguments)
        except ClusterError:
            return False
        return True

    def _as_postgres(self) -> list[str]:
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@dataclass
class Gateway:
    """One server of the cluster."""

    node: Node

    @property
    def url(self) -> str:
        return f"http://{self.node.address}:{PORT}"

    def start(self, environment: Mapping[str, str]) -> None:
        self.node.run(
            "gateway",
            [sys.executable, "-m", "app.cli", "serve", "--host", self.node.address, "--port", str(PORT), "--insecure"],
            environment,
        )  # fmt: skip

    def wait_until_ready(self) -> None:
        wait_for(f"the gateway {self.node.name!r}", lambda: is_ready(f"{self.url}/health/ready"))

    def read_metrics(self) -> dict[str, float]:
        """Its metrics by name with labels; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=2) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        pairs = [line.rpartition(" ") for line in lines if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in pairs}


def start_nginx(node: Node, gateways: Sequence[Gateway]) -> str:
    """Start nginx before the gateways; its address."""
    nginx = find_program("nginx")
    if nginx is None:
        raise ClusterError("nginx is not installed: apt-get install nginx")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    text = NGINX.format(
        folder=node.folder,
        temporary=" ".join(f"{kind}_temp_path {node.folder}/{kind};" for kind in kinds),
        servers=" ".join(f"server {each.node.address}:{PORT} max_fails=1 fail_timeout=2s;" for each in gateways),
        address=node.address,
        port=PORT,
    )  # fmt: skip
    (node.folder / "nginx.conf").write_text(text)
    node.run("nginx", [nginx, "-c", str(node.folder / "nginx.conf"), "-g", "user root;"])
    url = f"http://{node.address}:{PORT}"
    wait_for("nginx", lambda: is_ready(f"{url}/health/ready"))
    return url


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200 and json.load(answer))
    except (OSError, ValueError):
        return False


def wait_for(what: str, is_there: Callable[[], bool], within_s: float = STARTS_S) -> None:
    """Raises ClusterError after `within_s`."""
    deadline_s = time.monotonic() + within_s
    while not is_there():
        if time.monotonic() > deadline_s:
            raise ClusterError(f"{what} was not there within {within_s:g} s")
        time.sleep(0.1)
