"""`make demo`: text and answers, in two languages, and nothing of it in the user's data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tiny_llama import WORDS, write_tiny_llama

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "demo.py"


def run_demo(tmp_path: Path, *names: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the demonstration of these recordings with the checkpoint of the samples and a folder for temporary files."""
    (tmp_path / "temporary").mkdir()
    settings = {
        "PYTHONPATH": str(ROOT / "backend"),
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(ROOT / "models" / "whisper-samples"),
        "PROMPTER_LLM__DISCOVER": "false",
        "PROMPTER_MODELS_DIR": str(tmp_path / "models"),
        "PROMPTER_DATA_DIR": str(tmp_path / "data"),
        "TMPDIR": str(tmp_path / "temporary"),
        **env,
    }
    command = [sys.executable, str(SCRIPT), *names]
    seen = {**os.environ, **settings}
    return subprocess.run(command, capture_output=True, text=True, env=seen, timeout=100, check=False)


def test_it_dictates_in_two_languages_and_a_model_answers(clean_environment: None, tmp_path: Path) -> None:
    """With settings that would keep a stranger out, or write elsewhere."""
    (tmp_path / "models").mkdir()
    write_tiny_llama(tmp_path / "models" / "tiny.gguf")
    done = run_demo(
        tmp_path,
        "en_weather_madrid_48k",
        "es_estado_pedido_16k",
        PROMPTER_ACCOUNTS__MODE="accounts",
        PROMPTER_STORAGE__URL="postgresql+asyncpg://nobody@127.0.0.1:9/none",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  engine   whisper_local whisper-samples") == 2
    assert done.stdout.count("  final    ") == 2
    answers = [line.split() for line in done.stdout.splitlines() if line.startswith("  answer ")]
    assert len(answers) == 2
    assert all(set(answer) & set(WORDS) for answer in answers), "the model speaks, not an echo"
    assert not (tmp_path / "data").exists(), "the user's data is not touched"
    assert not list((tmp_path / "temporary").glob("prompter-*")), "its own data is gone"


def test_a_recording_that_is_not_there_is_one_line(clean_environment: None, tmp_path: Path) -> None:
    done = run_demo(tmp_path, "en_nothing")
    assert done.returncode == 2
    assert "'en_nothing'" in done.stderr.splitlines()[-1]


def test_without_a_model_it_echoes(clean_environment: None, tmp_path: Path) -> None:
    done = run_demo(tmp_path, "en_two_requests_16k")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prompts are answered by: echo" in done.stderr
