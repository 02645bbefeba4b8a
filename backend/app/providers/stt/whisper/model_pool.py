"""Loaded checkpoints: each loaded once, shared by all dictations, few kept; and the threads that decode on them."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import numpy as np
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import ProviderNotReady
from app.core.notes import Note, NoteCode
from app.providers.base import SAMPLE_RATE_HZ
from app.providers.stt.whisper.device import (
    DeviceChoice,
    DeviceQuery,
    choose_device,
    fall_back,
    shorten_reason,
)
from app.providers.stt.whisper.language import list_probabilities
from app.utils.changing_folders import read_mtime_ns
from app.weights.checkpoints import Checkpoint

T = TypeVar("T")


async def run_blocking(call: Callable[[threading.Event], T], limiter: anyio.CapacityLimiter) -> T:
    """Run `call` in a thread as soon as `limiter` allows, first come first served.

    Cancelled while it waits, `call` never starts. Cancelled while `call` runs, this returns after `call` has; the
    child task ensures that for a native `Task.cancel` too. The event that `call` gets is set when nobody waits for
    its result any more.
    """
    abandoned = threading.Event()
    done = anyio.Event()
    results: list[T] = []

    async def child() -> None:
        results.append(await run_sync(call, abandoned, limiter=limiter))
        done.set()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            try:
                await done.wait()
            finally:
                abandoned.set()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # there is one child, so there is one error
    return results[0]


logger = logging.getLogger(__name__)

MAX_LOADED = 2
WARM_UP_TOKENS = 8


@dataclass(eq=False, slots=True)
class LoadedCheckpoint:
    """One checkpoint in memory."""

    checkpoint: Checkpoint
    whisper: Any
    """The `faster_whisper.WhisperModel`."""
    choice: DeviceChoice
    """Where it computes."""
    unheard: Mapping[str, float] = field(default_factory=dict)
    """The languages that it takes silence for, by Whisper's codes: probabilities; empty where it has only English."""
    users: int = 0
    """Number of sessions that use it."""

    def speaks(self, lang: str) -> bool:
        """Whether the checkpoint has this language (Whisper's code)."""
        known = lang in self.whisper.supported_languages
        return known and (lang == "en" or self.whisper.hf_tokenizer.token_to_id(f"<|{lang}|>") is not None)


class ModelPool:
    """Loads checkpoints on demand; drops the checkpoint that is unused for longest to make room."""

    def __init__(self, settings: Settings, query: DeviceQuery | None = None) -> None:
        """`query` tells which devices there are: CTranslate2, where it is None."""
        self._settings = settings
        self._query = query
        self._loaded: dict[str, LoadedCheckpoint] = {}
        """By name; the last one used is at the end."""
        self._lock = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._failed: dict[tuple[Checkpoint, int], str] = {}
        """Why a checkpoint could not be loaded; valid until its weights are replaced."""
        self.loading: str | None = None

    def failure(self, checkpoint: Checkpoint) -> str | None:
        """Why this checkpoint could not be loaded; None where it was not tried, or could."""
        return self._failed.get(_version(checkpoint))

    def has(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint is in memory."""
        return self.choice(checkpoint) is not None

    def choice(self, checkpoint: Checkpoint) -> DeviceChoice | None:
        """Where the checkpoint computes; None where it is not in memory."""
        loaded = self._loaded.get(checkpoint.name)
        return loaded.choice if loaded is not None and loaded.checkpoint == checkpoint else None

    async def load(self, checkpoint: Checkpoint) -> LoadedCheckpoint:
        """The checkpoint in memory, warm. Concurrent calls load it once.

        Raises:
            ProviderNotReady: it cannot be loaded, or there is no room beside the checkpoints in use.
        """
        if not self.has(checkpoint):
            async with self._lock:
                if not self.has(checkpoint):
                    await self._load(checkpoint)
        loaded = self._loaded.pop(checkpoint.name)
        self._loaded[checkpoint.name] = loaded
        return loaded

    async def _load(self, checkpoint: Checkpoint) -> None:
        if reason := self.failure(checkpoint):
            raise ProviderNotReady(reason, note=Note(NoteCode.CHECKPOINT_UNUSABLE))
        self._make_room(checkpoint)
        self.loading = checkpoint.name
        try:
            loaded = await run_blocking(lambda _: load(checkpoint, self._settings, self._query), self._thread)
        except ProviderNotReady as error:
            self._failed[_version(checkpoint)] = error.message
            raise
        finally:
            self.loading = None
        self._loaded[checkpoint.name] = loaded

    def clear(self) -> None:
        """Forget all checkpoints; a running decode keeps its own until it ends."""
        self._loaded.clear()

    def _make_room(self, checkpoint: Checkpoint) -> None:
        self._loaded.pop(
            checkpoint.name, None
        )  # another folder of that name: its users keep it until they leave
        while len(self._loaded) >= MAX_LOADED:
            idle = next((name for name, loaded in self._loaded.items() if not loaded.users), None)
            if idle is None:
                raise ProviderNotReady(
                    f"no room for checkpoint {checkpoint.name!r} beside those in use; ask for one of"
                    f" {', '.join(map(repr, self._loaded))}, or try again later",
                    note=Note(NoteCode.NO_ROOM),
                )
            del self._loaded[idle]


def _version(checkpoint: Checkpoint) -> tuple[Checkpoint, int]:
    return checkpoint, read_mtime_ns(checkpoint.path / "model.bin")


def load(checkpoint: Checkpoint, settings: Settings, query: DeviceQuery | None = None) -> LoadedCheckpoint:
    """Read a checkpoint and decode with it once. Blocks.

    Raises:
        ProviderNotReady: the files are broken.
    """
    failed = f"checkpoint {checkpoint.name!r} cannot be loaded"
    try:
        loaded = _load_where_it_runs(checkpoint, settings, query or _import_query())
    except ImportError as error:
        raise ProviderNotReady(
            f"faster-whisper cannot be imported ({error}); install it again",
            note=Note(NoteCode.PACKAGE_BROKEN),
        ) from error
    except (RuntimeError, ValueError, OSError) as error:
        logger.warning("checkpoint %r cannot be loaded: %s", checkpoint.name, error)
        raise ProviderNotReady(
            f"{failed}: its files are damaged, or made for another version; fetch it again",
            note=Note(NoteCode.CHECKPOINT_UNUSABLE),
        ) from error
    if loaded is None:
        raise ProviderNotReady(
            f"{failed}: its weights hold no numbers; fetch it again", note=Note(NoteCode.CHECKPOINT_UNUSABLE)
        )
    level = logging.WARNING if loaded.choice.notice else logging.INFO
    logger.log(level, "checkpoint %r computes %s", checkpoint.name, loaded.choice)
    return loaded


def _import_query() -> DeviceQuery:
    import ctranslate2  # in a thread: it takes 0.2 s

    query: DeviceQuery = ctranslate2
    return query


def _load_where_it_runs(
    checkpoint: Checkpoint, settings: Settings, query: DeviceQuery
) -> LoadedCheckpoint | None:
    """On the device that the settings choose, or on the CPU where that one fails; None as of `_load_on`."""
    whisper = settings.stt.whisper_local
    choice = choose_device(whisper, query)
    if choice.device == "cuda":
        try:
            return _load_on(choice, checkpoint, settings)
        except (RuntimeError, ValueError) as error:  # no driver, no cuBLAS or cuDNN, no memory left on it
            choice = fall_back(whisper, query, shorten_reason(error))
    return _load_on(choice, checkpoint, settings)


def _load_on(choice: DeviceChoice, checkpoint: Checkpoint, settings: Settings) -> LoadedCheckpoint | None:
    """None where the weights hold no numbers."""
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(checkpoint.path),
        device=choice.device,
        compute_type=choice.compute_type,
        cpu_threads=settings.stt.whisper_local.cpu_threads,
        num_workers=count_workers(settings),  # they share the weights
        local_files_only=True,
    )
    encoded = _encode_silence(model)
    if not _is_finite(model, encoded):
        return None
    unheard = list_probabilities(model, encoded) if model.model.is_multilingual else {}
    return LoadedCheckpoint(checkpoint, model, choice, unheard)


def _encode_silence(model: Any) -> Any:
    from faster_whisper.audio import pad_or_trim

    return model.encode(pad_or_trim(model.feature_extractor(np.zeros(SAMPLE_RATE_HZ, np.float32))))


def _is_finite(model: Any, encoded: Any) -> bool:
    """Decode silence once. False where no finite numbers come out: CTranslate2 loads NaN silently."""
    start = model.hf_tokenizer.token_to_id("<|startoftranscript|>")
    (result,) = model.model.generate(encoded, [[start]], max_length=WARM_UP_TOKENS, return_scores=True)
    return bool(np.isfinite(np.asarray(encoded)).all() and np.isfinite(result.scores[0]))


def count_workers(settings: Settings) -> int:
    """Number of decodes that may run at a time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return settings.scheduler.cores or cores or 1
