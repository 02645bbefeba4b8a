"""Dictation on recordings: word error streaming against offline, edge words, latency, phantom finals.

    python bench/dictation.py DIR [--provider pocketsphinx] [--lang en] [--speakers 2] [--fast] [--json FILE]

DIR holds `manifest.jsonl` (id, file, sample_rate, lang, kind, text_norm) and its WAV files. Each clip is
dictated in real time over the socket of a server started here; the same engine then decodes the whole clip
offline, without speech detection or cuts.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
import unicodedata
import wave
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soxr
import websockets
from ingest import free_port, ready, serve

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import Settings  # noqa: E402  # the path above comes first
from app.providers.base import SttConfig  # noqa: E402
from app.services.engines import Engines  # noqa: E402

CHUNK_S = 0.1


@dataclass
class Heard:
    """What came back for one clip."""

    row: dict[str, Any]
    finals: list[str] = field(default_factory=list)
    first_partial_ms: float | None = None
    final_ms: list[float] = field(default_factory=list)
    unstable: tuple[int, int] = (0, 0)
    offline: str = ""

    @property
    def text(self) -> str:
        return words(" ".join(self.finals))


def words(text: str) -> str:
    """Lower-case words without punctuation."""
    kept = (c if c.isalnum() or c == "'" else " " for c in unicodedata.normalize("NFC", text).lower())
    return " ".join("".join(kept).split())


def load(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        audio = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        return audio.astype(np.float32).mean(axis=1).astype(np.int16), file.getframerate()


async def dictate(url: str, folder: Path, row: dict[str, Any], provider: str, fast: bool) -> Heard:
    """One clip over the socket; latency is wall time against the moment its last speech sample was sent."""
    audio, rate = load(folder / row["file"])
    heard, step = Heard(row), int(rate * CHUNK_S)
    stable_words = wrong = 0
    stable: dict[int, str] = {}
    async with websockets.connect(url, compression=None, ping_interval=None, max_size=None) as ws:
        config = {"provider": provider, "sample_rate": rate, "events": ["speech_started"]}
        await ws.send(json.dumps({"type": "start", "session_id": row["id"], "config": config}))
        assert json.loads(await ws.recv())["type"] == "ready"
        began = time.monotonic()

        async def speak() -> None:
            for at in range(0, len(audio), step):
                if not fast:
                    await asyncio.sleep(max(0.0, began + (at + step) / rate - time.monotonic()))
                await ws.send(audio[at : at + step].tobytes())
            await ws.send('{"type":"stop"}')

        speaking = asyncio.create_task(speak())
        onset_ms: float | None = None
        async for message in ws:
            event = json.loads(message)
            now_ms = (time.monotonic() - began) * 1000
            match event["type"]:
                case "speech_started":
                    onset_ms = onset_ms if onset_ms is not None else event["start_ms"] + 400
                case "partial":
                    if heard.first_partial_ms is None and onset_ms is not None:
                        heard.first_partial_ms = now_ms - onset_ms
                    stable[event["utterance_id"]] = event["stable"]
                case "final":
                    if event["text"]:
                        heard.finals.append(event["text"])
                    held = words(stable.get(event["utterance_id"], "")).split()
                    said = words(event["text"]).split()
                    stable_words += len(held)
                    blocks = SequenceMatcher(None, held, said, autojunk=False).get_matching_blocks()
                    wrong += len(held) - sum(block.size for block in blocks)
                    timing = event["timing"]
                    heard.final_ms.append(now_ms - timing["speech_end_ms"] - timing["endpoint_ms"])
                case "stopped":
                    break
        await speaking
    heard.unstable = (wrong, stable_words)
    return heard


async def offline(heard: list[Heard], folder: Path, provider_name: str) -> None:
    """Decode whole clips with the same engine, each in a session of its own."""
    engines = Engines(Settings(_env_file=None))
    provider = (await engines.choose(provider_name, "auto", None)).provider
    await provider.start()
    for one in heard:
        audio, rate = load(folder / one.row["file"])
        samples = np.clip(np.rint(soxr.resample(audio.astype(np.float32), rate, 16_000)), -32768, 32767)
        session = await provider.open_session(SttConfig())
        stream = await session.open_stream()
        await stream.accept(samples.astype(np.int16))
        one.offline = words((await stream.finish(len(samples))).text)
        await stream.aclose()
        await session.aclose()
    await engines.aclose()


def edge_recall(heard: list[Heard], edge: int) -> float:
    """Of the clips whose first (0) or last (-1) word is right offline, the share that streaming keeps."""

    def right(one: Heard, text: str) -> bool:
        said = text.split()
        return bool(said) and said[edge] == truth(one).split()[edge]

    offline_right = [one for one in heard if right(one, one.offline)]
    kept = [one for one in offline_right if right(one, one.text)]
    return len(kept) / len(offline_right) if offline_right else float("nan")


def truth(one: Heard) -> str:
    return words(one.row["text_norm"])


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered)),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]),
        "n": len(ordered),
    }


def report(speech: list[Heard], silent: list[Heard]) -> dict[str, Any]:
    truths = [truth(one) for one in speech]
    wrong, stable = (sum(one.unstable[i] for one in speech) for i in (0, 1))
    return {
        "clips": len(speech),
        "words": sum(len(text.split()) for text in truths),
        "wer_streaming": round(jiwer.wer(truths, [one.text or "-" for one in speech]), 4),
        "wer_offline": round(jiwer.wer(truths, [one.offline or "-" for one in speech]), 4),
        "first_word_recall": round(edge_recall(speech, 0), 3),
        "last_word_recall": round(edge_recall(speech, -1), 3),
        "first_partial_ms": spread(
            [one.first_partial_ms for one in speech if one.first_partial_ms is not None]
        ),
        "end_of_speech_to_final_beyond_endpoint_ms": spread([ms for one in speech for ms in one.final_ms]),
        "stable_words_that_differ_from_final": round(wrong / stable, 4) if stable else None,
        "phantom_finals": sum(len(one.finals) for one in silent),
        "non_speech_clips": len(silent),
    }


def chosen(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The clips to dictate: speech of the language and kinds asked for, and everything that is no speech."""
    lines = (options.dir / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        row
        for row in rows
        if row["kind"] == "non-speech"
        or (
            row["lang"] == options.lang
            and row["kind"] in options.kinds
            and row["sample_rate"] >= options.min_rate
        )
    ]


async def run(options: argparse.Namespace) -> dict[str, Any]:
    rows = chosen(options)
    port = free_port()
    server = serve("app.main:app", ROOT / "backend", port)
    url = f"ws://127.0.0.1:{port}/ws/stt"
    limit = asyncio.Semaphore(options.speakers)

    async def one(row: dict[str, Any]) -> Heard:
        async with limit:
            return await dictate(url, options.dir, row, options.provider, options.fast)

    try:
        await ready(url)
        heard = await asyncio.gather(*(one(row) for row in rows))
    finally:
        server.terminate()
        server.wait()
    speech = [h for h in heard if h.row["kind"] != "non-speech"]
    await offline(speech, options.dir, options.provider)
    for h in speech:
        print(f"{h.row['id']}\n  said      {truth(h)}\n  streaming {h.text}\n  offline   {h.offline}")
    return report(speech, [h for h in heard if h.row["kind"] == "non-speech"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir", type=Path)
    parser.add_argument("--provider", default="pocketsphinx")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--kinds", nargs="+", default=["speech", "speech-multi", "speech-degraded"])
    parser.add_argument("--min-rate", type=int, default=16_000)
    parser.add_argument("--speakers", type=int, default=2)
    parser.add_argument(
        "--fast", action="store_true", help="as fast as the server takes it; latency means nothing then"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = asyncio.run(run(options))
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
