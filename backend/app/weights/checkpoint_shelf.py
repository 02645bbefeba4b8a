"""The checkpoints that are there now, for a server: weights come and go while it runs."""

import time
from collections.abc import Sequence

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.weights.checkpoints import Checkpoint, choose_default_checkpoint, list_checkpoints


class CheckpointShelf:
    """What the last look at the folders found. A look takes about a millisecond, and is taken in a thread."""

    def __init__(self, settings: Settings) -> None:
        """Look at once, in the caller's thread."""
        self._settings = settings
        self._looking = anyio.Lock()
        self._looked_s = time.monotonic()
        self.checkpoints: Sequence[Checkpoint] = ()
        self.default: Checkpoint | None = None
        """The checkpoint for dictations that name none."""
        self._look()

    async def refresh(self) -> None:
        """Look again. Whoever asks while others wait for a look shares the next one with them."""
        asked_s = time.monotonic()
        async with self._looking:
            if self._looked_s < asked_s:
                began_s = time.monotonic()
                await run_sync(self._look)
                self._looked_s = began_s

    def _look(self) -> None:
        found = list_checkpoints(self._settings)
        default = choose_default_checkpoint(self._settings, found)
        self.checkpoints, self.default = found, default
