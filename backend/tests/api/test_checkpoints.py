"""Weights are fetched over HTTP: with progress, cancelled, gone on with, checked, and removed again."""

import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.services.weights import fetching
from app.weights.catalog import KNOWN, SMOLLM2_FILE
from tests.fakes.package_index import FakeIndex
from tests.support.accounts import ACCOUNTS, Team, make_bearer
from tests.support.checkpoints import write_checkpoint
from tests.support.fetching import (
    CheckpointClient,
    fetching_settings,
    run_fetching_server,
    serve_small_weights,
)
from tests.support.packaged_weights import BASE_FILES

pytestmark = pytest.mark.once

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  # as `shutil.disk_usage` returns it


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIndex]:
    with serve_small_weights(monkeypatch, tmp_path) as fake:
        yield fake


@pytest.fixture
def client(index: FakeIndex, tmp_path: Path) -> Iterator[CheckpointClient]:
    with run_fetching_server(fetching_settings(tmp_path)) as (_, client):
        yield client


def error_code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def hold(index: FakeIndex) -> threading.Event:
    """Let the next wheels stop at their half until the event is set."""
    index.goes_on = threading.Event()
    return index.goes_on


def test_what_can_be_fetched_says_what_it_gives(client: CheckpointClient) -> None:
    found = client.list()
    assert found["may_change"] is True
    assert found["fetch"] is None
    assert found["free_bytes"] > 0
    names = [item["name"] for item in found["items"] if item["recommended"]]
    assert names == ["tiny", "base", "small", "medium", "large-v2", "smollm2"], (
        "smaller ones first, then answers"
    )
    small = client.item("small")
    assert (small["error_percent"], small["languages"], small["here"]) == (3.4, None, False)
    assert small["download_bytes"] == small["size_bytes"] == 486_000_000
    assert client.item("tiny.en")["languages"] == ["en"]
    assert client.item("smollm2")["engine"] == "llama_local"


def test_one_is_fetched_and_there_without_a_restart(client: CheckpointClient, tmp_path: Path) -> None:
    begun = client.begin("base")
    assert (begun.status_code, begun.json()["state"]) == (200, "fetching")
    done = client.until_state("done", "failed")
    assert done["state"] == "done"
    assert done["done_bytes"] == done["total_bytes"] == KNOWN["base"].wheel_bytes
    item = client.item("base")
    assert (item["here"], item["removable"], item["download_bytes"]) == (True, True, 0)
    assert (tmp_path / "models" / "base" / "model.bin").read_bytes() == BASE_FILES["model.bin"]


def test_progress_grows_and_a_second_wish_joins_the_first(client: CheckpointClient, index: FakeIndex) -> None:
    goes_on = hold(index)
    client.begin("base")
    part = client.until(lambda fetch: fetch["done_bytes"] > 0)
    assert part["state"] == "fetching"
    assert part["done_bytes"] < part["total_bytes"]
    assert client.begin("base").status_code == 200
    assert error_code(client.begin("smollm2")) == (409, "fetch_under_way")
    assert error_code(client.remove("base")) == (409, "fetch_under_way")
    goes_on.set()
    assert client.until_state("done", "failed")["state"] == "done"
    assert index.count_wheels("weights-part1") == 1


def test_cancelled_it_stops_and_goes_on_from_where_it_was(client: CheckpointClient, index: FakeIndex) -> None:
    goes_on = hold(index)
    client.begin("base")
    half = client.until(lambda fetch: fetch["done_bytes"] > 50_000)["done_bytes"]
    assert client.cancel("base").json()["state"] == "cancelled"
    goes_on.set()
    index.goes_on = None
    assert error_code(client.cancel("base")) == (404, "not_found")
    assert client.item("base")["partial_bytes"] >= half
    index.ranges.clear()
    assert client.begin("base").status_code == 200
    assert client.until_state("done", "failed")["state"] == "done"
    assert int(index.ranges[0].removeprefix("bytes=").removesuffix("-")) >= half


def test_removing_others_does_not_wait_for_a_download(client: CheckpointClient, index: FakeIndex) -> None:
    goes_on = hold(index)
    client.begin("base")
    client.until(lambda fetch: fetch["done_bytes"] > 0)
    assert error_code(client.remove("smollm2")) == (404, "not_found")
    assert client.list()["fetch"]["state"] == "fetching"
    goes_on.set()
    assert client.until_state("done", "failed")["state"] == "done"


def test_a_line_that_breaks_is_told_and_gone_on_with(client: CheckpointClient, index: FakeIndex) -> None:
    index.breaks_after = [100_000] + [0] * 20
    client.begin("base")
    failed = client.until_state("failed", "done")
    assert failed["error"]["code"] == "source_unreachable"
    assert client.item("base")["partial_bytes"] == 100_000
    index.breaks_after = []
    index.ranges.clear()
    client.begin("base")
    assert client.until_state("done", "failed")["state"] == "done"
    assert index.ranges[0] == "bytes=100000-"


def test_a_server_that_starts_again_goes_on_by_itself(index: FakeIndex, tmp_path: Path) -> None:
    goes_on = hold(index)
    with run_fetching_server(fetching_settings(tmp_path)) as (_, client):
        client.begin("base")
        half = client.until(lambda fetch: fetch["done_bytes"] > 50_000)["done_bytes"]
    goes_on.set()
    index.goes_on = None
    index.ranges.clear()
    with run_fetching_server(fetching_settings(tmp_path)) as (_, client):
        assert client.until_state("done", "failed")["state"] == "done"
        assert client.item("base")["here"]
    assert int(index.ranges[0].removeprefix("bytes=").removesuffix("-")) >= half
    assert not (tmp_path / "data" / fetching.WANTED).exists()


def test_what_was_cancelled_is_not_begun_again(index: FakeIndex, tmp_path: Path) -> None:
    goes_on = hold(index)
    with run_fetching_server(fetching_settings(tmp_path)) as (_, client):
        client.begin("base")
        client.until(lambda fetch: fetch["done_bytes"] > 0)
        client.cancel("base")
        goes_on.set()
        assert client.remove("base").status_code == 200, "which waits for the thread to end"
    with run_fetching_server(fetching_settings(tmp_path)) as (_, client):
        assert client.list()["fetch"] is None


@pytest.mark.parametrize(
    ("trouble", "code"),
    [({"status": 503}, "source_unreachable"), ({"damages": True}, "damaged_file")],
    ids=["no index", "other bytes"],
)
def test_each_trouble_has_its_code(
    client: CheckpointClient, index: FakeIndex, trouble: dict[str, Any], code: str
) -> None:
    for name, value in trouble.items():
        setattr(index, name, value)
    client.begin("smollm2")
    assert client.until_state("failed", "done")["error"]["code"] == code
    assert not client.item("smollm2")["here"]


def test_a_disk_without_room_is_told_before(
    client: CheckpointClient, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 5 << 20))
    client.begin("base")
    error = client.until_state("failed", "done")["error"]
    assert (error["code"], error["free_bytes"]) == ("disk_full", 5 << 20)
    assert error["need_bytes"] > fetching.KEEP_FREE_BYTES
    assert index.count_wheels("weights-part1") == 0
    assert client.list()["free_bytes"] == 5 << 20


def test_a_disk_that_fills_up_meanwhile_stops_it_in_time(
    client: CheckpointClient, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own database needs room too; what came is kept."""
    monkeypatch.setattr(fetching, "CHECK_SPACE_S", 0.0)
    goes_on = hold(index)
    client.begin("base")
    client.until(lambda fetch: fetch["done_bytes"] > 50_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 100 << 20))
    goes_on.set()
    assert client.until_state("failed", "done")["error"]["code"] == "disk_full"
    assert client.item("base")["partial_bytes"] > 50_000


def test_what_was_fetched_can_be_removed(client: CheckpointClient, tmp_path: Path) -> None:
    client.begin("smollm2")
    client.until_state("done")
    assert (tmp_path / "models" / "smollm2" / SMOLLM2_FILE).is_file()
    assert client.remove("smollm2").json() == {"status": "removed"}
    assert not client.item("smollm2")["here"]
    assert [path.name for path in (tmp_path / "models").iterdir() if not path.name.endswith(".lock")] == []
    assert error_code(client.remove("smollm2")) == (404, "not_found")


def test_what_an_unfinished_download_left_can_be_removed(client: CheckpointClient, index: FakeIndex) -> None:
    index.breaks_after = [100_000] + [0] * 20
    client.begin("base")
    client.until_state("failed")
    assert client.remove("base").status_code == 200
    assert client.item("base")["partial_bytes"] == 0
    assert client.list()["fetch"] is None


def test_what_somebody_put_there_is_not_the_servers_to_remove(
    client: CheckpointClient, tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "models" / "base")
    write_checkpoint(tmp_path / "models" / "mine")
    assert (client.item("base")["here"], client.item("base")["removable"]) == (True, False)
    assert error_code(client.remove("base")) == (409, "not_removable")
    assert error_code(client.remove("mine")) == (404, "not_found")
    assert (folder / "model.bin").is_file()


def test_credentials_of_the_index_are_told_to_nobody(
    index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the address that pip is set to."""
    secret = "canary-index-7c41"
    address = index.simple_url.replace("://", f"://reader:{secret}@")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with run_fetching_server(fetching_settings(tmp_path)) as (served, client):
        for status in (401, 404, 503):
            index.status = status
            client.begin("smollm2")
            failed = client.until(lambda fetch: fetch["state"] == "failed" and fetch["error"])
            assert secret not in str(failed)
        index.status = 200
        index.wheel_status = 403
        client.begin("smollm2")
        assert secret not in str(client.until_state("failed"))
        assert secret not in "\n".join(served.log)


def test_others_are_told_the_kind_of_a_failure_alone(index: FakeIndex, tmp_path: Path) -> None:
    """The message names folders of the server."""
    index.status = 503
    with run_fetching_server(fetching_settings(tmp_path, accounts=ACCOUNTS)) as (served, _):
        team = Team(served.resources.settings)
        tokens = {role: team.token(team.add(role, role)) for role in ("admin", "user")}
        errors = {}
        for role, token in tokens.items():
            with httpx2.Client(base_url=served.url, trust_env=False, headers=make_bearer(token)) as http:
                client = CheckpointClient(http)
                if role == "admin":
                    client.begin("smollm2")
                else:
                    assert error_code(client.begin("smollm2")) == (403, "forbidden")
                    assert client.list()["may_change"] is False
                errors[role] = client.until_state("failed")["error"]
    assert errors["admin"]["message"]
    assert errors["user"] == {**errors["admin"], "message": ""}


@pytest.mark.parametrize("name", ["nothing", "..", "base%2f..", ".base.part"])
def test_other_names_are_not_found(client: CheckpointClient, name: str) -> None:
    for answer in (client.begin(name), client.remove(name)):
        assert answer.status_code in (404, 405)
