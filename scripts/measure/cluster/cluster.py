"""The cluster of one run: database, gateways, nginx before two of them, and workers that can come and go."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nodes import Lan, Node, open_lan
from services import (
    Engine,
    Gateway,
    Postgres,
    Tier,
    choose_engine,
    make_environment,
    run_prompter,
    start_nginx,
    wait_for,
)


@dataclass
class Cluster:
    lan: Lan
    engine: Engine
    url: str = ""
    """Where clients go."""
    gateways: list[Gateway] = field(default_factory=list)
    workers: list[Node] = field(default_factory=list)
    cores: float | None = None
    """Share of the cores of each worker."""
    tier: Tier | None = None

    def add_worker(self) -> None:
        """Start one more worker, on a machine of its own. It decodes one utterance at a time."""
        assert self.tier is not None
        node = self.lan.add(f"worker{len(self.workers) + 1}")
        self.workers.append(node)
        settings = {**self.tier.settings(node), "PROMPTER_SCHEDULER__CORES": "1"}
        environment = make_environment(node, self.engine, **settings)
        node.run("worker", [sys.executable, "-m", "app.cli", "worker"], environment)

    def count_workers(self) -> int:
        """The workers that the last gateway knows."""
        return int(self.gateways[-1].read_metrics().get("prompter_tier_workers", 0))

    def hold_workers(self) -> None:
        """Hold each worker to its share of a core, when all have loaded their engines."""
        for node in self.workers:
            if self.cores is not None:
                node.quota.limit(self.cores)

    def find_first_decode(self, worker: Node) -> float | None:
        """When this worker began its first decode (monotonic, s); None where it had none or the engine tells none."""
        path = self.engine.environment.get("SLEEPING_ENGINE_LOG")
        lines = Path(path).read_text().splitlines() if path else []
        return next((float(line.split()[0]) for line in lines if line.split()[1] == worker.name), None)

    def read_cpu_s(self) -> dict[str, float]:
        """CPU seconds so far: of the workers, and of all else but the speakers."""
        workers = sum(node.quota.read_cpu_s() for node in self.workers)
        return {"workers": workers, "others": self.lan.read_cpu_s(*self.workers)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster is made of."""

    model: str
    """`sleeping`, or a checkpoint."""
    workers: int
    """0: the gateways decode themselves."""
    gateways: int = 1
    """Several have a database and nginx."""
    cores: float | None = None
    """Share of the cores of each worker, once it has loaded its engine."""
    has_namespaces: bool = True


@contextmanager
def open_cluster(folder: Path, shape: Shape) -> Iterator[Cluster]:
    """A cluster that is ready for speakers; nothing but its logs is left at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    with open_lan(folder, has_namespaces=shape.has_namespaces) as lan:
        cluster = Cluster(lan=lan, engine=choose_engine(shape.model, folder), cores=shape.cores)
        if shape.workers:
            cluster.tier = Tier(lan.add("head"), secrets.token_hex(32))
            cluster.tier.start()
        add_gateways(cluster, shape)
        for _ in range(shape.workers):
            cluster.add_worker()
        for gateway in cluster.gateways:
            gateway.wait_until_ready()
        if shape.workers:
            wait_for("the last worker", lambda: cluster.count_workers() == shape.workers)
            cluster.hold_workers()
        several = shape.gateways > 1
        cluster.url = start_nginx(lan.add("nginx"), cluster.gateways) if several else cluster.gateways[0].url
        yield cluster


def add_gateways(cluster: Cluster, shape: Shape) -> None:
    """Start the gateways, and the database that they share."""
    settings = {"PROMPTER_DECODE__TIER": "ray"} if shape.workers else {}
    if shape.gateways > 1:
        database = Postgres(cluster.lan.add("database"))
        database.start()
        settings["PROMPTER_STORAGE__URL"] = database.url
    for number in range(shape.gateways):
        node = cluster.lan.add(f"gateway{number + 1}")
        tier = cluster.tier.settings(node) if cluster.tier else {}
        environment = make_environment(node, cluster.engine, **settings, **tier)
        if number == 0 and shape.gateways > 1:
            run_prompter(environment, "db", "upgrade")
        gateway = Gateway(node)
        gateway.start(environment)
        cluster.gateways.append(gateway)
