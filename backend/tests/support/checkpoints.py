"""Whisper checkpoints for tests: a real one that knows the samples, and small folders in the same form."""

import json
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from app.core.config import Settings, SttSettings, WhisperSettings
from app.providers.base import Samples, SttConfig, WindowRequest, WindowResult
from app.providers.stt.whisper.provider import WhisperLocalProvider
from app.weights.checkpoints import list_checkpoints

ROOT = Path(__file__).resolve().parents[3]
SAMPLES_CHECKPOINT = ROOT / "models" / "whisper-samples"
BENCH_CHECKPOINTS = ROOT.parent / "shared" / "bench"

ENGLISH = "Write a Python function that reverses a list."
SPANISH = "Escribe un correo para mi jefe."


@dataclass(frozen=True)
class Whisper:
    """Where the checkpoint is, and what it understands (16 kHz)."""

    path: Path
    english: Samples
    spanish: Samples


def load_whisper() -> Whisper:
    """The project's own test checkpoint, else the one that benchmarks use; skips where there is neither."""
    if (SAMPLES_CHECKPOINT / "model.bin").is_file():
        folder = ROOT / "samples"
        return Whisper(
            SAMPLES_CHECKPOINT,
            _read(folder / "en_reverse_list_16k.wav"),
            _read(folder / "es_correo_jefe_16k.wav"),
        )
    if (BENCH_CHECKPOINTS / "whisper-small-model" / "model.bin").is_file():
        folder = BENCH_CHECKPOINTS / "wavs"
        return Whisper(
            BENCH_CHECKPOINTS / "whisper-small-model", _read(folder / "en00.wav"), _read(folder / "es00.wav")
        )
    pytest.skip("no Whisper checkpoint that tests can use: models/whisper-samples is missing")


def _read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def make_whisper_settings(model: str = "", models_dir: Path = Path("/nowhere")) -> Settings:
    return Settings(models_dir=models_dir, stt=SttSettings(whisper_local=WhisperSettings(model=model)))


async def transcribe(
    provider: WhisperLocalProvider,
    samples: Samples,
    config: SttConfig | None = None,
    window: Literal["short", "full"] = "full",
) -> WindowResult:
    config = config or SttConfig()
    session = await provider.open_session(config)
    result = await session.decode(make_window_request(samples, window=window, words=config.words))
    await session.aclose()
    return result


def make_window_request(
    samples: Samples,
    *,
    final: bool = True,
    window: Literal["short", "full"] = "full",
    context: str = "",
    words: bool = False,
    lang: str | None = None,
    context_lang: str | None = None,
) -> WindowRequest:
    return WindowRequest(
        samples=samples,
        speech_samples=len(samples),
        final=final,
        window=window,
        context=context,
        words=words,
        lang=lang,
        context_lang=context_lang,
    )


WEIGHTS = bytes(range(256)) * 1200
FILES = {
    "config.json": b'{"suppress_ids": [1], "lang_ids": [2]}',
    "tokenizer.json": b"{}",
    "vocabulary.json": json.dumps(["a", '"', "", "b"]).encode(),
    "model.bin": WEIGHTS,
}
CARD = {"README.md": b"# Whisper"}
REPO = "Systran/faster-whisper-base"


def make_settings(folder: Path, model: str = "") -> Settings:
    return Settings(models_dir=folder / "models", stt=SttSettings(whisper_local=WhisperSettings(model=model)))


def write_checkpoint(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def list_names(settings: Settings) -> list[str]:
    return [checkpoint.name for checkpoint in list_checkpoints(settings)]
