"""Is anything lost when a server is killed? `kill -9` at random moments while four conversations are streamed."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from tests.support.crashes import CrashCampaign  # noqa: E402  # found by the line above


def main() -> None:
    """Stops at the first thing that is lost; else tells what became of every message."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prompter-crashes-") as folder:
        crashes = CrashCampaign(Path(folder), chosen.seed)
        asyncio.run(crashes.run(chosen.kills))
    told = {
        **crashes.tally,
        "most_lost_chars": crashes.most_lost_chars,
        "took_s": round(time.monotonic() - begun_s),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
