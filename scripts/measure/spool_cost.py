"""Measures what it costs to keep audio on disk until its text is stored: CPU, disk, and the latency of finals.

python scripts/measure/spool_cost.py SPEECH

SPEECH holds recordings, as for the benchmark. Speakers dictate the same audio at the pace of speech to servers without
the spool, with it, and with it on a disk on which each write takes two seconds, in turns.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

import anyio  # noqa: E402  # the path above comes first

from app.bench.clips import Scene, build_scene, find_clips, load_samples  # noqa: E402
from app.bench.machine import describe_machine  # noqa: E402
from app.bench.speaker import SessionOptions, list_finals, speak  # noqa: E402
from app.bench.target import Target, reserve_port, run_process, wait_until_ready  # noqa: E402
from app.client.prompt_client import PromptClient  # noqa: E402
from app.storage.audio_spool import FileSpool  # noqa: E402

MODES = ("off", "on", "stalled")
STALL_S = 2.0
LOOK_S = 0.25


class StallingSpool(FileSpool):
    """A disk on which each write takes its time."""

    def append(self, entry_id: UUID, position: int, audio: bytes) -> None:
        time.sleep(STALL_S)
        super().append(entry_id, position, audio)


def serve(port: int, *, is_stalled: bool) -> int:
    """Run the server in this process."""
    from app import main as application
    from app.cli.main import execute

    if is_stalled:
        application.FileSpool = StallingSpool  # type: ignore[misc]
    return execute(["serve", "--host", "127.0.0.1", "--port", str(port)])


def main() -> int:
    options = parse_arguments()
    if options.serve:
        return serve(options.serve, is_stalled=options.folder.name == "stalled")
    clips = find_clips(options.folder, langs=("en",), kinds=("speech",))
    loaded = [(clip, load_samples(clip)) for clip in clips if clip.speech]
    scenes = [build_scene(loaded, options.utterances, seed) for seed in range(options.speakers)]
    rounds: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
    for number in range(options.rounds):
        for mode in MODES:
            found = measure(mode, scenes, options.model)
            rounds[mode].append(found)
            print(
                number, mode, {**found, "to_final_ms": len(found["to_final_ms"])}, file=sys.stderr, flush=True
            )
    result = {
        "machine": describe_machine(),
        "model": options.model,
        "speakers": options.speakers,
        "rounds": rounds,
    }
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(format_rounds(rounds))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--speakers", type=int, default=4)
    parser.add_argument("--utterances", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    parser.add_argument("--serve", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(mode: str, scenes: Sequence[Scene], model: str) -> dict[str, Any]:
    """One round of all speakers at once, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="prompter-spool-") as data, reserve_port() as port:
        settings = {
            "PROMPTER_DATA_DIR": data,
            "PROMPTER_STT__PROVIDER": "whisper_local",
            "PROMPTER_STT__WHISPER_LOCAL__MODEL": model,
            "PROMPTER_STORAGE__SPOOL": str(mode != "off").lower(),
            "PROMPTER_STORAGE__AUDIO_HOURS": "0",
            "PROMPTER_SCHEDULER__ADMIT_LOAD": "0",
        }
        command = [sys.executable, __file__, mode, "--serve", str(port)]
        with run_process(command, settings) as server:
            wait_until_ready(port, server)
            target = Target(f"http://127.0.0.1:{port}", server.process.pid)
            return asyncio.run(speak_all(target, scenes, Path(data) / "spool"))


async def speak_all(target: Target, scenes: Sequence[Scene], spool: Path) -> dict[str, Any]:
    """CPU of the server, the most that lay on its disk, and how long each final took."""
    speech = SessionOptions("whisper_local", lang="en", endpointing="conversation")
    async with PromptClient(target.url) as client:
        async with aclosing(client.dictate([bytes(32_000)] * 3, lang="en")) as warm_up:
            async for _ in warm_up:
                pass
        before_s = target.read_cpu_s()
        most_bytes = 0
        waited: list[float] = []
        async with anyio.create_task_group() as group:

            async def look() -> None:
                nonlocal most_bytes
                while True:
                    most_bytes = max(most_bytes, measure_folder(spool))
                    await anyio.sleep(LOOK_S)

            async def say(scene: Scene) -> None:
                log = await speak(client, scene.samples, speech)
                waited.extend(at - data["timing"]["speech_end_ms"] for at, data in list_finals(log))

            async with anyio.create_task_group() as speakers:
                group.start_soon(look)
                for scene in scenes:
                    speakers.start_soon(say, scene)
            group.cancel_scope.cancel()
        after_s = target.read_cpu_s()
    assert before_s is not None and after_s is not None  # noqa: PT018  # the server runs here
    audio_s = sum(len(scene.samples) / 16_000 for scene in scenes)
    return {
        "audio_s": round(audio_s, 1),
        "cpu_s": round(after_s - before_s, 2),
        "most_bytes": most_bytes,
        "to_final_ms": waited,
    }


def measure_folder(folder: Path) -> int:
    """What lies in a folder (bytes)."""
    sizes = []
    for path in folder.rglob("*.pcm"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # its text is stored
            continue
    return sum(sizes)


def format_rounds(rounds: dict[str, list[dict[str, Any]]]) -> str:
    """The medians of all rounds, as Markdown."""
    lines = ["| spool | CPU for a second of audio | most on disk | finals | p50 | p95 |", "|---" * 6 + "|"]
    for mode, found in rounds.items():
        cpu_ms = statistics.median(1000 * each["cpu_s"] / each["audio_s"] for each in found)
        most = statistics.median(each["most_bytes"] for each in found)
        waited = sorted(ms for each in found for ms in each["to_final_ms"])
        p95 = waited[min(int(0.95 * len(waited)), len(waited) - 1)]
        lines.append(
            f"| {mode} | {cpu_ms:.1f} ms | {most / 1e6:.1f} MB | {len(waited)} |"
            f" {statistics.median(waited):.0f} ms | {p95:.0f} ms |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
