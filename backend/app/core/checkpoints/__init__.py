"""Whisper checkpoints on disk: which are there, which one is used, and how another one is fetched."""

from app.core.checkpoints.fetch import pull
from app.core.checkpoints.files import Checkpoint
from app.core.checkpoints.search import ALIASES, REPOSITORIES, default, find, list_checkpoints
from app.core.hub import HubError, hub_answers

__all__ = [
    "ALIASES",
    "REPOSITORIES",
    "Checkpoint",
    "HubError",
    "default",
    "find",
    "hub_answers",
    "list_checkpoints",
    "pull",
]
