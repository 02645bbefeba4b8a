"""Measures the CPU per second of audio before the engine: decoding, resampling, speech gate, endpointing.

python scripts/measure/audio_path.py [DIR]      WAV files of speech; samples/ by default
"""

import base64
import json
import statistics
import sys
import time
import wave
from pathlib import Path

import numpy as np
import orjson

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import Settings  # noqa: E402  # the path above comes first
from app.services.audio.pcm import decode_base64, to_samples  # noqa: E402
from app.services.audio.segmenter import Segmenter  # noqa: E402

RUNS = 5


def measure_cost_ms(audio: np.ndarray, rate: int) -> float:
    """CPU milliseconds per second of audio, median of RUNS, for 100 ms chunks as JSON messages."""
    step = rate // 10
    messages = [
        json.dumps(
            {
                "type": "audio",
                "format": "pcm16",
                "sample_rate": rate,
                "data": base64.b64encode(piece).decode(),
            }
        )
        for piece in (audio[at : at + step].tobytes() for at in range(0, len(audio), step))
    ]
    found = []
    for _ in range(RUNS):
        segmenter = Segmenter(Settings(_env_file=None), rate, 600)
        began = time.process_time()
        for message in messages:
            segmenter.push(to_samples(decode_base64(orjson.loads(message)["data"])))
        found.append((time.process_time() - began) * 1000 / (len(audio) / rate))
    return statistics.median(found)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "samples"
    rows = []
    for path in sorted(folder.rglob("*.wav")):
        with wave.open(str(path)) as file:
            frames = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            audio, rate = frames[:: file.getnchannels()], file.getframerate()
        if np.abs(audio).max() > 0:
            rows.append((path.stem, rate, measure_cost_ms(audio, rate)))
    for name, rate, cost in rows:
        print(f"{cost:6.2f} ms/s  {rate:6d} Hz  {name}")
    print(f"{statistics.median(cost for *_, cost in rows):6.2f} ms/s  speech, median of {len(rows)} files")
    for rate in (16_000, 48_000):
        print(
            f"{measure_cost_ms(np.zeros(rate * 30, np.int16), rate):6.2f} ms/s  digital silence at {rate} Hz"
        )
        room = (np.random.default_rng(1).standard_normal(rate * 30) * 30).astype(np.int16)
        print(f"{measure_cost_ms(room, rate):6.2f} ms/s  a quiet room (white noise at -60 dBFS) at {rate} Hz")


if __name__ == "__main__":
    main()
