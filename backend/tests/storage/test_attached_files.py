"""Contents of attached files on disk: private, by hash, in backups, and deleted."""

from pathlib import Path
from uuid import UUID

import pytest

from app.storage.attached_files import (
    CONTENT,
    TEXT,
    AttachedFiles,
    back_up_files,
    name_view,
    remove_user_files,
    restore_files,
)
from app.utils.ids import new_id

ANA, BOB = new_id(), new_id()
HASH, OTHER = "a" * 64, "b" * 64


def keep(files: AttachedFiles, user: UUID = ANA, sha256: str = HASH, **more: bytes) -> None:
    draft = files.write_draft({CONTENT: b"content", **more})
    files.publish(draft, user, sha256)
    files.discard(draft)


def test_a_content_is_private_and_kept_once(tmp_path: Path) -> None:
    files = AttachedFiles(tmp_path)
    keep(files, text=b"text")
    keep(files)
    assert files.list_contents(ANA) == [HASH]
    assert files.read(ANA, HASH, TEXT, 2) == b"te"
    content = files.find(ANA, HASH, CONTENT)
    assert [path.stat().st_mode & 0o777 for path in (content, content.parent, content.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]
    assert list((tmp_path / "attachments" / ".drafts").iterdir()) == []


def test_a_data_folder_that_is_made_for_it_is_private(tmp_path: Path) -> None:
    keep(AttachedFiles(tmp_path / "data"))
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "attachments").stat().st_mode & 0o777 == 0o700


def test_a_file_is_added_to_a_content_that_is_there_alone(tmp_path: Path) -> None:
    files = AttachedFiles(tmp_path)
    files.add(ANA, HASH, TEXT, b"late")
    assert files.list_contents(ANA) == []
    keep(files)
    files.add(ANA, HASH, TEXT, b"said")
    assert files.read(ANA, HASH, TEXT) == b"said"


def test_contents_and_users_are_removed(tmp_path: Path) -> None:
    files = AttachedFiles(tmp_path)
    for user, sha256 in ((ANA, HASH), (ANA, OTHER), (BOB, HASH)):
        keep(files, user, sha256)
    files.remove(ANA, OTHER)
    assert files.list_contents(ANA) == [HASH]
    assert set(files.list_users()) == {ANA, BOB}
    files.remove_user(ANA)
    remove_user_files(tmp_path, BOB)
    remove_user_files(tmp_path, BOB)
    assert files.list_users() == []


def test_drafts_that_were_left_are_removed(tmp_path: Path) -> None:
    files = AttachedFiles(tmp_path)
    draft = files.write_draft({CONTENT: b"x"})
    at_s = draft.stat().st_mtime
    files.remove_drafts(60, at_s + 59)
    assert draft.exists()
    files.remove_drafts(60, at_s + 61)
    assert not draft.exists()


def test_a_backup_is_put_back_and_what_is_there_stays(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    files = AttachedFiles(one)
    keep(files, text=b"text")
    files.add(ANA, HASH, name_view(1), b"view")
    keep(files, BOB)
    (one / "attachments" / str(ANA) / HASH / "foreign").write_bytes(b"no file of ours")
    backup = tmp_path / "x.attachments"
    assert back_up_files(one, backup) == 2
    assert backup.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        back_up_files(one, backup)
    keep(AttachedFiles(two), BOB)
    assert restore_files(backup, two) == 1
    assert AttachedFiles(two).read(ANA, HASH, name_view(1)) == b"view"
    assert not AttachedFiles(two).find(ANA, HASH, "foreign").exists()
    assert restore_files(backup, two) == 0
    backup.write_bytes(b"rubbish")
    with pytest.raises(OSError, match="no backup"):
        restore_files(backup, two)
