"""Speech that no server has stored yet, in a private folder of its user: a folder for each recording.

A recording is open in one process at a time, which holds its lock: so it is never sent twice. What `append` has
returned for survives the death of the process. Blocks.
"""

import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from base64 import urlsafe_b64decode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from app.client.errors import ClientError
from app.utils.audio_pieces import PIECE_BYTES, delete_pieces, measure_pieces, name_piece, write_pieces
from app.utils.changing_folders import list_folder
from app.utils.private_files import write_private

ABOUT, PROGRESS, LOCK = "about.json", "progress", "lock"
MOST_S = 3600.0
"""How much unsent speech there may be (s)."""
SAMPLE_BYTES = 2
FORGOTTEN_S = 60.0
"""Age of a folder without unsent speech that is deleted (s)."""


class RecordingBusy(ClientError):
    """Another process records or sends this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a recording is, and to whom it was spoken."""

    started_at: str
    """ISO 8601, with its offset."""
    url: str
    """The server."""
    owner: str
    """Whose token it was: see `name_owner`."""
    rate_hz: int
    start: dict[str, Any]
    """The message that begins its dictation."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a recording has been sent. Positions are bytes from its first sample."""

    settled: int = 0
    """What comes before has its text, or needs none."""
    origin: int = 0
    """Where the dictation begins that a server has of it."""
    dictation_id: str = ""
    """Of that dictation; empty before there is one."""
    user_id: str = ""
    user: str = ""
    """The name of the account; empty until the server has told it."""
    is_over: bool = False
    """Nothing more is recorded."""


@dataclass(frozen=True, slots=True)
class UnsentItem:
    """A recording as it is listed."""

    id: str
    about: About
    progress: Progress
    left_bytes: int
    is_busy: bool

    @property
    def left_ms(self) -> int:
        """How much of it has no text."""
        return self.left_bytes * 1000 // (SAMPLE_BYTES * self.about.rate_hz)

    def belongs_to(self, url: str, owner: str) -> bool:
        """Whether it was spoken to this server by this account."""
        is_same_user = bool(self.progress.user_id) and owner == f"user:{self.progress.user_id}"
        return self.about.url == url and (self.about.owner == owner or is_same_user)


def name_owner(token: str | None) -> str:
    """Return who a token belongs to, as far as it tells itself: a later token of the same log-in is the same."""
    if not token:
        return ""
    parts = token.split(".")
    if len(parts) == 3:
        try:
            claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
            return f"user:{claims['sub']}"
        except (ValueError, KeyError, TypeError):
            pass  # no token of a log-in
    return f"key:{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def find_folder() -> Path:
    """Return the folder of unsent speech: the same for every installation of the user."""
    return user_data_path("prompter", appauthor=False) / "unsent"


class UnsentSpeech:
    """All unsent recordings of this machine's user."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or find_folder()

    def list_items(self) -> list[UnsentItem]:
        """The recordings with unsent speech, the oldest first."""
        items = []
        for folder in list_folder(self._folder):
            if (item := _read_item(folder)) is not None:
                items.append(item)
            elif _is_forgotten(folder):
                _remove_if_free(folder)
        return sorted(items, key=lambda item: (item.about.started_at, item.id))

    def create(self, *, url: str, owner: str, rate_hz: int, start: dict[str, Any]) -> "Recording":
        """Begin a recording. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        folder = self._folder / f"{time.time_ns() // 1_000_000:x}-{secrets.token_hex(2)}"
        folder.mkdir(mode=0o700)
        about = About(
            started_at=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
            url=url,
            owner=owner,
            rate_hz=rate_hz,
            start=start,
        )
        lock = _lock(folder)
        write_private(folder / ABOUT, json.dumps(asdict(about)).encode())
        return Recording(folder, about, Progress(), lock)

    def open(self, recording_id: str) -> "Recording":
        """Open a recording that an earlier process has left.

        Raises:
            RecordingBusy: another process has it, or has just sent it.
        """
        folder = self._folder / recording_id
        if not folder.is_dir():
            raise RecordingBusy(f"{recording_id} is not there any more")
        lock = _lock(folder)
        item = _read_item(folder, is_mine=True)
        if item is None:
            lock.release()
            raise RecordingBusy(f"{recording_id} is not there any more")
        item.progress.is_over = True
        return Recording(folder, item.about, item.progress, lock)


def _lock(folder: Path, wait_s: float = 0.5) -> FileLock:
    """Waits as long as somebody who lists may look at it."""
    lock = FileLock(folder / LOCK, mode=0o600)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise RecordingBusy(f"another process records or sends {folder.name}") from None
    return lock


class Recording:
    """One recording that this process has: its audio, and how far it has been sent."""

    def __init__(self, folder: Path, about: About, progress: Progress, lock: FileLock) -> None:
        self._folder = folder
        self.about = about
        self.progress = progress
        self._lock = lock
        self.end = max(measure_pieces(folder) // SAMPLE_BYTES * SAMPLE_BYTES, progress.settled)
        """Position behind its last sample."""
        self._unwritten = bytearray()
        """The end of the audio, of a disk that takes no more."""
        self.is_on_disk = True
        """Whether all of it is on disk."""

    @property
    def id(self) -> str:
        return self._folder.name

    @property
    def left_bytes(self) -> int:
        """How much has no text."""
        return max(self.end - self.progress.settled, 0)

    def to_s(self, position: int) -> float:
        """The time that so many bytes last (s)."""
        return position / (SAMPLE_BYTES * self.about.rate_hz)

    def to_ms(self, position: int) -> int:
        """The time that so many bytes last (ms), rounded down."""
        return position * 1000 // (SAMPLE_BYTES * self.about.rate_hz)

    def to_bytes(self, ms: int) -> int:
        """The bytes that last so long."""
        return ms * self.about.rate_hz // 1000 * SAMPLE_BYTES

    def append(self, audio: bytes) -> None:
        """Add what was said. A disk that takes no more is no reason to lose it: then it is kept in memory."""
        if self.is_on_disk:
            try:
                write_pieces(self._folder, self.end, audio)
            except OSError:
                self.is_on_disk = False
        if not self.is_on_disk:
            self._unwritten += audio
        self.end += len(audio)

    def read(self, position: int, most_bytes: int) -> bytes:
        """The audio from a position on; empty at its end."""
        written = self.end - len(self._unwritten)
        if position >= written:
            at = position - written
            return bytes(self._unwritten[at : at + most_bytes])
        first = position // PIECE_BYTES * PIECE_BYTES
        until = min(position + most_bytes, first + PIECE_BYTES, written)
        with (self._folder / name_piece(first)).open("rb") as file:
            file.seek(position - first)
            audio = file.read(until - position)
        return audio.ljust(until - position, b"\0")

    def note(self, **changes: Any) -> None:
        """Record how far it has been sent. What has its text is deleted. A disk that takes no more is passed over."""
        for name, value in changes.items():
            setattr(self.progress, name, value)
        text = json.dumps(changes) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            with os.fdopen(os.open(self._folder / PROGRESS, flags, 0o600), "a", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            self.is_on_disk = False
        if "settled" in changes:
            delete_pieces(self._folder, self.progress.settled)

    def measure_free_s(self) -> float | None:
        """How long the disk takes what is said (s); None where nobody knows."""
        if not self.is_on_disk:
            return 0.0
        try:
            return self.to_s(shutil.disk_usage(self._folder).free)
        except OSError:
            return None

    def remove(self) -> None:
        """Delete it: all of it has its text, or is not wanted."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.release()

    def leave(self) -> None:
        """Let another process have it. One that holds nothing unsent is deleted."""
        if self.left_bytes == 0:
            self.remove()
        else:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def _read_item(folder: Path, *, is_mine: bool = False) -> UnsentItem | None:
    """The recording in a folder; None where there is none, or nothing unsent in it."""
    try:
        about = About(**json.loads((folder / ABOUT).read_bytes()))
        progress = _read_progress(folder / PROGRESS)
        end = measure_pieces(folder)
    except (OSError, ValueError, TypeError):
        return None
    left = end // SAMPLE_BYTES * SAMPLE_BYTES - progress.settled
    if left <= 0:
        return None
    return UnsentItem(folder.name, about, progress, left, is_busy=not is_mine and _is_busy(folder))


def _is_forgotten(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False  # another process has removed it meanwhile
    return stat.S_ISDIR(found.st_mode) and time.time() - found.st_mtime > FORGOTTEN_S


def _is_busy(folder: Path) -> bool:
    try:
        _lock(folder, 0).release()
    except RecordingBusy:
        return True
    except OSError:
        return False
    return False


def _remove_if_free(folder: Path) -> None:
    """Delete what an earlier process had sent, and died before it was deleted."""
    if not _is_busy(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _read_progress(path: Path) -> Progress:
    """What was noted last of each, as far as its lines are whole."""
    progress = Progress()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return progress
    for line in lines:
        try:
            changes = json.loads(line)
        except ValueError:
            continue  # the zeros of a crash
        for name, value in changes.items():
            if name in Progress.__dataclass_fields__:
                setattr(progress, name, value)
    return progress
