"""Compares search settings of PocketSphinx: word errors, CPU time, end of utterance, memory.

    python scripts/measure/sphinx_settings.py FOLDER [--only NAME ...]

FOLDER holds `manifest.jsonl` and the clips. Each setting runs in a process of its own. Cost is
CPU time, so other work on the machine disturbs the figures only a little.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
import wave
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soxr
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "backend"))
from app.providers.stt.pocketsphinx.recognizer import SEARCH
from app.providers.stt.pocketsphinx.wire import BLOCK_BYTES, SAMPLE_RATE_HZ

ONE_PASS = {"fwdflat": False, "bestpath": False}
LATTICE = {"fwdflat": False, "bestpath": True}
FAST = {"maxhmmpf": 3000, "maxwpf": 5, "ds": 2, "topn": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "engine default": {},
    "no fwdflat": LATTICE,
    "no fwdflat, no bestpath": ONE_PASS,
    "maxhmmpf 5000 maxwpf 10, no fwdflat": {"maxhmmpf": 5000, "maxwpf": 10, **LATTICE},
    "maxhmmpf 3000, no fwdflat": {"maxhmmpf": 3000, **LATTICE},
    "maxhmmpf 3000 topn 2, no fwdflat": {"maxhmmpf": 3000, "topn": 2, **LATTICE},
    "fast": FAST,
    "fast, no fwdflat": {**FAST, **LATTICE},
    "fast, no fwdflat, no bestpath": {**FAST, **ONE_PASS},
    "maxhmmpf 3000 maxwpf 10 topn 2, no fwdflat": {"maxhmmpf": 3000, "maxwpf": 10, "topn": 2, **LATTICE},
    "maxhmmpf 1000 maxwpf 5, no fwdflat": {"maxhmmpf": 1000, "maxwpf": 5, **LATTICE},
    "chosen": dict(SEARCH),
}
QUIET_DBFS = -30.0
MAX_PIECE_S = 15
MIN_PIECE_S = 8


def load(folder: Path) -> list[tuple[str, list[bytes]]]:
    """Clips of plain English at 16 kHz and above: reference text, and the audio cut into utterances."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    return [
        (row["text_norm"], cut(read_16k(folder / row["file"])))
        for row in rows
        if row["lang"] == "en"
        and row["kind"] in ("speech", "speech-long")
        and row["sample_rate"] >= SAMPLE_RATE_HZ
        and row["peak_dbfs"] > QUIET_DBFS
    ]


def read_16k(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        mono = pcm.mean(axis=1).astype(np.float32)
        out = soxr.resample(mono, file.getframerate(), SAMPLE_RATE_HZ, "HQ")
    pcm16: NDArray[np.int16] = np.clip(np.rint(out), -32768, 32767).astype(np.int16)
    return pcm16


def cut(samples: NDArray[np.int16]) -> list[bytes]:
    """Long recordings, cut at the quietest 200 ms between 8 and 15 s after the last cut."""
    pieces = []
    window = SAMPLE_RATE_HZ // 5
    while len(samples) > MAX_PIECE_S * SAMPLE_RATE_HZ:
        starts = range(MIN_PIECE_S * SAMPLE_RATE_HZ, MAX_PIECE_S * SAMPLE_RATE_HZ - window, window // 4)
        energy = [float(np.square(samples[at : at + window].astype(np.float64)).sum()) for at in starts]
        middle = starts[int(np.argmin(energy))] + window // 2
        pieces.append(samples[:middle].tobytes())
        samples = samples[middle:]
    return [*pieces, samples.tobytes()]


def measure(folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """Decode every clip as one dictation, in the blocks and with the resets that the server uses."""
    from app.providers.stt.pocketsphinx.recognizer import LanguageModel

    before_mb = read_uss_mb()
    recognizer = LanguageModel(options).make_recognizer()
    references, texts, blocks_ms, ends_ms, audio_s, cpu_s, tails = [], [], [], [], 0.0, 0.0, []
    for reference, pieces in load(folder):
        cmn, heard = None, []
        for pcm in pieces:
            began = time.process_time()
            recognizer.begin(cmn)
            whole = len(pcm) // BLOCK_BYTES * BLOCK_BYTES
            for at in range(0, whole, BLOCK_BYTES):
                mark = time.process_time()
                recognizer.feed(pcm[at : at + BLOCK_BYTES])
                blocks_ms.append(1000 * (time.process_time() - mark))
            mark = time.process_time()
            result = recognizer.finish(pcm[whole:])
            ends_ms.append(1000 * (time.process_time() - mark))
            cpu_s += time.process_time() - began
            audio_s += len(pcm) / 2 / SAMPLE_RATE_HZ
            cmn = result.cmn
            heard.append(result.text)
        references.append(reference)
        texts.append(" ".join(heard))
        tails.append(reference.split()[-1:] == texts[-1].split()[-1:])
    return {
        "wer_percent": 100 * jiwer.wer(references, texts),
        "last_word_percent": 100 * statistics.mean(tails),
        "words": sum(len(text.split()) for text in references),
        "rtf": cpu_s / audio_s,
        "block_p99_ms": statistics.quantiles(blocks_ms, n=100)[98],
        "end_ms": statistics.median(ends_ms),
        "end_max_ms": max(ends_ms),
        "uss_mb": read_uss_mb() - before_mb,
    }


def read_uss_mb() -> float:
    """Memory that this process shares with no other (Linux)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    arguments = parser.parse_args()
    for name in arguments.only:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            figures = pool.apply(measure, (arguments.folder, VARIANTS[name]))
        print(
            json.dumps({"settings": name} | {key: round(value, 3) for key, value in figures.items()}),
            flush=True,
        )


if __name__ == "__main__":
    main()
