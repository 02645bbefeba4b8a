"""Measures a cluster that it makes on this machine: network namespaces as machines, each held to a share of a core.

sudo python scripts/measure/cluster/run.py PART [--speech DIR] [--model NAME]

It needs root, `ip` (iproute2), cgroups with the controller `cpu`, PostgreSQL and nginx of the system, and the extra
`ray`; it says what is missing. Nothing of it is left at the end. Each part prints what it saw, and writes the logs of
all machines into `--out`. Parts:

  one       a gateway without a tier: what one machine carries, for comparison
  double    one worker of 0.3 cores, then two: 1.9 times the speakers at the same p95
  eight     one worker with a scripted engine that sleeps its cost, then eight: 7.5 times the speakers
  lose      a worker is switched off under load: finals lost, and when p95 is back
  add       a worker is added under load: when it decodes
  gateway   one of two gateways is killed under load: finals lost
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import ceil
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "backend")]

import anyio  # noqa: E402  # the path above comes first
from cluster import Cluster, Shape, open_cluster  # noqa: E402
from crowd import Crowd, Result, show_s  # noqa: E402
from nodes import ClusterError, check_machine  # noqa: E402

QUOTA = 0.3
"""Share of a core that a worker has in the part `double`."""
DOUBLE, EIGHTFOLD = 1.9, 7.5
BACK_WITHIN_S, USED_WITHIN_S = 5.0, 10.0
SENTENCES = {"add": 12}
"""A worker needs half a minute until it is there."""
LOOK_S = 0.1
"""How often is looked for what is waited for."""
SAME = 1.1
"""A p95 of at most this multiple is the same."""


def main() -> None:
    options = parse_arguments()
    try:
        check_machine("nginx", "setpriv", *([] if options.loopback else ["ip"]))
        folder = options.out or Path(tempfile.mkdtemp(prefix="prompter-cluster-"))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ClusterError(f"{str(folder)!r} is not empty; name another folder for the logs")
        folder.chmod(0o755)
        anyio.run(PARTS[options.part], options, folder.resolve())
        print(f"logs: {folder}", file=sys.stderr)
    except ClusterError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument(
        "--speech", type=Path, default=HERE.parents[2] / "samples", help="recordings, as for the benchmark"
    )
    parser.add_argument("--model", help="a checkpoint, or `sleeping`; each part has its own default")
    parser.add_argument("--speakers", type=int, help="of one worker; without it they are searched")
    parser.add_argument(
        "--workers", type=int, help="of the parts `lose` and `gateway`; 0: gateways decode themselves"
    )
    parser.add_argument("--limit", type=float, default=2.0, help="the p95 (s) up to which speakers fit")
    parser.add_argument(
        "--sentences", type=int, help="that each speaker says; 4, and 12 while a worker is added"
    )
    parser.add_argument(
        "--loopback", action="store_true", help="without namespaces: the machines share a network"
    )
    parser.add_argument("--out", type=Path, help="folder for the logs")
    return parser.parse_args()  # fmt: skip


# -- parts


async def measure_one(options: argparse.Namespace, folder: Path) -> None:
    with open_cluster(folder, make_shape(options, "sleeping", workers=0)) as cluster:
        await find_speakers(cluster, options)


async def measure_double(options: argparse.Namespace, folder: Path) -> None:
    await compare(options, folder, make_shape(options, "tiny.en", workers=2, cores=QUOTA), DOUBLE)


async def measure_eight(options: argparse.Namespace, folder: Path) -> None:
    await compare(options, folder, make_shape(options, "sleeping", workers=8), EIGHTFOLD)


async def compare(options: argparse.Namespace, folder: Path, shape: Shape, times: float) -> None:
    """The speakers of one worker, then so many times as many with all workers."""
    with open_cluster(folder / "one", replace(shape, workers=1)) as cluster:
        one = await find_speakers(cluster, options)
    wanted = ceil(times * one.speakers)
    with open_cluster(folder / "all", shape) as cluster:
        several = await measure_crowd(cluster, options, wanted)
    before_s, after_s = one.quantile_s(0.95), several.quantile_s(0.95)
    is_same = before_s is not None and after_s is not None and after_s <= SAME * before_s
    tell(
        is_same and fits(several, options),
        f"{shape.workers} workers carry {wanted} speakers, {wanted / one.speakers:.2f} times the {one.speakers} of "
        f"one: p95 {show_s(before_s)} with one worker, {show_s(after_s)} with {shape.workers}",
    )


async def lose_worker(options: argparse.Namespace, folder: Path) -> None:
    speakers = options.speakers or 12
    with open_cluster(folder, make_shape(options, "sleeping", workers=options.workers or 3)) as cluster:
        lost_at_s, noticed_at_s = [0.0], [0.0]

        async def power_off() -> None:
            known = cluster.count_workers()
            lost_at_s[0] = time.monotonic()
            cluster.workers[1].power_off()
            noticed_at_s[0] = await wait_for(lambda: cluster.count_workers() < known)

        result = await with_speakers(cluster, options, speakers, power_off)
        print_around(result, lost_at_s[0], noticed_at_s[0])
        before_s = result.quantile_s(0.95, until_s=lost_at_s[0])
        after_s = result.quantile_s(0.95, since_s=noticed_at_s[0] + BACK_WITHIN_S)
        is_back = before_s is not None and after_s is not None and after_s <= max(SAME * before_s, 1.0)
        tell(
            not (result.lost or result.twice or result.broken),
            "a worker was switched off: no final is lost, none told twice",
        )
        tell(is_back, f"p95 is back {BACK_WITHIN_S:g} s after it was noticed")  # fmt: skip


async def add_worker(options: argparse.Namespace, folder: Path) -> None:
    speakers = options.speakers or 12
    with open_cluster(folder, make_shape(options, "sleeping", workers=1)) as cluster:
        added_at_s, ready_at_s = [0.0], [0.0]

        async def add() -> None:
            added_at_s[0] = time.monotonic()
            await anyio.to_thread.run_sync(cluster.add_worker)
            ready_at_s[0] = await wait_for(lambda: "is there" in cluster.workers[-1].read_log("worker"))

        result = await with_speakers(cluster, options, speakers, add)
        used_s = cluster.find_first_decode(cluster.workers[-1])
        print(f"the worker was there {ready_at_s[0] - added_at_s[0]:.1f} s after its start")
        after_s = None if used_s is None else used_s - ready_at_s[0]
        tell(after_s is not None and after_s <= USED_WITHIN_S, f"it decodes {show_s(after_s)} after that")
        tell(not (result.lost or result.twice or result.broken), "no final is lost, none told twice")


async def kill_gateway(options: argparse.Namespace, folder: Path) -> None:
    speakers = options.speakers or 8
    workers = 2 if options.workers is None else options.workers
    with open_cluster(folder, make_shape(options, "sleeping", workers=workers, gateways=2)) as cluster:
        killed_at_s = [0.0]

        async def kill() -> None:
            killed_at_s[0] = time.monotonic()
            cluster.gateways[0].node.kill()

        result = await with_speakers(cluster, options, speakers, kill)
        print_around(result, killed_at_s[0], killed_at_s[0])
        tell(not (result.lost or result.twice or result.broken), f"a gateway was killed under {speakers} speakers: no "
             "final is lost, none told twice")  # fmt: skip


PARTS: dict[str, Callable[..., object]] = {
    "one": measure_one,
    "double": measure_double,
    "eight": measure_eight,
    "lose": lose_worker,
    "add": add_worker,
    "gateway": kill_gateway,
}


# -- what they share


def make_shape(
    options: argparse.Namespace, model: str, *, workers: int, gateways: int = 1, cores: float | None = None
) -> Shape:
    return Shape(
        model=options.model or model,
        workers=workers,
        gateways=gateways,
        cores=cores,
        has_namespaces=not options.loopback,
    )


async def find_speakers(cluster: Cluster, options: argparse.Namespace) -> Result:
    """The most speakers that fit: those of the options, or doubled, then halved between what fits and what does not."""
    if options.speakers:
        return await measure_crowd(cluster, options, options.speakers)
    best, most, speakers = None, None, 2
    while True:
        result = await measure_crowd(cluster, options, speakers)
        if fits(result, options):
            best = result
        else:
            most = speakers
        low = best.speakers if best else 0
        if most is None:
            speakers = 2 * low
        elif most - low > max(1, low // 10):
            speakers = (low + most) // 2
        elif best is None:
            raise ClusterError(f"not even one speaker fits into a p95 of {options.limit:g} s")
        else:
            return best


def fits(result: Result, options: argparse.Namespace) -> bool:
    p95_s = result.quantile_s(0.95)
    on_time = p95_s is not None and p95_s <= options.limit
    return on_time and not (result.lost or result.twice or result.refused or result.broken)


async def measure_crowd(
    cluster: Cluster, options: argparse.Namespace, speakers: int, crowd: Crowd | None = None
) -> Result:
    """Let so many speak, and print what they saw and what it cost."""
    crowd = crowd or Crowd(options.speech, cluster.engine.name)
    before_s, began_s = cluster.read_cpu_s(), time.monotonic()
    result = await crowd.run(cluster.url, speakers, options.sentences or SENTENCES.get(options.part, 4))
    after_s, took_s = cluster.read_cpu_s(), time.monotonic() - began_s
    cores = ", ".join(f"{name} {(after_s[name] - before_s[name]) / took_s:.2f}" for name in after_s)
    memory = ", ".join(f"{node.name} {node.quota.read_memory_mb():.0f}" for node in cluster.lan.nodes)
    print(
        f"{len(cluster.workers)} workers, {result.format()}; cores: {cores}; load of the machine "
        f"{os.getloadavg()[0]:.1f}; MB: {memory}",
        flush=True,
    )
    return result


async def with_speakers(
    cluster: Cluster, options: argparse.Namespace, speakers: int, event: Callable[[], Awaitable[None]]
) -> Result:
    """Let so many speak, and something happen when each of them has been told something."""
    results: list[Result] = []
    crowd = Crowd(options.speech, cluster.engine.name)

    async def wait() -> None:
        while not crowd.is_warm and not results:  # noqa: ASYNC110  # a poll
            await anyio.sleep(LOOK_S)
        await event()

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        results.append(await measure_crowd(cluster, options, speakers, crowd))
    return results[0]


async def wait_for(is_there: Callable[[], bool], within_s: float = 120.0) -> float:
    """The moment at which something is there; after `within_s`, that moment."""
    deadline_s = time.monotonic() + within_s
    while not await anyio.to_thread.run_sync(is_there) and time.monotonic() < deadline_s:  # noqa: ASYNC110  # a poll
        await anyio.sleep(LOOK_S)
    return time.monotonic()


def print_around(result: Result, at_s: float, noticed_s: float) -> None:
    """The waits of finals before and after an event."""
    print(f"noticed after {noticed_s - at_s:.1f} s")
    for title, since_s, until_s in (
        ("before", 0.0, at_s),
        ("until noticed", at_s, noticed_s),
        ("in the 5 s after that", noticed_s, noticed_s + BACK_WITHIN_S),
        ("later", noticed_s + BACK_WITHIN_S, float("inf")),
    ):
        p50, p95 = (show_s(result.quantile_s(share, since_s, until_s)) for share in (0.5, 0.95))
        count = sum(since_s <= each.at_s < until_s for each in result.finals)
        print(f"  {title}: {count} finals, p50 {p50}, p95 {p95}")


def tell(is_reached: bool, what: str) -> None:
    print(f"{'reached' if is_reached else 'MISSED'}: {what}", flush=True)


if __name__ == "__main__":
    main()
