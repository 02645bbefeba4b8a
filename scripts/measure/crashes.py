"""Checks that nothing is lost when a server is killed: `kill -9` at random moments while four conversations stream."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from tests.support.crashes import CrashCampaign  # noqa: E402  # the path above comes first


def main() -> None:
    """Kill servers; stop at the first loss, else print how many messages ended in each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prompter-crashes-") as folder:
        campaign = CrashCampaign(Path(folder), chosen.seed)
        asyncio.run(campaign.run(chosen.kills))
    result = {
        **campaign.tally,
        "most_lost_chars": campaign.most_lost_chars,
        "most_lost_s": round(campaign.most_lost_s, 2),
        "took_s": round(time.monotonic() - started_s),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
