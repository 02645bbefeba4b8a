"""What docs/integrations.md says to enter in other tools works, word for word."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config import Settings
from tests.clients.conftest import JAVASCRIPT
from tests.conftest import ROOT
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.command import run_prompter
from tests.support.server import run_server

pytestmark = pytest.mark.once

SECTIONS = {
    "docs/integrations.md": "## Tools and clients",
    "docs/es/integrations.md": "## Herramientas y clientes",
}
ENGLISH = "docs/integrations.md"
SAID = "What is the weather like in Madrid today?"


def section(page: str) -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.partition(f"\n{SECTIONS[page]}\n")[2].partition("\n## ")[0]


@pytest.fixture
def setups(prompter: str) -> str:
    """The section, with this server's address and model in place of the reader's; code is the same in both pages."""
    here = section(ENGLISH).replace("http://127.0.0.1:8000/v1", prompter)
    return here.replace("ollama/qwen3:8b", "fake/tiny")


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


def test_live_speech_in_python(prompter: str, recording: Path) -> None:
    live = (ROOT / ENGLISH).read_text(encoding="utf-8").partition("\n## Live speech\n")[2]
    script = re.findall(r"^```python\n(.*?)^```$", live, re.S | re.M)[0]
    assert recording.name in script
    said = printed(sys.executable, "-c", script.replace("http://127.0.0.1:8000/v1", prompter))
    assert said == f"{SAID}\n"


def test_live_speech_in_javascript(javascript: str, recording: Path, tmp_path: Path) -> None:
    """openai for JavaScript speaks to `wss` addresses alone: with a certificate as `prompter tls` makes it."""
    live = (ROOT / ENGLISH).read_text(encoding="utf-8").partition("\n## Live speech\n")[2]
    [script] = re.findall(r"^```js\n(.*?)^```$", live, re.S | re.M)
    assert recording.name in script
    assert run_prompter("tls", "--folder", str(tmp_path)).returncode == 0
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    stt = {"provider": "whisper_local", "whisper_local": {"model": str(SAMPLES_CHECKPOINT)}}
    settings = Settings(
        _env_file=None, stt=stt, llm={"discover": False}, tls_cert=str(cert), tls_key=str(key)
    )
    with run_server(settings) as server:
        url = server.url.replace("http", "https", 1)
        said = run_module(
            javascript, script.replace("https://127.0.0.1:8000", url), NODE_EXTRA_CA_CERTS=str(cert)
        )
    assert said == f"{SAID}\n"


def run_module(javascript: str, script: str, **environment: str) -> str:
    """What a script prints, written beside the packages: an import finds them from the file that names them."""
    path = JAVASCRIPT / "node_modules" / f".example-{os.getpid()}.mjs"
    path.write_text(script)
    try:
        return printed(javascript, str(path), **environment)
    finally:
        path.unlink()


def test_javascript(setups: str, javascript: str) -> None:
    said = run_module(javascript, block(setups, "js"))
    assert said.splitlines() == ["Hello world", SAID, "Hello world"]


def test_llm_with_its_file(setups: str, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(block(setups, "yaml"))
    said = printed(sys.executable, "-m", "llm", "-m", "prompter", "Say hello", LLM_USER_PATH=str(tmp_path))
    assert said == "Hello world\n"


def test_llm_without(setups: str, tmp_path: Path) -> None:
    [line] = re.findall(r"`llm (openai endpoint [^`]*)`", setups)
    said = printed(sys.executable, "-m", "llm", *shlex.split(line), LLM_USER_PATH=str(tmp_path))
    assert said == "Hello world\n"


@pytest.mark.parametrize("page", SECTIONS)
def test_what_is_entered_in_forms(page: str) -> None:
    """The same in both languages, and what the tests with Cline's and Open WebUI's requests use."""
    rows = [line for line in section(page).splitlines() if re.match(r"\| (Cline|Open WebUI|`llm`)", line)]
    assert len(rows) == 6
    assert all("`http://127.0.0.1:8000/v1`" in row for row in rows[:5])
    assert "STT Model `whisper-1`" in rows[2]
    entered = section(page).replace("perfil/modelo", "profile/model")
    assert code_in(entered) == code_in(section(ENGLISH))


def code_in(text: str) -> list[str]:
    """What stands between backticks, blocks left out."""
    return sorted(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)))
