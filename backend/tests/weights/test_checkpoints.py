"""Checkpoints are found where people keep them, and fetched whole or not at all."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from app.core.config import Settings, SttSettings, WhisperSettings
from app.weights import checkpoints
from app.weights.checkpoints import REPOSITORIES
from app.weights.download import (
    DamagedFile,
    DiskFull,
    HubError,
    HubUnreachable,
    NotOnHub,
    download_checkpoint,
    is_hub_reachable,
)
from tests.fakes.hub import FakeHub

WEIGHTS = bytes(range(256)) * 1200
FILES = {
    "config.json": b'{"suppress_ids": [1], "lang_ids": [2]}',
    "tokenizer.json": b"{}",
    "vocabulary.json": json.dumps(["a", '"', "", "b"]).encode(),
    "model.bin": WEIGHTS,
}
REPO = "Systran/faster-whisper-base"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, so that this machine's own is never seen."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub().serve() as fake:
        fake.add(REPO, {**FILES, "README.md": b"not wanted"})
        monkeypatch.setenv("HF_ENDPOINT", fake.address)
        yield fake


def settings_in(tmp_path: Path, model: str = "") -> Settings:
    return Settings(
        models_dir=tmp_path / "models", stt=SttSettings(whisper_local=WhisperSettings(model=model))
    )


def place(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def names(settings: Settings) -> list[str]:
    return [checkpoint.name for checkpoint in checkpoints.list_checkpoints(settings)]


# -- finding -------------------------------------------------------------------------------------------------


def test_a_folder_under_models_is_a_checkpoint(tmp_path: Path) -> None:
    place(tmp_path / "models" / "mine")
    (found,) = checkpoints.list_checkpoints(settings_in(tmp_path))
    assert (found.name, found.path) == ("mine", tmp_path / "models" / "mine")
    assert found.size_bytes == sum(map(len, FILES.values()))
    assert found.multilingual
    assert not found.test_only


@pytest.mark.parametrize(
    ("name", "content", "multilingual"),
    [
        ("vocabulary.json", b'["a", "\\""]', False),
        ("vocabulary.json", b'["a", ""]', True),
        ("vocabulary.txt", b"a\nb\n", False),
        ("vocabulary.txt", b"a\n\nb\n", True),
    ],
)
def test_the_empty_token_tells_a_multilingual_one(
    tmp_path: Path, name: str, content: bytes, multilingual: bool
) -> None:
    files = {key: value for key, value in FILES.items() if key != "vocabulary.json"}
    place(tmp_path / "models" / "mine", {**files, name: content})
    (found,) = checkpoints.list_checkpoints(settings_in(tmp_path))
    assert found.multilingual is multilingual


@pytest.mark.parametrize("missing", FILES)
def test_a_half_filled_folder_is_not_listed(tmp_path: Path, missing: str) -> None:
    place(tmp_path / "models" / "base", {name: data for name, data in FILES.items() if name != missing})
    assert names(settings_in(tmp_path)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"model.bin": b"version https://git-lfs.github.com/spec/v1\n"},
        {"config.json": b'{"architecture": "translator"}'},
        {"config.json": b"{"},
        {"vocabulary.json": b"\xff"},
    ],
    ids=["pointer instead of weights", "another architecture", "broken config", "broken vocabulary"],
)
def test_what_the_engine_could_not_load_is_not_listed(tmp_path: Path, wrong: dict[str, bytes]) -> None:
    place(tmp_path / "models" / "base", {**FILES, **wrong})
    assert names(settings_in(tmp_path)) == []


def test_the_hugging_face_cache_is_searched(tmp_path: Path, cache: Path) -> None:
    for repo in ("Systran--faster-whisper-small", "somebody--whisper-fine-tuned"):
        root = cache / f"models--{repo}"
        place(root / "snapshots" / "old")
        place(root / "snapshots" / "new")
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text("new")
    place(cache / "models--Systran--faster-whisper-tiny" / "snapshots" / "half", {"config.json": b"{}"})

    settings = settings_in(tmp_path)
    assert names(settings) == ["small", "somebody/whisper-fine-tuned"]
    found = checkpoints.find_checkpoint("Systran/faster-whisper-small", settings)
    assert found is not None
    assert found.path.name == "new"


def test_hf_home_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    place(tmp_path / "home" / "hub" / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    assert names(settings_in(tmp_path)) == ["base"]


def test_the_models_folder_goes_before_the_cache(tmp_path: Path, cache: Path) -> None:
    place(cache / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    mine = place(tmp_path / "models" / "base")
    (found,) = checkpoints.list_checkpoints(settings_in(tmp_path))
    assert found.path == mine


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        (["tiny", "small", "base"], "base"),
        (["tiny", "small", "base.en"], "small"),
        (["medium", "mine"], "mine"),
        (["whisper-samples"], None),
        (["whisper-samples", "tiny.en"], "tiny.en"),
        ([], None),
    ],
)
def test_the_default_is_the_best_present_and_never_the_test_checkpoint(
    tmp_path: Path, present: list[str], chosen: str | None
) -> None:
    for name in present:
        weights = WEIGHTS * (2 if name == "medium" else 1)
        place(tmp_path / "models" / name, {**FILES, "model.bin": weights})
    found = checkpoints.find_default_checkpoint(settings_in(tmp_path))
    assert (found.name if found else None) == chosen


def test_settings_choose_the_default(tmp_path: Path) -> None:
    elsewhere = place(tmp_path / "elsewhere" / "whisper-samples")
    place(tmp_path / "models" / "base")
    place(tmp_path / "models" / "large-v3")

    for model, path in [
        ("large", tmp_path / "models" / "large-v3"),
        ("Systran/faster-whisper-base", tmp_path / "models" / "base"),
        (str(elsewhere), elsewhere),
    ]:
        settings = settings_in(tmp_path, model)
        found = checkpoints.find_default_checkpoint(settings)
        assert found is not None
        assert found.path == path
        assert found in checkpoints.list_checkpoints(settings)


def test_a_default_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    place(tmp_path / "models" / "base")
    assert checkpoints.find_default_checkpoint(settings_in(tmp_path, "small")) is None


def test_names_are_those_of_faster_whisper() -> None:
    from faster_whisper.utils import _MODELS

    ours = {**REPOSITORIES, **{alias: REPOSITORIES[name] for alias, name in checkpoints.ALIASES.items()}}
    assert ours == _MODELS


# -- fetching ------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_fetched_whole(tmp_path: Path, hub: FakeHub) -> None:
    settings, seen = settings_in(tmp_path), []
    found = download_checkpoint("base", settings, lambda done, total: seen.append((done, total)))

    assert found == checkpoints.find_checkpoint("base", settings)
    assert found.path == tmp_path / "models" / "base"
    assert {path.name: path.read_bytes() for path in found.path.iterdir()} == FILES
    total = sum(map(len, FILES.values()))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert [path.name for path in (tmp_path / "models").iterdir() if path.name.endswith(".part")] == []


def test_a_checkpoint_that_is_there_is_not_fetched_again(tmp_path: Path, hub: FakeHub) -> None:
    download_checkpoint("base", settings_in(tmp_path))
    asked = len(hub.requests)
    download_checkpoint("base", settings_in(tmp_path))
    assert len(hub.requests) == asked


def test_one_in_the_hugging_face_cache_is_not_fetched_either(
    tmp_path: Path, cache: Path, hub: FakeHub
) -> None:
    cached = place(cache / "models--Systran--faster-whisper-base" / "snapshots" / "x")
    assert download_checkpoint("base", settings_in(tmp_path)).path == cached
    assert hub.requests == []


def test_any_repository_can_be_named(tmp_path: Path, hub: FakeHub) -> None:
    hub.add("somebody/whisper", FILES)
    found = download_checkpoint("somebody/whisper", settings_in(tmp_path))
    assert found.path.name == "somebody--whisper"
    assert names(settings_in(tmp_path)) == ["somebody/whisper"]


def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [1000, 50_000]
    found = download_checkpoint("base", settings_in(tmp_path))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    ranges = [header for path, header in hub.requests if path.endswith("model.bin") and header]
    assert "bytes=1000-" in ranges
    assert "bytes=51000-" in ranges


def test_a_broken_download_is_gone_on_with_by_the_next_command(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_in(tmp_path)
    hub.breaks_after = [100_000] + [0] * 20
    with pytest.raises(HubUnreachable, match=r"broke off after 100000 of 307200 bytes.*goes on"):
        download_checkpoint("base", settings, retry_wait_s=0)
    assert names(settings) == []

    hub.breaks_after, hub.requests, seen = [], [], []
    found = download_checkpoint("base", settings, lambda done, _: seen.append(done))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    fetched = [header for path, header in hub.requests if path.startswith("/elsewhere")]
    assert fetched == ["bytes=100000-"]
    assert seen[-1] == sum(map(len, FILES.values()))


def test_a_hub_without_ranges_is_started_over(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after, hub.ignores_ranges, seen = [1000], True, []
    found = download_checkpoint("base", settings_in(tmp_path), lambda done, _: seen.append(done))
    assert (found.path / "model.bin").read_bytes() == WEIGHTS
    assert seen[-1] == sum(map(len, FILES.values()))


@pytest.mark.parametrize("name", ["model.bin", "vocabulary.json"])
def test_damaged_bytes_are_noticed_and_removed(tmp_path: Path, hub: FakeHub, name: str) -> None:
    hub.damages = name
    with pytest.raises(DamagedFile, match=f"'{name}' of '{REPO}'"):
        download_checkpoint("base", settings_in(tmp_path))
    assert names(settings_in(tmp_path)) == []

    hub.damages = ""
    assert download_checkpoint("base", settings_in(tmp_path)).name == "base"


@pytest.mark.parametrize("name", ["bass", "", "../x", "a/b/c", ".hidden/x", "a/b?c"])
def test_an_unknown_name_lists_the_known(tmp_path: Path, hub: FakeHub, name: str) -> None:
    with pytest.raises(NotOnHub, match=rf"{re.escape(repr(name))}.*known: tiny, base"):
        download_checkpoint(name, settings_in(tmp_path))
    assert hub.requests == []


def test_a_repository_that_is_not_there_is_told(tmp_path: Path, hub: FakeHub) -> None:
    with pytest.raises(NotOnHub, match="'no/where'"):
        download_checkpoint("no/where", settings_in(tmp_path))
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
    with pytest.raises(NotOnHub, match="no Whisper checkpoint for CTranslate2"):
        download_checkpoint("some/thing", settings_in(tmp_path))
    assert names(settings_in(tmp_path)) == []


def test_an_unreachable_hub_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", unused_address)
    with pytest.raises(HubUnreachable) as caught:
        download_checkpoint("base", settings_in(tmp_path))
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
    with pytest.raises(HubUnreachable, match=re.escape(address)):
        download_checkpoint("base", settings_in(tmp_path))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(HubError, match="cannot write into"):
        download_checkpoint("base", settings_in(tmp_path))


def test_offline_means_that_nobody_is_asked(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE"):
        download_checkpoint("base", settings_in(tmp_path))
    assert not is_hub_reachable()
    assert hub.requests == []


def test_a_hub_in_trouble_does_not_answer(tmp_path: Path, hub: FakeHub) -> None:
    assert is_hub_reachable()
    hub.status = 503
    assert not is_hub_reachable()
    with pytest.raises(HubUnreachable, match="503"):
        download_checkpoint("base", settings_in(tmp_path))


def test_a_hub_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert not is_hub_reachable(timeout_s=0.05)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without room")
def test_a_full_disk_is_told(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [0] * 5
    with pytest.raises(HubUnreachable):
        download_checkpoint("base", settings_in(tmp_path), retry_wait_s=0)
    (part,) = (tmp_path / "models" / ".base.part").glob("model.bin.*.part")
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="free some space"):
        download_checkpoint("base", settings_in(tmp_path))


def test_two_commands_do_not_fetch_the_same(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "models").mkdir()
    with FileLock(tmp_path / "models" / ".base.lock"), pytest.raises(HubError, match="another command"):
        download_checkpoint("base", settings_in(tmp_path))


def test_a_folder_in_the_way_is_left_alone(tmp_path: Path, hub: FakeHub) -> None:
    folder = place(tmp_path / "models" / "base", {"notes.txt": b"mine"})
    with pytest.raises(HubError, match="in the way"):
        download_checkpoint("base", settings_in(tmp_path))
    assert (folder / "notes.txt").read_bytes() == b"mine"


@pytest.fixture
def unused_address() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
