"""The key file: private, made when first needed, and a secret opens with it and its own context alone."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from app.core.errors import StorageUnavailable
from app.storage.key_file import CONNECTIONS_KEY_FILE, MIN_KEY_CHARS, KeyFile

SECRET = "sk-canary-0123456789"


def test_a_secret_comes_back_in_its_own_context_alone(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "data")
    assert keys.open("v1:AAAA", b"mine") is None
    assert not keys.path.exists()
    sealed = keys.seal(SECRET, b"mine")
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert SECRET not in sealed
    assert keys.open(sealed, b"mine") == SECRET
    assert keys.open(sealed, b"another's") is None
    assert keys.seal(SECRET, b"mine") != sealed
    for broken in (sealed[:-4] + "AAAA", sealed.removeprefix("v1:"), "v1:***", "v1:", ""):
        assert keys.open(broken, b"mine") is None


def test_another_file_opens_nothing(tmp_path: Path) -> None:
    sealed = KeyFile(tmp_path / "a").seal(SECRET, b"mine")
    other = KeyFile(tmp_path / "b")
    assert other.open(sealed, b"mine") is None
    other.seal("another", b"mine")
    assert other.open(sealed, b"mine") is None
    other.path.write_bytes((tmp_path / "a" / CONNECTIONS_KEY_FILE).read_bytes())
    assert other.open(sealed, b"mine") == SECRET


def test_servers_with_the_same_setting_share_it_without_a_file(tmp_path: Path) -> None:
    sealed = KeyFile(tmp_path, "a secret of the operator's own, long").seal(SECRET, b"mine")
    assert KeyFile(tmp_path / "x", "a secret of the operator's own, long").open(sealed, b"mine") == SECRET
    assert KeyFile(tmp_path, "another secret of the operator, long").open(sealed, b"mine") is None
    assert not list(tmp_path.iterdir())


def test_two_that_begin_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        sealed = list(threads.map(lambda _: KeyFile(tmp_path).seal(SECRET, b"mine"), range(32)))
    assert {KeyFile(tmp_path).open(each, b"mine") for each in sealed} == {SECRET}
    assert [each.name for each in tmp_path.iterdir()] == [CONNECTIONS_KEY_FILE]


@pytest.mark.skipif(os.name != "posix", reason="the mode of a file means this on POSIX alone")
def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    sealed = keys.seal(SECRET, b"mine")
    keys.path.chmod(0o644)
    with pytest.raises(StorageUnavailable) as refused:
        keys.seal(SECRET, b"mine")
    assert str(tmp_path) not in refused.value.message
    with pytest.raises(StorageUnavailable):
        keys.open(sealed, b"mine")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        KeyFile(tmp_path / "file").seal(SECRET, b"mine")


def test_it_tells_nothing_of_itself(tmp_path: Path) -> None:
    assert "secret" not in repr(KeyFile(tmp_path, "a secret of the operator's own, long"))


@pytest.mark.parametrize("short", ["x", "k" * (MIN_KEY_CHARS - 1), " " * 40])
def test_a_short_key_is_refused_in_the_settings_and_in_the_file(tmp_path: Path, short: str) -> None:
    """It could be guessed from a copy of the database, and an empty file is a copy that failed."""
    in_file = KeyFile(tmp_path)
    sealed = in_file.seal(SECRET, b"mine")
    in_file.path.write_text(short)
    for keys, source in ((KeyFile(tmp_path, short), "llm.connections_key"), (in_file, CONNECTIONS_KEY_FILE)):
        for use in (
            partial(KeyFile.seal, secret=SECRET, context=b"mine"),
            partial(KeyFile.open, sealed=sealed, context=b"mine"),
        ):
            with pytest.raises(StorageUnavailable, match="32 characters") as refused:
                use(keys)
            assert source in refused.value.message
            assert short not in refused.value.message.split()


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    keys.path.touch(mode=0o600)
    with pytest.raises(StorageUnavailable, match="too short"):
        keys.seal(SECRET, b"mine")
