"""Recordings to speak: a folder with `manifest.jsonl`, `transcripts.tsv`, or a `.txt` beside each recording."""

import csv
import json
import random
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from app.bench.figures import BenchError
from app.client.errors import AudioError
from app.client.recordings import open_recording

RATE_HZ = 16_000
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".webm")
NON_SPEECH = "non-speech"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording and its transcript."""

    id: str
    path: Path
    text: str
    """The transcript; empty for non-speech, where no final is right."""
    lang: str
    kind: str = "speech"

    @property
    def speech(self) -> bool:
        return bool(self.text)


def find_clips(folder: Path, langs: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[Clip]:
    """The clips of a folder in order, without speech of other languages or kinds.

    Raises:
        BenchError: no speech is left.
    """
    manifest, table = folder / "manifest.jsonl", folder / "transcripts.tsv"
    if manifest.is_file():
        found = _read_manifest(manifest)
    else:
        found = _read_table(table) if table.is_file() else _read_texts(folder)
    kept = [
        clip
        for clip in found
        if not clip.speech
        or ((not langs or clip.lang.split("-")[0] in langs) and (not kinds or clip.kind in kinds))
    ]
    if not any(clip.speech for clip in kept):
        raise BenchError(
            f"no speech to use in {str(folder)!r}; expected `manifest.jsonl`, `transcripts.tsv`,"
            " or a .txt beside each recording"
        )
    return kept


def _read_manifest(manifest: Path) -> list[Clip]:
    clips = []
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            path = manifest.parent / row["file"]
            text = row.get("text_norm", row.get("text", ""))
            clips.append(
                Clip(row.get("id", path.stem), path, text, row.get("lang", "en"), row.get("kind", "speech"))
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchError(
                f"line {number} of {str(manifest)!r} is no clip; expected an object with `file` and `text`"
            ) from error
    return clips


def _read_table(table: Path) -> list[Clip]:
    """Columns `file`, `text` and, if there, `lang`; others are left alone."""
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    try:
        return [
            Clip(Path(row["file"]).stem, table.parent / row["file"], said, row.get("lang") or "en",
                 "speech" if said else NON_SPEECH)
            for row in rows
            for said in [(row["text"] or "").strip()]
        ]  # fmt: skip
    except (KeyError, TypeError) as error:
        raise BenchError(f"{str(table)!r} needs the columns `file` and `text`, separated by tabs") from error


def _read_texts(folder: Path) -> list[Clip]:
    """The language is the first part of the name (`es_…`), English where that is none."""
    clips = []
    for path in sorted(folder.glob("*")):
        text = path.with_suffix(".txt")
        if path.suffix.lower() in SUFFIXES and text.is_file():
            said = text.read_text(encoding="utf-8").strip()
            prefix = path.stem.split("_")[0]
            lang = prefix if len(prefix) == 2 and prefix.isalpha() else "en"
            clips.append(Clip(path.stem, path, said, lang, "speech" if said else NON_SPEECH))
    return clips


def load_samples(clip: Clip) -> NDArray[np.int16]:
    """The whole clip at 16 kHz, mono.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        source = open_recording(clip.path)
        pcm = b"".join(source.chunks)
    except (AudioError, wave.Error) as error:
        raise BenchError(str(error)) from error
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")
    if source.sample_rate == RATE_HZ:
        return samples
    scaled = soxr.resample(samples.astype(np.float32), source.sample_rate, RATE_HZ, "HQ")
    rounded: NDArray[np.int16] = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return rounded


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """A clip and its place in a scene."""

    clip: Clip
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Scene:
    """The audio of one session: clips with pauses between them."""

    samples: NDArray[np.int16]
    lines: tuple[PlacedClip, ...]


def build_scene(clips: Sequence[tuple[Clip, NDArray[np.int16]]], utterances: int, seed: int) -> Scene:
    """`utterances` clips, in an order and with pauses (1.2 to 2 s) that belong to the seed."""
    dice = random.Random(seed)  # noqa: S311  # a plan, not a secret
    pieces, lines, at = [], [], 0
    for number in range(utterances):
        clip, samples = clips[(seed + number) % len(clips)]
        pause = np.zeros(int(dice.uniform(1.2, 2.0) * RATE_HZ), np.int16)
        lines.append(PlacedClip(clip, at * 1000 / RATE_HZ, (at + len(samples)) * 1000 / RATE_HZ))
        pieces += [samples, pause]
        at += len(samples) + len(pause)
    return Scene(np.concatenate(pieces), tuple(lines))
