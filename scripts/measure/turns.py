"""Measures what the scheduler adds to a decode in this process: `python scripts/measure/turns.py`, from the root."""

import asyncio
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "backend"))

from app.services.decoding.policy import Job, Priority
from app.services.decoding.scheduler import Scheduler

TURNS = 20_000
ROUNDS = 7


async def measure() -> float:
    """Return the microseconds of one turn whose decode takes no time."""
    scheduler = Scheduler(2, time.monotonic)
    session = scheduler.new_session("none")
    job = Job(session=session, priority=Priority.FINAL, audio_s=1.0, deadline=0.0, cost_key="none")

    async def decode() -> None:
        return None

    began_s = time.process_time()
    for _ in range(TURNS):
        await scheduler.run(job, decode)
    return (time.process_time() - began_s) / TURNS * 1e6


def main() -> None:
    """Print the median of some rounds, and the quickest."""
    rounds = [asyncio.run(measure()) for _ in range(ROUNDS)]
    print(f"a turn takes {statistics.median(rounds):.1f} us of processor time, at best {min(rounds):.1f} us")


if __name__ == "__main__":
    main()
