"""Audio on disk until its text is safe: a folder for each dictation that goes on, with pieces of plain PCM. Blocks.

PCM16 as it came is written, and no other form: half a second of a file that was cut off anywhere is still sound, and
nothing has to be decoded to append. Pieces whose text is stored are deleted at once, so little is on disk at any time;
where the audio is to be kept (`kept_audio.py`), they stay.
"""

import errno
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from filelock import FileLock, Timeout

from app.utils.audio_pieces import delete_pieces, list_pieces, measure_pieces, write_pieces
from app.utils.private_files import write_private

logger = logging.getLogger(__name__)

ABOUT, SETTLED, LOCK = "about.json", "settled", "lock"
FRAME_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledDictation:
    """What is needed to make text of spooled audio without its client."""

    dictation_id: UUID
    user_id: UUID
    session_label: str | None
    started_at: datetime
    """Of the dictation."""
    rate_hz: int
    base_ms: int = 0
    """Where in the dictation this audio begins: later than 0 where the dictation goes on from another session."""
    provider: str = ""
    model: str | None = None
    lang: str = "auto"
    langs: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    replaces: UUID | None = None
    """Audio of the session before, which is in this one too: it is deleted once it is."""

    def belongs_to(self, user_id: UUID, dictation_id: UUID) -> bool:
        """Whether it is of this dictation of this user."""
        return (self.user_id, self.dictation_id) == (user_id, dictation_id)

    def to_bytes(self, sample: int) -> int:
        """The position in the audio of a sample at 16 kHz."""
        return sample * self.rate_hz // 16_000 * FRAME_BYTES

    def to_ms(self, position: int) -> int:
        """The time of a position in the audio, from its beginning."""
        return position // FRAME_BYTES * 1000 // self.rate_hz


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """Spooled audio that a server left behind."""

    id: UUID
    about: SpooledDictation
    settled: int
    """Bytes at the beginning that need no text any more."""
    end: int
    """Bytes that arrived."""

    @property
    def end_ms(self) -> int:
        """Where in the dictation the audio ends."""
        return self.about.base_ms + self.about.to_ms(self.end)


class SpoolStore(Protocol):
    """Where spooled audio lies. Its methods block, are called by one thread at a time, and raise OSError."""

    def open(self) -> None:
        """Take the spool for this server, until `close`."""
        ...

    def close(self) -> None:
        """Let another server have it."""
        ...

    def create(self, entry_id: UUID, about: SpooledDictation) -> None:
        """Begin the audio of a dictation."""
        ...

    def append(self, entry_id: UUID, position: int, audio: bytes) -> None:
        """Add audio, which begins at this position."""
        ...

    def settle(self, entry_id: UUID, position: int, *, delete: bool) -> None:
        """The audio before this position needs no text any more: note that, and `delete` what can be deleted."""
        ...

    def remove(self, entry_id: UUID) -> None:
        """Delete all audio of a dictation."""
        ...

    def list_entries(self) -> list[SpoolEntry]:
        """All audio that is there. What cannot be read is deleted, and the log says so."""
        ...

    def read(self, entry: SpoolEntry) -> bytes:
        """The audio of an entry that is not settled, whole samples."""
        ...

    def free_bytes(self) -> int | None:
        """How much more can be kept; None where nobody knows."""
        ...


class AudioFolder:
    """A folder of audio that only the server's user can read and one server has, with a folder for each session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK, blocking=False, thread_local=False, mode=0o600)

    def open(self) -> None:
        for folder in (
            self._folder.parent,
            self._folder,
        ):  # `parents` would let everybody into the data folder
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise OSError(errno.EBUSY, "another server uses the same data folder") from None

    def close(self) -> None:
        self._lock.release()

    def remove(self, entry_id: UUID) -> None:
        folder = self._folder / str(entry_id)
        if folder.exists():
            shutil.rmtree(folder)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._folder).free


class FileSpool(AudioFolder):
    """A `SpoolStore` in a folder that only the server's user can read.

    What `append` has returned for survives the death of the process. It reaches the disk when the system writes it,
    within half a minute: no call waits for that.
    """

    def create(self, entry_id: UUID, about: SpooledDictation) -> None:
        folder = self._folder / str(entry_id)
        folder.mkdir(mode=0o700)
        fields: dict[str, Any] = asdict(about)
        text = json.dumps({name: _to_json(value) for name, value in fields.items()}, ensure_ascii=False)
        write_private(folder / ABOUT, text.encode("utf-8", "surrogatepass"))

    def append(self, entry_id: UUID, position: int, audio: bytes) -> None:
        write_pieces(self._folder / str(entry_id), position, audio)

    def settle(self, entry_id: UUID, position: int, *, delete: bool) -> None:
        folder = self._folder / str(entry_id)
        with os.fdopen(os.open(folder / SETTLED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(f"{position}\n")
        if delete:
            delete_pieces(folder, position)

    def list_entries(self) -> list[SpoolEntry]:
        found = []
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            try:
                entry_id = UUID(folder.name)
                about = read_about((folder / ABOUT).read_bytes())
            except (OSError, ValueError, KeyError, TypeError):
                logger.warning(
                    "audio of a dictation was left behind without what it belongs to; it is deleted"
                )
                shutil.rmtree(folder, ignore_errors=True)
                continue
            settled = _read_settled(folder / SETTLED)
            found.append(SpoolEntry(entry_id, about, settled, measure_pieces(folder) or settled))
        return self._keep_one_of_each(found)

    def _keep_one_of_each(self, found: list[SpoolEntry]) -> list[SpoolEntry]:
        """Of a session and the one that went on with its audio, keep the later one, where it has all of it."""
        kept = {entry.id: entry for entry in found}
        for later in found:
            earlier = kept.get(later.about.replaces) if later.about.replaces is not None else None
            if earlier is not None:
                surplus = earlier if later.end_ms >= earlier.end_ms else later
                del kept[surplus.id]
                self.remove(surplus.id)
        return list(kept.values())

    def read(self, entry: SpoolEntry) -> bytes:
        parts, position = [], entry.settled
        for first, piece in list_pieces(self._folder / str(entry.id)):
            audio = piece.read_bytes()
            if first + len(audio) <= position:
                continue
            if first > position:  # a piece that was never written is silence: what follows keeps its time
                parts.append(bytes(first - position))
                position = first
            parts.append(audio[position - first :])
            position = first + len(audio)
        whole = b"".join(parts)
        return whole[: len(whole) // FRAME_BYTES * FRAME_BYTES]


def _to_json(value: Any) -> Any:
    return value if isinstance(value, (str, int, list, tuple, type(None))) else str(value)


def read_about(text: bytes) -> SpooledDictation:
    """Raises ValueError, KeyError or TypeError where the text is not what `create` has written."""
    fields = json.loads(text.decode("utf-8", "surrogatepass"))
    return SpooledDictation(
        dictation_id=UUID(str(fields["dictation_id"])),
        user_id=UUID(str(fields["user_id"])),
        session_label=fields["session_label"],
        started_at=datetime.fromisoformat(fields["started_at"]),
        rate_hz=int(fields["rate_hz"]),
        base_ms=int(fields["base_ms"]),
        provider=fields["provider"],
        model=fields["model"],
        lang=fields["lang"],
        langs=tuple(fields["langs"]),
        vocabulary=tuple(fields["vocabulary"]),
        replaces=None if fields.get("replaces") is None else UUID(str(fields["replaces"])),
    )


def _read_settled(path: Path) -> int:
    """The last position that was written whole."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")[:-1]
    except OSError:
        return 0
    whole = [int(line) for line in lines if line.isascii() and line.isdigit()]
    return max(whole, default=0) // FRAME_BYTES * FRAME_BYTES
