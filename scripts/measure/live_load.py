"""Prints the tables of live speech under load, as Markdown: what speakers see, by number of speakers and checkpoint.

python scripts/measure/live_load.py DIR [CHECKPOINT ...]

DIR holds recordings in English and Spanish, as for the benchmark. On a quiet machine of two cores it takes about 20
minutes for `base` and `tiny.en`, which are the default. Each speaker says five recordings, with pauses of 1.2 to 2 s;
one who speaks alone says up to ten of each language. `--levels 1,8` measures fewer numbers of speakers.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.bench.report import Run, format_hearing, write_run  # noqa: E402  # the path above comes first
from app.bench.runner import Plan, run_plan  # noqa: E402
from app.bench.speaker import SessionOptions  # noqa: E402

UTTERANCES = 5
LEVELS = {"base": (1, 8, 10, 16), "tiny.en": (1, 16, 20, 24)}
TWICE = {"base": 20, "tiny.en": 40}
"""With admission off: about twice what fits."""
DIGITS = ("en_digits_10001",)
"""Digits may be written in several right ways."""


def main() -> None:
    options = parse_arguments()
    began_s = time.monotonic()
    for checkpoint in options.checkpoints:
        levels = options.levels or LEVELS.get(checkpoint, LEVELS["base"])
        print(f"\n### {checkpoint}\n", flush=True)
        measure(options, checkpoint, "admission as shipped", levels)
        for profile in options.profiles if checkpoint == options.checkpoints[0] else ():
            few = [level for level in levels if level in levels[:2]]
            measure(options, checkpoint, f"endpointing {profile}", few, profile=profile)
        if not options.levels:
            twice = [TWICE.get(checkpoint, TWICE["base"])]
            measure(options, checkpoint, "admission off", twice, PROMPTER_SCHEDULER__ADMIT_LOAD="0")
    print(f"\n{(time.monotonic() - began_s) / 60:.0f} minutes", file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("checkpoints", nargs="*", default=["base", "tiny.en"])
    parser.add_argument("--levels", type=lambda text: [int(part) for part in text.split(",")], default=[])
    parser.add_argument(
        "--profiles", type=lambda text: [part for part in text.split(",") if part], default=["dictation"]
    )
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    parser.add_argument("--out", type=Path, help="folder for result.json of each run")
    return parser.parse_args()


def measure(
    options: argparse.Namespace,
    checkpoint: str,
    title: str,
    levels: list[int],
    *,
    profile: str | None = None,
    **settings: str,
) -> None:
    """One server, one table."""
    if not levels:
        return
    with tempfile.TemporaryDirectory(prefix="prompter-load-") as data:
        settings |= {"PROMPTER_DATA_DIR": data, "PROMPTER_STT__WHISPER_LOCAL__MODEL": checkpoint}
        os.environ.update(settings)  # the offline decodes of this process take the same checkpoint
        plan = Plan(
            folder=options.folder,
            parts=("capacity",),
            speech=SessionOptions("whisper_local", endpointing=profile),
            langs=("en",) if checkpoint.endswith(".en") else ("en", "es"),
            kinds=("speech",),
            without=DIGITS,
            levels=levels,
            utterances=options.utterances,
            environment=settings,
        )
        run = asyncio.run(run_plan(plan, f"{Path(sys.argv[0]).name} {checkpoint}", report_progress))
        os.environ.pop("PROMPTER_SCHEDULER__ADMIT_LOAD", None)
    show(run, title, options.out, f"{checkpoint}-{title.replace(' ', '-')}")


def show(run: Run, title: str, folder: Path | None, name: str) -> None:
    print(f"{title}:\n")
    print("\n".join(format_hearing(run.parts[0].details["levels"])), flush=True)
    if folder is not None:
        write_run(run, folder / name)


def report_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
