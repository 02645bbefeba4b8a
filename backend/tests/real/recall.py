"""What was said in real recordings, and how much of it a server writes: clips, two ways to send them, and the count."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import soxr

from app.bench.words import count_missing, normalize_words
from app.providers.base import Samples
from tests.conftest import SAMPLES, SPEECH, read_wav
from tests.support.speech_client import Event, connect_speech_client

RATE_HZ = 16_000
LONGEST_S = 14.9
"""Of a clip for a count: a longer one costs more than it tells."""
NOT_COUNTED = ("digits", "en_cv_")
"""Digit strings, whose words depend on how they are joined, and a single word."""


@dataclass(frozen=True)
class Clip:
    """A recording and its truth."""

    id: str
    lang: str
    path: Path
    text: str


@dataclass(frozen=True)
class Heard:
    """What a server wrote for a clip."""

    clip: Clip
    text: str

    @property
    def truth(self) -> list[str]:
        return normalize_words(self.clip.text, self.clip.lang)

    @property
    def written(self) -> list[str]:
        return normalize_words(self.text, self.clip.lang)

    @property
    def lost(self) -> int:
        """Words of the truth that are not written, in their order."""
        return count_missing(self.truth, self.written)

    @property
    def invented(self) -> int:
        """Words that are written and were not said, or not twice."""
        return count_missing(self.written, self.truth)


def list_sample_clips(lang: str) -> list[Clip]:
    """The project's own recordings of a language: synthetic voices."""
    return [
        Clip(path.stem, lang, path, path.with_suffix(".txt").read_text(encoding="utf-8").strip())
        for path in sorted(SAMPLES.glob(f"{lang}_*.wav"))
    ]


def list_human_clips(lang: str) -> list[Clip]:
    """Sentences that people said, where these recordings are."""
    rows = [row for row in _read_manifest() if row["lang"] == lang and row["kind"] == "speech"]
    return [
        Clip(row["id"], lang, SPEECH / row["file"], row["text"])
        for row in rows
        if row["duration_s"] <= LONGEST_S and not any(part in row["id"] for part in NOT_COUNTED)
    ]


def list_sounds() -> list[Path]:
    """Recordings without speech: a dog, jazz, a telephone, silence."""
    return [SPEECH / row["file"] for row in _read_manifest() if row["kind"] == "non-speech"]


def _read_manifest() -> list[dict[str, Any]]:
    if not SPEECH.is_dir():
        pytest.skip("the real recordings are not beside this checkout")
    lines = (SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def load_audio(path: Path) -> Samples:
    """A recording at 16 kHz."""
    samples, rate_hz = read_wav(path)
    scaled = soxr.resample(samples.astype(np.float32), rate_hz, RATE_HZ, quality="HQ")
    rounded: Samples = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return rounded


async def dictate(
    url: str, audio: Samples, lang: str, endpointing: str = "conversation", langs: Sequence[str] = ()
) -> list[Event]:
    """Send samples (16 kHz) over the socket as fast as it takes them; the finals with text."""
    async with connect_speech_client(url) as client:
        await client.start(lang=lang, langs=list(langs), endpointing=endpointing, sample_rate=RATE_HZ)
        for begin in range(0, len(audio), RATE_HZ // 5):
            await client.connection.send(audio[begin : begin + RATE_HZ // 5].tobytes())
        await client.stop()
        return [event for event in client.events if event["type"] == "final" and event["text"]]


def join_finals(finals: Sequence[Event]) -> str:
    """The text of a dictation."""
    return " ".join(final["text"] for final in finals)


async def upload(url: str, recording: bytes, lang: str, name: str = "speech.wav") -> str:
    """Send a file to `/v1/audio/transcriptions`; the text."""
    fields = {"model": "whisper-1"} | ({} if lang == "auto" else {"language": lang})
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        answer = await http.post("/v1/audio/transcriptions", data=fields, files={"file": (name, recording)})
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["text"]
    return text


def assert_understood(heard: Sequence[Heard], *, kept: float, invented: float) -> None:
    """Assert how many of the words are written, and how few that nobody said; a failure lists all texts."""
    words = sum(len(one.truth) for one in heard)
    is_kept = 1 - sum(one.lost for one in heard) / words
    is_invented = sum(one.invented for one in heard) / words
    lines = [f"{is_kept:.3f} of {words} words kept, {is_invented:.3f} invented"]
    for one in heard:
        if one.lost or one.invented:
            lines += [f"{one.clip.id} said:    {one.clip.text}", f"{one.clip.id} written: {one.text}"]
    report = "\n".join(lines)
    assert is_kept >= kept, report
    assert is_invented <= invented, report
