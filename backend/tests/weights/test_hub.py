"""The model hub: whether it answers, and which files a repository holds."""

import socket

import pytest

from app.weights.fetch import Fetcher, WeightsNotFound
from app.weights.hub import hub_source, is_hub_reachable, is_offline, list_hub_files, read_hub_url
from tests.fakes.hub import FakeHub
from tests.support.checkpoints import CARD, FILES, REPO, WEIGHTS


def test_a_hub_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert not is_hub_reachable(timeout_s=0.05)


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_user_can_forbid_the_network(
    monkeypatch: pytest.MonkeyPatch, value: str, *, offline: bool
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert is_offline() is offline


def test_a_mirror_takes_the_place_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hub/")
    assert read_hub_url() == hub_source().url == "https://mirror.example/hub"


def test_the_files_of_a_repository_have_sizes_and_checksums(hub: FakeHub) -> None:
    with Fetcher(hub_source()) as fetcher:
        files = {file.name: file for file in list_hub_files(fetcher, REPO)}
        with pytest.raises(WeightsNotFound, match="no repository 'no/where'"):
            list_hub_files(fetcher, "no/where")
    assert set(files) == {*FILES, *CARD, "notes.txt"}
    weights, config = files["model.bin"], files["config.json"]
    assert (weights.size_bytes, weights.package) == (len(WEIGHTS), REPO)
    assert weights.url.startswith(f"{hub.address}/{REPO}/resolve/")
    assert weights.sha256
    assert config.sha256 is None
    assert config.git_sha1
