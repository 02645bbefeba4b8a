"""Tar files of a backup: private, written once, and unpacked by the names that are wanted."""

import io
import re
import stat
import tarfile
from pathlib import Path

import pytest

from app.storage.tar_files import unpack_tar, write_tar


def write(target: Path, *names: str) -> None:
    with write_tar(target) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))


def test_a_file_is_private_and_no_other_is_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "backup"
    write(target, "a/1")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write(target, "a/2")


def test_wanted_names_are_unpacked_and_no_others(tmp_path: Path) -> None:
    target, folder = tmp_path / "backup", tmp_path / "there"
    write(target, "a/1", "../a/2", "/a/3", "a/1/../../4", "b/5")
    unpack_tar(target, folder, re.compile(r"a/[0-9]"))
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / "a" / "1"]
    assert stat.S_IMODE((folder / "a" / "1").stat().st_mode) == 0o600


def test_what_is_no_tar_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(b"no tar file")
    with pytest.raises(tarfile.TarError):
        unpack_tar(tmp_path / "backup", tmp_path / "there", re.compile("a"))
