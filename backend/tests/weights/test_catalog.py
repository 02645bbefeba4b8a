"""The catalog knows what each source has, with sizes, licences and checksums that fit together."""

from pathlib import Path

import pytest

from app.weights.catalog import KNOWN, LICENCES, KnownWeights, SourceName, find_known, write_licence
from app.weights.known_checkpoints import REPOSITORIES

PACKAGED = [weights for weights in KNOWN.values() if weights.packages]


def test_every_name_of_a_checkpoint_and_smollm2_are_known() -> None:
    assert set(KNOWN) == {*REPOSITORIES, "smollm2"}
    assert {weights.name: weights.sources for weights in PACKAGED} == {
        "base": (SourceName.HUB, SourceName.INDEX),
        "tiny.en": (SourceName.HUB, SourceName.INDEX),
        "smollm2": (SourceName.INDEX,),
    }
    assert KNOWN["small"].sources == (SourceName.HUB,)


@pytest.mark.parametrize("weights", PACKAGED, ids=lambda weights: weights.name)
def test_the_files_of_packages_make_up_the_weights(weights: KnownWeights) -> None:
    files = [file for package in weights.packages for file in package.files]
    assert {file.target for file in files} == {name for name, _ in weights.sha256}
    assert weights.size_bytes == sum(file.size_bytes for file in files)
    for name, checksum in weights.sha256:
        parts = [file for file in files if file.target == name]
        assert len(checksum) == 64
        if len(parts) == 1:
            assert parts[0].sha256 == checksum


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("base", "base"),
        ("Systran/faster-whisper-base", "base"),
        ("turbo", "large-v3-turbo"),
        ("no/where", None),
    ],
)
def test_a_repository_and_an_alias_lead_to_an_entry(name: str, found: str | None) -> None:
    known = find_known(name)
    assert (known.name if known else None) == found


@pytest.mark.parametrize("weights", KNOWN.values(), ids=lambda weights: weights.name)
def test_the_licence_stands_beside_the_weights(tmp_path: Path, weights: KnownWeights) -> None:
    write_licence(weights, tmp_path, "the package index: some==1")
    assert (tmp_path / "LICENSE").read_bytes() == (LICENCES / weights.licence_file).read_bytes()
    notice = (tmp_path / "NOTICE").read_text(encoding="utf-8")
    assert weights.origin in notice
    assert "the package index: some==1" in notice
