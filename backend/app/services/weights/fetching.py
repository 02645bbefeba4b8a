"""Weights that are fetched while the server runs: one download at a time, with progress, Cancel, and going on."""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from app.core.config import Settings
from app.core.errors import FetchUnderWay, NotFound, NotRemovable
from app.core.supervision import Supervisor
from app.weights.catalog import KNOWN, KnownWeights
from app.weights.download import (
    count_beginnings,
    count_download_bytes,
    download_weights,
    is_removable,
    remove_weights,
)
from app.weights.fetch import DownloadError, FetchedElsewhere, check_space

logger = logging.getLogger(__name__)

WANTED = "wanted_weights"
"""The file of the data folder with the name of what is being fetched: a server that starts again goes on with it."""
KEEP_FREE_BYTES = 200 << 20
"""A download stops before the disk has less free: the database lies on a disk too."""
CHECK_SPACE_S = 1.0
READ_TIMEOUT_S = 10.0
"""How long a source may be silent; a cancelled download ends no later."""
CANCEL_S = 3.0
"""How long Cancel waits for the thread of a download."""
RATE_S = 5.0
"""The time that the rate of a download is measured over."""


class FetchState(StrEnum):
    """All states of a download."""

    FETCHING = "fetching"
    MEASURING = "measuring"
    """The weights are here; how fast this machine is with them is being measured."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = (FetchState.FETCHING, FetchState.MEASURING)


class _Cancelled(DownloadError):
    """Somebody has cancelled the download, or the server ends."""


@dataclass(slots=True, kw_only=True)
class Fetch:
    """One download. A thread counts its bytes; everything else changes in the event loop."""

    weights: KnownWeights
    total_bytes: int
    done_bytes: int
    state: FetchState = FetchState.FETCHING
    error: DownloadError | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    _seen: deque[tuple[float, int]] = field(default_factory=partial(deque, maxlen=500))

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def bytes_per_s(self) -> float | None:
        """The rate of the last seconds; None before there is one."""
        seen = list(self._seen)
        if len(seen) < 2 or time.monotonic() > seen[-1][0] + RATE_S:
            return None
        took_s, came_bytes = seen[-1][0] - seen[0][0], seen[-1][1] - seen[0][1]
        return came_bytes / took_s if took_s > 0 and came_bytes >= 0 else None

    def end(self, state: FetchState, error: DownloadError | None = None) -> None:
        """Note how the download ended. One that was cancelled stays so, whatever its thread did by then."""
        if self.cancelled.is_set():
            state, error = FetchState.CANCELLED, None
        self.state, self.error = state, error

    def count(self, done_bytes: int, total_bytes: int) -> None:
        """Take over what the download has counted."""
        self.done_bytes, self.total_bytes = done_bytes, total_bytes
        now_s = time.monotonic()
        if not self._seen or now_s > self._seen[-1][0] + 0.1:
            self._seen.append((now_s, done_bytes))
            while self._seen[0][0] < now_s - RATE_S:
                self._seen.popleft()


class WeightsFetcher:
    """Owns the one download of a server. What came of one that ended early is kept, and gone on with."""

    def __init__(self, settings: Settings, on_arrival: Callable[[KnownWeights], Awaitable[None]]) -> None:
        """`on_arrival` is awaited when weights are complete; the download is done when it returns."""
        self._settings = settings
        self._on_arrival = on_arrival
        self._wanted = settings.data_dir / WANTED
        self._thread = anyio.Lock()
        """Held while a download has its thread, which a cancelled one leaves a moment later."""
        self._files: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        """Held for the weights of a name while they are written or removed."""
        self.tasks = Supervisor("downloads of weights")
        self.latest: Fetch | None = None
        """The download that is under way, else the last one since the server started."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let downloads run until the block ends, from the one on that an earlier process left."""
        async with self.tasks.run():
            if (weights := KNOWN.get(await run_sync(_read_name, self._wanted))) is not None:
                await self._start(weights)
            try:
                yield
            finally:
                if self.latest:
                    self.latest.cancelled.set()

    async def begin(self, name: str) -> Fetch:
        """Begin, or go on with, what is left of an earlier try; at once done where the weights are here.

        Raises:
            NotFound: no weights are known by this name.
            FetchUnderWay: others are being fetched.
        """
        weights = _find(name)
        if self.latest and self.latest.is_under_way:
            if self.latest.weights.name == name:
                return self.latest
            raise FetchUnderWay(
                f"{self.latest.weights.name!r} is being fetched, one at a time; wait for it or cancel it"
            )
        return await self._start(weights)

    async def cancel(self, name: str) -> Fetch:
        """End a download. What came is kept, and as a rule counts as such when this returns.

        Raises:
            NotFound: nothing of this name is being fetched.
        """
        latest = self.latest
        if latest is None or latest.weights.name != name or latest.state is not FetchState.FETCHING:
            raise NotFound("no weights of this name are being fetched; GET /api/checkpoints shows what is")
        latest.cancelled.set()
        latest.state = FetchState.CANCELLED
        with anyio.move_on_after(CANCEL_S):
            async with self._thread:
                pass
        return latest

    async def remove(self, name: str) -> None:
        """Remove weights that were fetched, or what a download left that did not end.

        Raises:
            NotFound: neither is here.
            FetchUnderWay: they are being fetched.
            NotRemovable: they came in another way, or the settings name them.
        """
        weights = _find(name)
        if self.latest and self.latest.weights.name == name:
            if self.latest.is_under_way:
                raise FetchUnderWay(f"{name!r} is being fetched; cancel it first")
            self.latest = None
        async with self._files[name]:
            try:
                was_there = await run_sync(self._remove, weights)
            except FetchedElsewhere as error:
                raise FetchUnderWay(str(error)) from error
        if not was_there:
            raise NotFound("no weights of this name are here; GET /api/checkpoints lists what is")

    def _remove(self, weights: KnownWeights) -> bool:
        if not is_removable(weights, self._settings):
            raise NotRemovable(
                f"{weights.name!r} was not fetched into the models folder, or the settings name it;"
                " whoever runs the server can remove it"
            )
        return remove_weights(weights, self._settings)

    async def _start(self, weights: KnownWeights) -> Fetch:
        self.latest = latest = Fetch(weights=weights, total_bytes=count_download_bytes(weights), done_bytes=0)
        self.tasks.start_job(self._fetch, latest)
        return latest

    async def _fetch(self, fetch: Fetch) -> None:
        try:
            await self._fetch_and_measure(fetch)
        finally:
            # The server has a fault, which is logged, and the next download must not wait for it.
            if fetch.is_under_way:
                failure = DownloadError("something failed on the server; its log has the place")
                fetch.end(FetchState.FAILED, failure)

    async def _fetch_and_measure(self, fetch: Fetch) -> None:
        name = fetch.weights.name
        async with self._thread, self._files[name]:
            try:
                await run_sync(_write_name, self._wanted, name)
                # A server that ends does not wait for a silent source.
                await run_sync(self._download, fetch, abandon_on_cancel=True)
            except _Cancelled:
                logger.info("the download of %s was cancelled", name)
                fetch.end(FetchState.CANCELLED)
            except DownloadError as error:
                logger.warning("the download of %s failed: %s", name, error.code)
                fetch.end(FetchState.FAILED, error)
            except OSError as error:
                logger.warning("the download of %s failed: %s", name, type(error).__name__)
                fetch.end(FetchState.FAILED, DownloadError(f"the server cannot write: {error.strerror}"))
            else:
                fetch.end(FetchState.MEASURING)
            if not isinstance(fetch.error, FetchedElsewhere):  # whose server needs it, should it end early
                await run_sync(partial(self._wanted.unlink, missing_ok=True))
        if fetch.state is FetchState.MEASURING:
            try:
                await self._on_arrival(fetch.weights)
            finally:
                fetch.state = FetchState.DONE

    def _download(self, fetch: Fetch) -> None:
        fetch.done_bytes = count_beginnings(fetch.weights, self._settings)
        checked_s = time.monotonic()

        def count(done_bytes: int, total_bytes: int) -> None:
            nonlocal checked_s
            if fetch.cancelled.is_set():
                raise _Cancelled
            fetch.count(done_bytes, total_bytes)
            if (now_s := time.monotonic()) > checked_s + CHECK_SPACE_S:
                checked_s = now_s
                check_space(self._settings.models_dir, KEEP_FREE_BYTES)

        download_weights(
            fetch.weights.name,
            self._settings,
            count,
            read_timeout_s=READ_TIMEOUT_S,
            keep_free_bytes=KEEP_FREE_BYTES,
        )


def _find(name: str) -> KnownWeights:
    if name not in KNOWN:
        raise NotFound("no weights are known by this name; GET /api/checkpoints lists them")
    return KNOWN[name]


def _read_name(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write_name(path: Path, name: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(name, encoding="utf-8")
