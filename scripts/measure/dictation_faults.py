"""Checks that no utterance is lost or written twice: people dictate while line, server, worker and client break.

python scripts/measure/dictation_faults.py SPEECH

SPEECH holds recordings in English and Spanish, as for the benchmark. The checkpoint is `base`
(`PROMPTER_STT__WHISPER_LOCAL__MODEL`). A hundred faults take about half an hour on two cores. Whisper decodes in
threads of the server: the decode workers that are killed are those of `pocketsphinx`, with which one of five dictates.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

import numpy as np  # noqa: E402  # the path above comes first
from numpy.typing import NDArray  # noqa: E402

from app.bench.clips import Clip, find_clips, load_samples  # noqa: E402
from app.bench.target import reserve_port  # noqa: E402
from tests.support.dictation_faults import (  # noqa: E402
    FAULTS,
    DictationCampaign,
    MortalServer,
    Outcome,
    Scene,
    format_outcome,
    make_scene,
    spread_faults,
    to_json,
)

Clips = Sequence[tuple[Clip, NDArray[np.int16]]]
WITHOUT = ("en_digits_10001",)
"""Digits may be written in several right ways."""
AT_ONCE = ("en", "es", "en", "es", "pocketsphinx")
"""The languages of those who dictate at once, and the one who uses the other engine."""


def main() -> None:
    options = parse_arguments()
    dice = random.Random(options.seed)  # a plan, not a secret
    clips = load_clips(options.folder)
    began_s = time.monotonic()

    def report(line: str, outcome: Outcome) -> None:
        print(f"{time.monotonic() - began_s:.0f} s: {line}", file=sys.stderr, flush=True)
        if options.out is not None:
            options.out.write_text(to_json(outcome), encoding="utf-8")

    with tempfile.TemporaryDirectory(prefix="prompter-faults-") as folder, reserve_port() as port:
        settings = {"PROMPTER_STT__PROVIDER": "whisper_local", "PROMPTER_STT__WHISPER_LOCAL__MODEL": "base"}
        settings["PROMPTER_SCHEDULER__ADMIT_LOAD"] = "0"  # a busy machine refuses whoever begins
        settings |= {name: value for name, value in os.environ.items() if name.startswith("PROMPTER_")}
        settings["PROMPTER_DATA_DIR"] = str(Path(folder) / "data")
        campaign = DictationCampaign(
            MortalServer(Path(folder), port, **settings),
            Path(folder),
            seed=options.seed,
            speed=options.speed,
            pause_s=options.pause_s,
            gap_s=(0.5, 6.0),
            most_a_wave=-(-options.faults * len(AT_ONCE) // options.dictations),
            report=report,
        )
        kinds = [kind for kind in FAULTS if not options.kinds or kind in options.kinds]
        faults = spread_faults(options.faults, dice, kinds)
        outcome = asyncio.run(campaign.run(make_waves(clips, dice), faults))
    print(format_outcome(outcome))
    print(f"\nfailed: {outcome.failures}\nleft on disk: {outcome.left_on_disk}\nerrors: {outcome.troubles}")
    print(f"{(time.monotonic() - began_s) / 60:.0f} minutes")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--dictations", type=int, default=30, help="over at least so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=2.0, help="times as fast as people speak")
    parser.add_argument("--pause-s", type=float, default=30.0, help="how long a paused server is paused")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=[])
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    return parser.parse_args()


def load_clips(folder: Path) -> dict[str, Clips]:
    """The recordings of each language."""
    found = [clip for clip in find_clips(folder, kinds=("speech",)) if clip.speech and clip.id not in WITHOUT]
    return {
        lang: [(replace(clip, lang=lang), load_samples(clip)) for clip in found if clip.lang == lang]
        for lang in ("en", "es")
    }


def make_waves(clips: dict[str, Clips], dice: random.Random) -> Iterator[list[Scene]]:
    """Waves without end."""
    number = 0
    while True:
        wave = []
        for kind in AT_ONCE:
            number += 1
            is_other = kind == "pocketsphinx"
            wave.append(
                make_scene(
                    clips["en" if is_other else kind],
                    dice,
                    name=f"{number}",
                    provider="pocketsphinx" if is_other else "whisper_local",
                )
            )
        yield wave


if __name__ == "__main__":
    main()
