"""The data folder: private, locked for one server, and warned about on a network file system."""

import gzip
import os
import shutil
import stat
from pathlib import Path

import pytest

from app.core.errors import StorageUnavailable
from app.core.logging import configure_logging
from app.storage import data_folder
from app.storage.database import Database
from app.storage.lifecycle import open_database
from tests.support.database import make_settings
from tests.support.server import record_log

MOUNTS = """\
overlay / overlay rw 0 0
server:/export /srv/my\\040data nfs4 rw 0 0
/dev/sda1 /srv/my\\040data/local ext4 rw 0 0
tmpfs /srvs cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/my data/prompter", "nfs4"),
        ("/srv/my data/local/prompter", "ext4"),
        ("/srv", "overlay"),
        ("/var/lib/prompter", "overlay"),
    ],
)
def test_the_file_system_of_a_folder(folder: str, kind: str) -> None:
    assert data_folder.find_file_system(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"overlay / overlay rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(data_folder, "_MOUNTS", mounts)
    configure_logging("warning")
    with record_log() as log, data_folder.lock_folder(tmp_path / "data"):
        pass
    assert [line.count("nfs4") for line in log] == [1]


def test_a_folder_is_locked_for_one_server_and_free_again(tmp_path: Path) -> None:
    folder = tmp_path / "not yet there"
    for _ in range(2):
        with (
            data_folder.lock_folder(folder),
            pytest.raises(StorageUnavailable, match="another server uses the data folder"),
            data_folder.lock_folder(folder),
        ):
            raise AssertionError("never reached")


def test_an_empty_file_begins_a_database_only_where_nothing_shows_that_there_was_one(tmp_path: Path) -> None:
    """A first start that was cut short leaves one; where a key, a log or a copy lies beside it, it was emptied."""
    data_folder.make_private(tmp_path)
    for foreign in ("lost+found", ".DS_Store", "tls", ".jwt.key.draft"):
        (tmp_path / foreign).touch()
        with data_folder.lock_folder(tmp_path):
            pass
    for mine in (data_folder.KEY_FILE, "prompter.db-wal", "prompter.db.before-20260101-000000"):
        (tmp_path / mine).write_text("content")
        with pytest.raises(StorageUnavailable, match=rf"is empty \(0 bytes\), though '{mine}'"):
            data_folder.lock_folder(tmp_path).__enter__()
        (tmp_path / mine).unlink()
    (tmp_path / data_folder.KEY_FILE).write_text("a key")
    with data_folder.lock_folder(tmp_path, for_restore=True):
        (tmp_path / "prompter.db").unlink()
    with data_folder.lock_folder(tmp_path):
        assert (tmp_path / "prompter.db").exists()


@pytest.mark.skipif(os.name != "posix", reason="not beside this checkout: only POSIX has these modes")
def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    data_folder.make_private(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "prompter.db").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="not beside this checkout: only POSIX has these modes")
@pytest.mark.parametrize("left_over", [False, True])
def test_no_other_user_can_write_its_files_whatever_the_umask(tmp_path: Path, left_over: bool) -> None:
    folder = tmp_path / "data"
    before = os.umask(0)
    try:
        if left_over:
            folder.mkdir(mode=0o700)
            (folder / "prompter.lock").touch(mode=0o666)
        with data_folder.lock_folder(folder):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"prompter.lock": 0o600, "prompter.db": 0o600}


def test_a_folder_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageUnavailable, match=r"cannot be written .* set PROMPTER_DATA_DIR"),
        data_folder.lock_folder(tmp_path / "file" / "data"),
    ):
        raise AssertionError("never reached")


WRITTEN = Path(__file__).with_name("written_before.db.gz")
"""A database with conversations."""


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The default data folder of this installation, and that of another one, which has conversations."""
    own, other = tmp_path / "own" / "data", tmp_path / "other" / "data"
    other.mkdir(parents=True)
    (other / "prompter.db").write_bytes(gzip.decompress(WRITTEN.read_bytes()))
    monkeypatch.setattr(data_folder, "resolve_path", lambda path: own.parent / path)
    monkeypatch.setattr(data_folder, "list_other_bases", lambda: [tmp_path / "nowhere", other.parent])
    return own, other


async def list_warnings(folder: Path) -> list[str]:
    """What a server's start on this folder says about another one."""
    settings = make_settings(folder)
    configure_logging("warning")
    with record_log() as log:
        async with open_database(Database(settings), settings):
            pass
    return [line for line in log if "has conversations" in line]


async def test_an_empty_folder_beside_one_with_conversations_is_told(moved: tuple[Path, Path]) -> None:
    own, other = moved
    before = sorted(path.name for path in other.iterdir())
    for _ in range(2):  # also when the first start has made an empty database
        [line] = await list_warnings(own)
        assert f"the data folder {own} is empty" in line
        assert f"set PROMPTER_DATA_DIR={other}" in line
    assert sorted(path.name for path in other.iterdir()) == before, "looking writes nothing"


async def test_a_folder_in_use_or_named_by_a_setting_is_not_asked_about(
    moved: tuple[Path, Path], tmp_path: Path
) -> None:
    own, other = moved
    assert await list_warnings(tmp_path / "named") == []
    own.mkdir(parents=True)
    shutil.copy(other / "prompter.db", own)
    assert await list_warnings(own) == []


def test_a_log_that_is_not_in_the_file_yet_counts(tmp_path: Path) -> None:
    assert not data_folder.has_content(tmp_path)
    (tmp_path / "prompter.db").touch()
    assert not data_folder.has_content(tmp_path)
    (tmp_path / "prompter.db-wal").write_bytes(b"pages")
    assert data_folder.has_content(tmp_path)
