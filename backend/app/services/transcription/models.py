"""What a client may call a speech engine: its name, a checkpoint of it, or a name of OpenAI's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import ModelNotFound

AUTO = "auto"

OPENAI_NAMES = (
    "whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize",
)  # fmt: skip
"""All of them mean the default engine: clients have one of these built in."""


@dataclass(frozen=True, slots=True)
class Named:
    """An engine and its checkpoint; None leaves the choice to the settings and to the engine."""

    provider: str | None
    model: str | None = None


def find(model_id: str, engines: Mapping[str, Sequence[str]]) -> Named:
    """What `model_id` means among `engines` (name -> its checkpoints, those of the best engine first).

    Raises:
        ModelNotFound: nothing; the message lists what there is.
    """
    if not model_id or model_id in OPENAI_NAMES:
        return Named(None)
    if model_id == AUTO or model_id in engines:
        return Named(model_id)
    for name, checkpoints in engines.items():
        for checkpoint in checkpoints:
            if model_id in (checkpoint, f"{name}/{checkpoint}"):
                return Named(name, checkpoint)
    raise ModelNotFound(
        f"there is no speech model {model_id!r}; known: {', '.join(known(engines))}", param="model"
    )


def known(engines: Mapping[str, Sequence[str]]) -> list[str]:
    """Every id, the default first."""
    checkpoints = [f"{name}/{checkpoint}" for name, there in engines.items() for checkpoint in there]
    return [OPENAI_NAMES[0], AUTO, *engines, *checkpoints]
