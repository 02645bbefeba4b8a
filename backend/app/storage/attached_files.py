"""Contents of attached files in the data folder: a folder for each user, and in it one for each content. Blocks.

A content's folder is named by the hash of what is kept. It holds the file, its text, its thumbnail and its pictures.
"""

import errno
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from app.storage.data_folder import ATTACHMENTS_FOLDER
from app.storage.tar_files import unpack_tar, write_tar
from app.utils.changing_folders import list_folder, read_mtime_ns, remove_folder
from app.utils.private_files import write_private

CONTENT, TEXT, THUMBNAIL = "content", "text", "thumbnail"
_DRAFTS = ".drafts"
_HASH = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FILE = re.compile(
    rf"{ATTACHMENTS_FOLDER}/[0-9a-f-]{{36}}/[0-9a-f]{{64}}/({CONTENT}|{TEXT}|{THUMBNAIL}|view-[0-9]{{1,3}})"
)
"""A file of an attachment in the data folder."""


def name_view(number: int) -> str:
    """The name of a picture that a model is sent; the first is 1."""
    return f"view-{number}"


class AttachedFiles:
    """The contents of all users, readable by the server's user alone. Its methods block, and raise OSError."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / ATTACHMENTS_FOLDER

    def write_draft(self, parts: Mapping[str, bytes]) -> Path:
        """Write the files of a content to a folder that belongs to nobody yet."""
        drafts = self._folder / _DRAFTS
        for folder in (
            self._folder.parent,
            self._folder,
            drafts,
        ):  # `parents` makes folders that everybody reads
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = drafts / secrets.token_hex(16)
        draft.mkdir(mode=0o700)
        for name, data in parts.items():
            write_private(draft / name, data)
        return draft

    def publish(self, draft: Path, user_id: UUID, sha256: str) -> None:
        """Make a draft the content of a user, unless it is there already."""
        target = self._locate(user_id, sha256)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(draft)
        else:
            draft.rename(target)

    def discard(self, draft: Path) -> None:
        """Delete a draft that was not published."""
        shutil.rmtree(draft, ignore_errors=True)

    def find(self, user_id: UUID, sha256: str, name: str) -> Path:
        """The path of one file of a content. It may be gone."""
        return self._locate(user_id, sha256) / name

    def read(self, user_id: UUID, sha256: str, name: str, most_bytes: int = -1) -> bytes:
        """The beginning of one file of a content, or all of it."""
        with self.find(user_id, sha256, name).open("rb") as file:
            return file.read(most_bytes)

    def add(self, user_id: UUID, sha256: str, name: str, data: bytes) -> None:
        """Add a file to a content, in place of one of that name. A content that is gone stays so."""
        folder = self._locate(user_id, sha256)
        draft = folder / f".{name}.{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):
            write_private(draft, data)
            draft.replace(folder / name)

    def list_users(self) -> list[UUID]:
        """The users who have contents."""
        return [UUID(path.name) for path in list_folder(self._folder) if _USER.fullmatch(path.name)]

    def list_contents(self, user_id: UUID) -> list[str]:
        """The hashes of a user's contents."""
        folder = self._folder / str(user_id)
        return [path.name for path in list_folder(folder) if _HASH.fullmatch(path.name)]

    def remove(self, user_id: UUID, sha256: str) -> None:
        """Delete a content."""
        shutil.rmtree(self._locate(user_id, sha256), ignore_errors=True)

    def remove_user(self, user_id: UUID) -> None:
        """Delete all contents of a user."""
        shutil.rmtree(self._folder / str(user_id), ignore_errors=True)

    def remove_drafts(self, older_than_s: float, now_s: float) -> None:
        """Delete drafts that a process has left behind; `now_s` counts as the times of files do."""
        for draft in list_folder(self._folder / _DRAFTS):
            if read_mtime_ns(draft) / 1e9 < now_s - older_than_s:
                shutil.rmtree(draft, ignore_errors=True)

    def _locate(self, user_id: UUID, sha256: str) -> Path:
        return self._folder / str(user_id) / sha256


def remove_user_files(data_dir: Path, user_id: UUID) -> None:
    """Delete all attached files of a user in a data folder, whether a server uses it or not.

    Raises:
        OSError: they cannot be deleted.
    """
    remove_folder(data_dir / ATTACHMENTS_FOLDER / str(user_id))


def back_up_files(data_dir: Path, target: Path) -> int:
    """Write all attached files of a data folder, which may be in use, to a new file; the number of contents in it.

    Make it after the backup of the database: a content is there before its row, and whatever is more does not harm.

    Raises:
        OSError: it exists already, or cannot be written.
    """
    contents = set()
    with write_tar(target) as tar:
        for path in _list_files(data_dir):
            with suppress(FileNotFoundError), path.open("rb") as content:
                name = path.relative_to(data_dir).as_posix()
                tar.addfile(tar.gettarinfo(arcname=name, fileobj=content), content)
                contents.add(path.parent)
    return len(contents)


def restore_files(source: Path, data_dir: Path) -> int:
    """Put the attached files of a backup into a data folder that no server uses; the number of contents that are new.

    What is there stays.

    Raises:
        OSError: it cannot be read or written.
    """
    draft = data_dir / f"{ATTACHMENTS_FOLDER}.restored"
    shutil.rmtree(draft, ignore_errors=True)
    count = 0
    try:
        unpack_tar(source, draft, _FILE)
        for folder in sorted((draft / ATTACHMENTS_FOLDER).glob("*/*")):
            target = data_dir / ATTACHMENTS_FOLDER / folder.parent.name / folder.name
            if not target.exists():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.rename(target)
                count += 1
    except tarfile.TarError as error:
        raise OSError(errno.EIO, "it is no backup of attached files, or is damaged") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return count


def has_files(data_dir: Path) -> bool:
    """Whether a data folder has any attached file. Raises OSError."""
    return next(_list_files(data_dir), None) is not None


def _list_files(data_dir: Path) -> Iterator[Path]:
    for user in list_folder(data_dir / ATTACHMENTS_FOLDER):
        for content in list_folder(user):
            for path in list_folder(content):
                if _FILE.fullmatch(path.relative_to(data_dir).as_posix()):
                    yield path
