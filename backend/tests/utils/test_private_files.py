"""Files of keys: for their user alone, whole, and one of them where two servers start at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.utils.private_files import can_others_read, create_secret, write_private


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert not can_others_read(path)
    path.chmod(0o640)
    assert can_others_read(path) is (os.name == "posix")


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"first")
    with pytest.raises(FileExistsError):
        write_private(path, b"second")
    create_secret(path)
    assert path.read_bytes() == b"first"


def test_servers_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "key"

    def start(_: int) -> bytes:
        create_secret(path)
        return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(start, range(8)))
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 32
    assert [each.name for each in path.parent.iterdir()] == ["key"]
