"""Simulates a cluster on scripted time: thousands of speakers, gateways and workers, decided by the real policy.

python scripts/measure/cluster/simulate.py --speakers 10000 --workers 200 --cores 8 --gateways 80

Engine, network and clock are simulated; each decision of the scheduling policies is made and timed. It prints how long
finals and partials queue, what a decision costs, and how much of each part of the cluster is in use. Ten thousand
speakers take some minutes of one core.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "backend")]

from scripted_cluster import AUDIO_BYTES_S, Gateway, Link, Worker  # noqa: E402  # the path above comes first
from scripted_speech import CHECKPOINTS, SPOKEN, Speaker, parse_spoken  # noqa: E402
from scripted_time import Figures, Timeline  # noqa: E402

from app.bench.figures import compute_quantile  # noqa: E402  # the path above comes first

CALL_CPU_S = 0.0009
"""CPU of a gateway for one call of a worker, over Ray (docs/decisions/0026)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    speakers: int
    workers: int
    cores: int
    """Cores of one worker; each decodes one utterance at a time."""
    gateways: int
    checkpoint: str = "base"
    measured_s: float = 20.0
    warm_up_s: float = 20.0
    link: Link = field(default_factory=Link)
    audio_ms: float = 5.3
    """CPU of a gateway for a second of audio, before the engine (`audio_path.py`)."""
    admit_load: float = 0.0
    """As `scheduler.admit_load`; 0 refuses nobody."""

    @property
    def slots(self) -> int:
        return self.workers * self.cores


def simulate(plan: Plan) -> Figures:
    """Let all speak for `warm_up_s` and then for `measured_s`, and return what was seen in the second part."""
    timeline, figures = Timeline(), Figures(since=plan.warm_up_s)
    workers = [Worker(timeline, plan.cores, figures) for _ in range(plan.workers)]
    gateways = [
        Gateway(timeline, workers, figures, plan.link, number=number, admit_load=plan.admit_load)
        for number in range(plan.gateways)
    ]
    spoken, dice = parse_spoken(SPOKEN), Random(1)
    for session in range(plan.speakers):
        gateway = gateways[session % plan.gateways]
        speaker = Speaker(gateway, session, CHECKPOINTS[plan.checkpoint], spoken)
        timeline.at(dice.uniform(0, plan.warm_up_s / 2), speaker.start)
    timeline.run(plan.warm_up_s + plan.measured_s)
    return figures


def list_uses(plan: Plan, figures: Figures) -> dict[str, float]:
    """Which share of each part of the cluster is in use; above 1 there is not enough of it. Partials take what is left
    of the workers, and count for nothing here."""
    audio = plan.speakers * plan.audio_ms / 1000 / plan.gateways
    decisions = count_decisions(plan, figures)
    calls = count_calls(plan, figures) * CALL_CPU_S
    looks = plan.workers / plan.link.heartbeat_s * CALL_CPU_S
    network_bit_s = 8 * (plan.speakers * AUDIO_BYTES_S + figures.sent_bytes / plan.measured_s) / plan.gateways
    return {
        "cores of the workers, finals": figures.finals_s / plan.measured_s / plan.slots,
        "core of a gateway": audio + decisions + calls + looks,
        "1 Gbit/s of a gateway": network_bit_s / 1e9,
    }


def count_decisions(plan: Plan, figures: Figures) -> float:
    """What decisions take of a gateway's core."""
    return (sum(figures.decisions_s) + sum(figures.choices_s)) / plan.measured_s / plan.gateways


def count_calls(plan: Plan, figures: Figures) -> float:
    """Decodes that a gateway asks for in a second."""
    return len(figures.choices_s) / plan.measured_s / plan.gateways


def report(plan: Plan, figures: Figures) -> list[str]:
    """The rows of a Markdown table."""

    def show(values: Sequence[float], unit: float = 1.0, digits: int = 2) -> str:
        quantiles = (compute_quantile(values or [0.0], share) * unit for share in (0.5, 0.95))
        return " / ".join(f"{value:.{digits}f}" for value in quantiles)

    uses = list_uses(plan, figures)
    partials = len(figures.partial_queue_s)
    decisions = count_decisions(plan, figures)
    calls = count_calls(plan, figures)
    looks = plan.workers / plan.link.heartbeat_s
    busy = figures.busy_s / plan.measured_s / plan.slots
    rows = {
        "speakers, refused": f"{plan.speakers}, {figures.refused}",
        "workers x cores, gateways": f"{plan.workers} x {plan.cores}, {plan.gateways}",
        "end of speech to final, p50 / p95 (s)": show(figures.to_final_s),
        "of it the queue, p50 / p95 (s)": show(figures.final_queue_s),
        "finals, silences that ended": f"{len(figures.to_final_s)}, {figures.ended}",
        "queue of partials, p50 / p95 (s)": show(figures.partial_queue_s),
        "onset to the first partial, p50 / p95 (s)": show(figures.first_partial_s),
        "partials a second and speaker": f"{partials / plan.measured_s / plan.speakers:.2f}",
        "partials shed": f"{100 * figures.shed / max(figures.shed + partials, 1):.1f} %",
        "highest level of pressure": str(figures.highest_level),
        "a decision, p50 / p95 (us)": show(figures.decisions_s, 1e6, 0),
        "decisions a second and gateway": f"{len(figures.decisions_s) / plan.measured_s / plan.gateways:.0f}",
        "the choice of a worker, p50 / p95 (us)": show(figures.choices_s, 1e6, 0),
        "a worker's decision, p50 / p95 (us)": show(figures.worker_decisions_s, 1e6, 0),
        "wait of finals at their worker, p50 / p95 (s)": show(figures.at_worker_s, digits=3),
        "decisions, of a gateway's core": f"{100 * decisions:.2f} %",
        "decodes a second and gateway, of its core": f"{calls:.0f}, {100 * calls * CALL_CPU_S:.1f} %",
        "heartbeats a second and gateway, of its core": f"{looks:.0f}, {100 * looks * CALL_CPU_S:.1f} %",
        "in use: cores of the workers, partials included": f"{100 * busy:.1f} %",
        **{f"in use: {name}": f"{100 * share:.1f} %" for name, share in uses.items()},
        "scarcest": max(uses, key=uses.__getitem__),
    }
    return [f"| {name} | {value} |" for name, value in rows.items()]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--speakers", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--cores", type=int, default=8, help="cores of a worker")
    parser.add_argument("--gateways", type=int, default=80)
    parser.add_argument("--checkpoint", choices=list(CHECKPOINTS), default="base")
    parser.add_argument("--seconds", type=float, default=10.0, help="scripted seconds that count")
    parser.add_argument("--warm-up", type=float, default=10.0, help="scripted seconds before them")
    parser.add_argument("--heartbeat", type=float, default=1.0, help="as `decode.heartbeat_s`")
    parser.add_argument(
        "--alike", action="store_true", help="all gateways prefer the same one of several idle workers"
    )
    parser.add_argument("--admit-load", type=float, default=0.0, help="as the setting; 0 refuses nobody")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    plan = Plan(
        speakers=options.speakers,
        workers=options.workers,
        cores=options.cores,
        gateways=options.gateways,
        checkpoint=options.checkpoint,
        measured_s=options.seconds,
        warm_up_s=options.warm_up,
        admit_load=options.admit_load,
        link=Link(heartbeat_s=options.heartbeat, is_ranked_alike=options.alike),
    )
    began_s = time.monotonic()
    figures = simulate(plan)
    print("\n".join(["| what | value |", "|---|---|", *report(plan, figures)]))
    print(f"\n{time.monotonic() - began_s:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
