"""Audio of dictations that have ended, on disk until it is too old: a folder for each session, with its pieces. Blocks.

A session's folder of the spool is moved here as it is; later each of its pieces is compressed alone. So any second of
a long dictation can be read without the others.
"""

import errno
import json
import logging
import re
import shutil
import tarfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from app.storage.audio_spool import (
    ABOUT,
    SETTLED,
    AudioFolder,
    SpooledDictation,
    SpoolEntry,
    read_about,
)
from app.storage.data_folder import AUDIO_FOLDER, SPOOL_FOLDER
from app.storage.tar_files import unpack_tar, write_tar
from app.utils.audio_pieces import PIECE_BYTES, PLAIN, list_pieces, name_piece
from app.utils.changing_folders import list_folder, remove_folder
from app.utils.private_files import write_private

logger = logging.getLogger(__name__)

KEPT = "kept.json"
RESTORED = "audio.restored"
_FILE = re.compile(
    rf"({SPOOL_FOLDER}|{AUDIO_FOLDER})/[0-9a-f-]{{36}}/({ABOUT}|{KEPT}|{SETTLED}|[0-9]{{12}}\.(pcm|flac))"
)
"""A file of audio in the data folder."""
COMPRESSED, DRAFT = ".flac", ".draft"


class AudioCodec(Protocol):
    """Compresses mono PCM16 without loss. Its methods block."""

    def encode(self, pcm: bytes, rate_hz: int) -> bytes: ...

    def decode(self, data: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPart:
    """The audio of one session of a dictation."""

    id: UUID
    about: SpooledDictation
    size_bytes: int
    """Of its samples, PCM16."""
    kept_at: datetime

    @property
    def base_bytes(self) -> int:
        """Where it begins in the audio of the whole dictation."""
        return self.about.base_ms * self.about.rate_hz // 1000 * 2


class KeptAudioStore(Protocol):
    """Where kept audio lies. Its methods block, and raise OSError."""

    def open(self) -> None:
        """Take what is kept for this server, until `close`."""
        ...

    def close(self) -> None:
        """Let another server have it."""
        ...

    def keep(self, entry: SpoolEntry, kept_at: datetime) -> KeptPart | None:
        """Take over spooled audio. None, and it stays where it is, if it is not there from its beginning to its end."""
        ...

    def list_parts(self) -> list[KeptPart]:
        """Everything that is kept. What cannot be read is deleted, and the log says so."""
        ...

    def read(self, part: KeptPart, first: int, end: int) -> bytes:
        """The bytes of its samples from `first` to `end`."""
        ...

    def compress(self, part: KeptPart) -> bool:
        """Make one plain piece of it small; false where there is none."""
        ...

    def redate(self, part: KeptPart, kept_at: datetime) -> KeptPart:
        """Say that it was kept at another time."""
        ...

    def remove(self, entry_id: UUID) -> None:
        """Delete a part."""
        ...

    def free_bytes(self) -> int:
        """Bytes that are free on the disk."""
        ...


class FileKeptAudio(AudioFolder):
    """A `KeptAudioStore` in a folder that only the server's user can read, on the disk of the spool."""

    def __init__(self, folder: Path, spool: Path, codec: AudioCodec) -> None:
        super().__init__(folder)
        self._spool = spool
        self._codec = codec

    def keep(self, entry: SpoolEntry, kept_at: datetime) -> KeptPart | None:
        source = self._spool / str(entry.id)
        size = _measure_whole(source)
        if size is None or size < entry.end // 2 * 2:
            return None
        part = KeptPart(id=entry.id, about=entry.about, size_bytes=size, kept_at=kept_at)
        _write_kept(source, part)
        source.rename(self._folder / str(entry.id))
        return part

    def list_parts(self) -> list[KeptPart]:
        found = []
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            try:
                found.append(_read_part(folder))
            except (OSError, ValueError, KeyError, TypeError):
                logger.warning("kept audio has lost a part of itself, or what it belongs to; it is deleted")
                shutil.rmtree(folder, ignore_errors=True)
        return found

    def read(self, part: KeptPart, first: int, end: int) -> bytes:
        found, end = [], min(end, part.size_bytes)
        while first < end:
            start = first // PIECE_BYTES * PIECE_BYTES
            last = min(end, start + PIECE_BYTES)
            found.append(self._read_piece(part, start)[first - start : last - start])
            first = last
        return b"".join(found)

    def compress(self, part: KeptPart) -> bool:
        _, plain = next(list_pieces(self._folder / str(part.id)), (0, None))
        if plain is None:
            return False
        draft = plain.with_suffix(DRAFT)
        draft.unlink(missing_ok=True)
        write_private(draft, self._codec.encode(_trim(plain.read_bytes()), part.about.rate_hz))
        draft.rename(plain.with_suffix(COMPRESSED))
        plain.unlink()
        return True

    def redate(self, part: KeptPart, kept_at: datetime) -> KeptPart:
        part = replace(part, kept_at=kept_at)
        _write_kept(self._folder / str(part.id), part)
        return part

    def _read_piece(self, part: KeptPart, start: int) -> bytes:
        piece = self._folder / str(part.id) / name_piece(start)
        try:
            return _trim(piece.read_bytes())
        except FileNotFoundError:
            return self._codec.decode(piece.with_suffix(COMPRESSED).read_bytes())


def _write_kept(folder: Path, part: KeptPart) -> None:
    draft = folder / f"{KEPT}{DRAFT}"
    draft.unlink(missing_ok=True)
    fields = {"kept_at": part.kept_at.isoformat(), "bytes": part.size_bytes}
    write_private(draft, json.dumps(fields).encode())
    draft.replace(folder / KEPT)


def _read_part(folder: Path) -> KeptPart:
    """Raises OSError, ValueError, KeyError or TypeError where `keep` has not written it."""
    kept = json.loads((folder / KEPT).read_bytes())
    size = int(kept["bytes"])
    pieces = {int(file.stem) for ending in (PLAIN, COMPRESSED) for file in folder.glob(f"*{ending}")}
    if not pieces >= set(range(0, size, PIECE_BYTES)):
        raise ValueError("a piece is missing")
    return KeptPart(
        id=UUID(folder.name),
        about=read_about((folder / ABOUT).read_bytes()),
        size_bytes=size,
        kept_at=datetime.fromisoformat(kept["kept_at"]),
    )


def _measure_whole(folder: Path) -> int | None:
    """The bytes of a session's whole samples; None where a piece is missing, or shorter than it was."""
    end = 0
    for first, plain in list_pieces(folder):
        if first != end:
            return None
        end += plain.stat().st_size
    return end // 2 * 2 or None


def _trim(pcm: bytes) -> bytes:
    return pcm[: len(pcm) // 2 * 2]


def remove_user_audio(data_dir: Path, user_id: UUID) -> None:
    """Delete all audio of a user in a data folder, whether a server uses it or not.

    Raises:
        OSError: it cannot be deleted.
    """
    for name in (SPOOL_FOLDER, AUDIO_FOLDER):
        for folder in list_folder(data_dir / name):
            about = folder / ABOUT
            try:
                is_theirs = read_about(about.read_bytes()).user_id == user_id
            except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
                continue  # deleted meanwhile, or by the next start: it belongs to nobody
            if is_theirs:
                remove_folder(folder)


def back_up_audio(data_dir: Path, target: Path) -> int:
    """Write all audio of a data folder, which may be in use, to a new file; return the number of sessions in it.

    Make it before the backup of the database: what has become text meanwhile is then in both, and is known by its time.

    Raises:
        OSError: it exists already, or cannot be written.
    """
    sessions = set()
    with write_tar(target) as tar:
        for name in (SPOOL_FOLDER, AUDIO_FOLDER):  # what moves meanwhile is in one of them, or in both
            for path in (each for folder in list_folder(data_dir / name) for each in list_folder(folder)):
                if _add(tar, path, path.relative_to(data_dir).as_posix()):
                    sessions.add(path.parent.name)
    return len(sessions)


def restore_audio(source: Path, data_dir: Path) -> int:
    """Put the audio of a backup into a data folder that no server uses; return the number of sessions that are new.

    What is there stays. What was not complete when the backup was made is left to the next start.

    Raises:
        OSError: it cannot be read or written.
    """
    draft, count = data_dir / RESTORED, 0
    shutil.rmtree(draft, ignore_errors=True)
    try:
        unpack_tar(source, draft, _FILE)
        for name in (AUDIO_FOLDER, SPOOL_FOLDER):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
            for folder in sorted((draft / name).glob("*")):
                if not any((data_dir / each / folder.name).exists() for each in (AUDIO_FOLDER, SPOOL_FOLDER)):
                    folder.rename(data_dir / name / folder.name)
                    count += 1
    except tarfile.TarError as error:
        raise OSError(errno.EIO, "it is no backup of audio, or is damaged") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return count


def _add(tar: tarfile.TarFile, path: Path, name: str) -> bool:
    """Add a file to a backup; false where it is none of ours, or has just been deleted."""
    if not _FILE.fullmatch(name):
        return False
    try:
        file = path.open("rb")
    except FileNotFoundError:
        if path.suffix == PLAIN:  # it has been compressed meanwhile, unless it is gone
            return _add(tar, path.with_suffix(COMPRESSED), name.replace(PLAIN, COMPRESSED))
        return False
    with file:
        tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), file)
    return True
