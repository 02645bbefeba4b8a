"""What the READMEs tell people to paste into their tools does what they say, word for word."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import JAVASCRIPT
from tests.conftest import ROOT

SECTIONS = {"README.md": "## Use it from your tools", "README.es.md": "## Usarlo desde sus herramientas"}
SAID = "What is the weather like in Madrid today?"


@pytest.fixture(params=SECTIONS)
def setups(request: pytest.FixtureRequest, prompter: str) -> str:
    """The section, with this server's address and model in place of the reader's."""
    text: str = (ROOT / request.param).read_text(encoding="utf-8")
    section = text.partition(f"\n{SECTIONS[request.param]}\n")[2].partition("\n## ")[0]
    assert section.count("http://127.0.0.1:8000/v1") > 5
    return section.replace("http://127.0.0.1:8000/v1", prompter).replace("ollama/qwen3:8b", "fake/tiny")


def block(setups: str, language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", setups, re.S | re.M)
    return str(found)


def printed(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python(setups: str) -> None:
    assert printed(sys.executable, "-c", block(setups, "python")) == f"Hello world{SAID}\n"


def test_javascript(setups: str, javascript: str) -> None:
    """Written beside the packages, as an import finds them from the file that names them."""
    script = JAVASCRIPT / "node_modules" / ".readme.mjs"
    script.write_text(block(setups, "js"))
    try:
        assert printed(javascript, str(script)).splitlines() == ["Hello world", SAID, "Hello world"]
    finally:
        script.unlink()


def test_llm_with_its_file(setups: str, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(block(setups, "yaml"))
    said = printed(sys.executable, "-m", "llm", "-m", "prompter", "Say hello", LLM_USER_PATH=str(tmp_path))
    assert said == "Hello world\n"


def test_llm_without(setups: str, tmp_path: Path) -> None:
    [line] = re.findall(r"`llm (openai endpoint [^`]*)`", setups)
    said = printed(sys.executable, "-m", "llm", *shlex.split(line), LLM_USER_PATH=str(tmp_path))
    assert said == "Hello world\n"


def test_what_is_entered_in_forms(setups: str, prompter: str) -> None:
    """The addresses that the tests with Cline's and Open WebUI's requests use."""
    entered = [line for line in setups.splitlines() if line.startswith(("| Cline", "| Open WebUI"))]
    assert len(entered) == 3
    assert all(re.search(rf"URL `{re.escape(prompter)}`", line) for line in entered)
    assert "STT Model `whisper-1`" in entered[2]
