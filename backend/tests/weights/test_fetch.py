"""Files are fetched over HTTP: continued where they broke off, and checked."""

from pathlib import Path

import pytest

from app.weights.fetch import DamagedFile, Fetcher, RemoteFile, SourceUnreachable
from app.weights.hub import hub_source, list_hub_files
from tests.fakes.hub import FakeHub
from tests.support.checkpoints import REPO, WEIGHTS


def weights_file(fetcher: Fetcher) -> RemoteFile:
    return next(file for file in list_hub_files(fetcher, REPO) if file.name == "model.bin")


def test_a_file_is_continued_and_its_pieces_are_counted(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [1000]
    sizes: list[int] = []
    with Fetcher(hub_source(), retry_wait_s=0) as fetcher:
        fetcher.fetch_file(weights_file(fetcher), tmp_path, sizes.append)
    assert (tmp_path / "model.bin").read_bytes() == WEIGHTS
    assert sum(sizes) == len(WEIGHTS)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["model.bin"]


def test_a_file_that_is_there_is_not_fetched_again(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "model.bin").write_bytes(WEIGHTS)
    with Fetcher(hub_source()) as fetcher:
        file = weights_file(fetcher)
        sizes: list[int] = []
        before = len(hub.requests)
        fetcher.fetch_file(file, tmp_path, sizes.append)
    assert (len(hub.requests), sizes) == (before, [len(WEIGHTS)])


def test_a_file_with_another_checksum_is_removed(tmp_path: Path, hub: FakeHub) -> None:
    hub.damages = "model.bin"
    with Fetcher(hub_source()) as fetcher, pytest.raises(DamagedFile, match="wrong checksum"):
        fetcher.fetch_file(weights_file(fetcher), tmp_path, lambda _: None)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_source_that_brings_nothing_is_given_up(tmp_path: Path, hub: FakeHub) -> None:
    hub.breaks_after = [0] * 20
    with Fetcher(hub_source(), retry_wait_s=0) as fetcher:
        file = weights_file(fetcher)
        with pytest.raises(SourceUnreachable, match=f"broke off after 0 of {len(WEIGHTS)} bytes"):
            fetcher.fetch_file(file, tmp_path, lambda _: None)


def test_what_is_no_json_is_no_hub(hub: FakeHub) -> None:
    hub.status = 500
    with Fetcher(hub_source()) as fetcher, pytest.raises(SourceUnreachable, match="answered 500"):
        fetcher.fetch_json("/api/models/x/revision/main", "x")
