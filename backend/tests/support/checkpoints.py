"""Checkpoint folders as tests need them: small, complete, and placed anywhere."""

import json
from pathlib import Path

from app.core.config import Settings, SttSettings, WhisperSettings
from app.weights.checkpoints import list_checkpoints

WEIGHTS = bytes(range(256)) * 1200
FILES = {
    "config.json": b'{"suppress_ids": [1], "lang_ids": [2]}',
    "tokenizer.json": b"{}",
    "vocabulary.json": json.dumps(["a", '"', "", "b"]).encode(),
    "model.bin": WEIGHTS,
}
REPO = "Systran/faster-whisper-base"


def settings_in(folder: Path, model: str = "") -> Settings:
    return Settings(models_dir=folder / "models", stt=SttSettings(whisper_local=WhisperSettings(model=model)))


def place(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def names(settings: Settings) -> list[str]:
    return [checkpoint.name for checkpoint in list_checkpoints(settings)]
