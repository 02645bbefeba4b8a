"""`prompter models` fetches a checkpoint from a hub and says clearly when that cannot be reached."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import FakeHub
from tests.support.command import get_only_line, run_prompter
from tests.support.tiny_llama import write_tiny_llama

BASE = "Systran/faster-whisper-base"
FILES = {
    "config.json": json.dumps({"suppress_ids": [], "lang_ids": [1]}).encode(),
    "tokenizer.json": b"{}",
    "vocabulary.txt": "\n".join(["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "a"]).encode() + b"\n",
    "model.bin": bytes(300_000),
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub().serve() as fake:
        fake.add(BASE, FILES)
        yield fake


def place(tmp_path: Path, endpoint: str) -> dict[str, str]:
    """An environment with empty folders and this hub."""
    return {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "0",
        "PROMPTER_MODELS_DIR": str(tmp_path / "models"),
    }


@pytest.mark.parametrize("command", [("pull", "base"), ("ensure",)])
def test_a_checkpoint_is_fetched_and_listed(hub: FakeHub, tmp_path: Path, command: tuple[str, ...]) -> None:
    env = place(tmp_path, hub.address)
    done = run_prompter("models", *command, env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "base" / "model.bin").stat().st_size == 300_000
    asked = len(hub.requests)
    assert run_prompter("models", *command, env=env).returncode == 0
    assert len(hub.requests) == asked, "what is there is not fetched again"
    items = json.loads(run_prompter("models", "list", "--json", env=env).stdout)
    assert [(item["name"], item["default"]) for item in items] == [("base", True)]
    assert run_prompter("models", "list", env=env).stdout.startswith("* base ")


@pytest.mark.parametrize("command", [("pull", "base"), ("ensure",)])
def test_a_hub_that_cannot_be_reached_is_3(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = run_prompter("models", *command, env=place(tmp_path, "http://127.0.0.1:9"))
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


def test_offline_is_not_asked(hub: FakeHub, tmp_path: Path) -> None:
    done = run_prompter("models", "ensure", env={**place(tmp_path, hub.address), "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 3
    assert get_only_line(done.stderr)
    assert not hub.requests


def test_a_gguf_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_tiny_llama(tmp_path / "models" / "tiny.gguf")
    env = place(tmp_path, "http://127.0.0.1:9")
    items = json.loads(run_prompter("models", "list", "--json", env=env).stdout)
    assert [(item["kind"], item["name"], item["default"]) for item in items] == [("gguf", "tiny", True)]
    assert run_prompter("models", "list", env=env).stdout.startswith("* tiny ")
