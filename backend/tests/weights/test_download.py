"""Checkpoints are downloaded whole or not at all."""

import re
from pathlib import Path

import pytest
from filelock import FileLock

from app.weights import checkpoints
from app.weights.download import download_checkpoint
from app.weights.fetch import DamagedFile, DiskFull, DownloadError, SourceUnreachable, WeightsNotFound
from app.weights.hub import is_hub_reachable
from tests.fakes.hub import FakeHub
from tests.support.checkpoints import FILES, REPO, WEIGHTS, list_names, make_settings, write_checkpoint


def test_a_checkpoint_is_fetched_whole(tmp_path: Path, hub: FakeHub) -> None:
    settings, seen = make_settings(tmp_path), []
    found = download_checkpoint("base", settings, lambda done, total: seen.append((done, total)))

    assert found == checkpoints.find_checkpoint("base", settings)
    assert found.path == tmp_path / "models" / "base"
    assert {path.name: path.read_bytes() for path in found.path.iterdir()} == FILES
    total = sum(map(len, FILES.values()))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert [path.name for path in (tmp_path / "models").iterdir() if path.name.endswith(".part")] == []


def test_a_checkpoint_that_is_there_is_not_fetched_again(tmp_path: Path, hub: FakeHub) -> None:
    download_checkpoint("base", make_settings(tmp_path))
    asked = len(hub.requests)
    download_checkpoint("base", make_settings(tmp_path))
    assert len(hub.requests) == asked


def test_one_in_the_hugging_face_cache_is_not_fetched_either(
    tmp_path: Path, cache: Path, hub: FakeHub
) -> None:
    cached = write_checkpoint(cache / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    assert download_checkpoint("base", make_settings(tmp_path)).path == cached
    assert hub.requests == []


def test_any_repository_can_be_named(tmp_path: Path, hub: FakeHub) -> None:
    hub.add("somebody/whisper", FILES)
    found = download_checkpoint("somebody/whisper", make_settings(tmp_path))
    assert found.path.name == "somebody--whisper"
    assert list_names(make_settings(tmp_path)) == ["somebody/whisper"]


def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [1000, 50_000]
    found = download_checkpoint("base", make_settings(tmp_path))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    ranges = [header for path, header in hub.requests if path.endswith("model.bin") and header]
    assert "bytes=1000-" in ranges
    assert "bytes=51000-" in ranges


def test_a_broken_download_is_gone_on_with_by_the_next_command(tmp_path: Path, hub: FakeHub) -> None:
    settings = make_settings(tmp_path)
    hub.breaks_after = [100_000] + [0] * 20
    with pytest.raises(SourceUnreachable, match=r"broke off after 100000 of 307200 bytes.*goes on"):
        download_checkpoint("base", settings, retry_wait_s=0)
    assert list_names(settings) == []

    hub.breaks_after, hub.requests, seen = [], [], []
    found = download_checkpoint("base", settings, lambda done, _: seen.append(done))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    fetched = [header for path, header in hub.requests if path.startswith("/elsewhere")]
    assert fetched == ["bytes=100000-"]
    assert seen[-1] == sum(map(len, FILES.values()))


def test_a_hub_without_ranges_is_started_over(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after, hub.ignores_ranges, seen = [1000], True, []
    found = download_checkpoint("base", make_settings(tmp_path), lambda done, _: seen.append(done))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    assert seen[-1] == sum(map(len, FILES.values()))


@pytest.mark.parametrize("name", ["model.bin", "vocabulary.json"])
def test_damaged_bytes_are_noticed_and_removed(tmp_path: Path, hub: FakeHub, name: str) -> None:
    hub.damages = name
    with pytest.raises(DamagedFile, match=f"'{name}' of '{REPO}'"):
        download_checkpoint("base", make_settings(tmp_path))
    assert list_names(make_settings(tmp_path)) == []

    hub.damages = ""
    assert download_checkpoint("base", make_settings(tmp_path)).name == "base"


@pytest.mark.parametrize("name", ["bass", "", "../x", "a/b/c", ".hidden/x", "a/b?c"])
def test_an_unknown_name_lists_the_known(tmp_path: Path, hub: FakeHub, name: str) -> None:
    with pytest.raises(WeightsNotFound, match=rf"{re.escape(repr(name))}.*known: tiny, base"):
        download_checkpoint(name, make_settings(tmp_path))
    assert hub.requests == []


def test_a_repository_that_is_not_there_is_told(tmp_path: Path, hub: FakeHub) -> None:
    with pytest.raises(WeightsNotFound, match="'no/where'"):
        download_checkpoint("no/where", make_settings(tmp_path))
    assert list((tmp_path / "models").glob(".*.part")) == []


@pytest.mark.parametrize(
    "files",
    [{"pytorch_model.bin": b"x"}, {**FILES, "config.json": b"{}"}],
    ids=["no CTranslate2 files", "another architecture"],
)
def test_a_repository_that_is_no_checkpoint_is_told(
    tmp_path: Path, hub: FakeHub, files: dict[str, bytes]
) -> None:
    hub.add("some/thing", files)
    with pytest.raises(WeightsNotFound, match="no Whisper checkpoint for CTranslate2"):
        download_checkpoint("some/thing", make_settings(tmp_path))
    assert list_names(make_settings(tmp_path)) == []


def test_an_unreachable_hub_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", unused_address)
    with pytest.raises(SourceUnreachable) as caught:
        download_checkpoint("base", make_settings(tmp_path))
    message = str(caught.value)
    for part in (unused_address, REPO, "model.bin", str(tmp_path / "models" / "base"), "HF_ENDPOINT"):
        assert part in message
    assert not is_hub_reachable()


@pytest.mark.parametrize("address", ["nonsense", "http://["])
def test_an_address_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert not is_hub_reachable()
    with pytest.raises(SourceUnreachable, match=re.escape(address)):
        download_checkpoint("base", make_settings(tmp_path))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="cannot write into"):
        download_checkpoint("base", make_settings(tmp_path))


def test_offline_means_that_nobody_is_asked(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceUnreachable, match="HF_HUB_OFFLINE"):
        download_checkpoint("base", make_settings(tmp_path))
    assert not is_hub_reachable()
    assert hub.requests == []


def test_a_hub_in_trouble_does_not_answer(tmp_path: Path, hub: FakeHub) -> None:
    assert is_hub_reachable()
    hub.status = 503
    assert not is_hub_reachable()
    with pytest.raises(SourceUnreachable, match="503"):
        download_checkpoint("base", make_settings(tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without room")
def test_a_full_disk_is_told(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [0] * 5
    with pytest.raises(SourceUnreachable):
        download_checkpoint("base", make_settings(tmp_path), retry_wait_s=0)
    (part,) = (tmp_path / "models" / ".base.part").glob("model.bin.*.part")
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="free some space"):
        download_checkpoint("base", make_settings(tmp_path))


def test_two_commands_do_not_fetch_the_same(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "models").mkdir()
    with FileLock(tmp_path / "models" / ".base.lock"), pytest.raises(DownloadError, match="another command"):
        download_checkpoint("base", make_settings(tmp_path))


def test_a_folder_in_the_way_is_left_alone(tmp_path: Path, hub: FakeHub) -> None:
    folder = write_checkpoint(tmp_path / "models" / "base", {"notes.txt": b"mine"})
    with pytest.raises(DownloadError, match="in the way"):
        download_checkpoint("base", make_settings(tmp_path))
    assert (folder / "notes.txt").read_bytes() == b"mine"
