"""Sends bent requests to the dialects and writes answers of chunks at random: no 5xx, no leak, events in order.

python scripts/measure/fuzz_dialects.py [COUNT]      20000 by default, of each kind
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import LlmSettings, Settings  # noqa: E402  # the path above comes first
from tests.fakes.llm_providers import with_models  # noqa: E402
from tests.support.dialect_fuzz import RandomChat, send_requests, write_answers  # noqa: E402
from tests.support.server import run_server  # noqa: E402

_WARM = 2000


def _measure_memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Print what came; the status is 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    started_s = time.monotonic()
    model = RandomChat(chosen.seed)
    llm = LlmSettings(discover=False, model_aliases={"*": "random/any"})
    with run_server(Settings(_env_file=None, llm=llm), registrations=with_models(random=model)) as server:
        warm = send_requests(server.url, min(_WARM, chosen.count), chosen.seed)
        before_mib = _measure_memory_mib()
        sent = send_requests(server.url, max(0, chosen.count - _WARM), chosen.seed + 1)
        grown_mib = _measure_memory_mib() - before_mib
        troubles = [line for line in server.troubles if "refused a request" not in line]
    written = write_answers(chosen.count, chosen.seed)
    faults = [*warm.faults, *sent.faults, *written.faults, *troubles]
    result = {
        "statuses": dict(warm.statuses + sent.statuses),
        "answers": written.statuses[200],
        "faults": len(faults),
        "left_open": model.opened - model.closed,
        "grown_mib": round(grown_mib, 1),
        "took_s": round(time.monotonic() - started_s),
    }
    print(json.dumps(result, indent=2))
    for fault in faults[:5]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
