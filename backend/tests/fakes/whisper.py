"""A Whisper checkpoint that knows a few sentences, and recordings of them."""

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from app.core.config import Settings, SttSettings, WhisperSettings
from app.providers.base import Samples, SttConfig, WindowRequest, WindowResult
from app.providers.stt.whisper.provider import WhisperLocalProvider

ROOT = Path(__file__).resolve().parents[3]
OURS = ROOT / "models" / "whisper-samples"
SHARED = ROOT.parent / "shared" / "bench"

ENGLISH = "Write a Python function that reverses a list."
SPANISH = "Escribe un correo para mi jefe."


@dataclass(frozen=True)
class Whisper:
    """Where the checkpoint is, and what it understands (16 kHz)."""

    path: Path
    english: Samples
    spanish: Samples


def whisper() -> Whisper:
    """The project's own test checkpoint, else the one that benchmarks use; skips where there is neither."""
    if (OURS / "model.bin").is_file():
        folder = ROOT / "samples"
        return Whisper(
            OURS, _read(folder / "en_reverse_list_16k.wav"), _read(folder / "es_correo_jefe_16k.wav")
        )
    if (SHARED / "whisper-small-model" / "model.bin").is_file():
        folder = SHARED / "wavs"
        return Whisper(SHARED / "whisper-small-model", _read(folder / "en00.wav"), _read(folder / "es00.wav"))
    pytest.skip("no Whisper checkpoint that tests can use: models/whisper-samples is missing")


def _read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def settings_for(model: str = "", models_dir: Path = Path("/nowhere")) -> Settings:
    return Settings(models_dir=models_dir, stt=SttSettings(whisper_local=WhisperSettings(model=model)))


async def transcribe(
    provider: WhisperLocalProvider,
    samples: Samples,
    config: SttConfig | None = None,
    window: Literal["short", "full"] = "full",
) -> WindowResult:
    config = config or SttConfig()
    session = await provider.open_session(config)
    result = await session.decode(request(samples, window=window, words=config.words))
    await session.aclose()
    return result


def request(
    samples: Samples,
    *,
    final: bool = True,
    window: Literal["short", "full"] = "full",
    context: str = "",
    words: bool = False,
    lang: str | None = None,
) -> WindowRequest:
    return WindowRequest(samples, len(samples), final, window, context, words, lang)
