"""Runs the recipes of docs/integrations.md for coding agents against a server with a fake model behind it.

python scripts/measure/coding_agents.py

Each agent reads a file by a command that the model asks for, and tells what it says. `codex`, `claude`, `opencode` and
`cline` must be in the search path (`npm install -g @openai/codex @anthropic-ai/claude-code opencode-ai cline`); none
needs an account. Exits with 1 if one fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import LlmProfile, LlmSettings, Settings  # noqa: E402  # the path above comes first
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background  # noqa: E402
from tests.fakes.coding_model import MODEL, SAID, CodingModel  # noqa: E402
from tests.support.server import run_server  # noqa: E402

NOTE = "the eagle lands"
AGENTS = {"codex": "Codex CLI", "claude": "Claude Code", "opencode": "opencode", "cline": "Cline"}
TIMEOUT_S = 240


def main() -> None:
    """Run each agent."""
    failed = False
    with run_in_background(CodingModel("cat note.txt")) as coder:
        profile = LlmProfile(base_url=coder.base_url, api_key=SecretStr("sk-upstream"))
        llm = LlmSettings(profiles={"fake": profile}, discover=False)
        with run_server(Settings(_env_file=None, llm=llm)) as server:
            for command, heading in AGENTS.items():
                try:
                    problem = run_agent(command, heading, server.url, coder)
                except subprocess.TimeoutExpired:
                    problem = f"no end within {TIMEOUT_S} s"
                print(f"{heading}: {problem or 'two turns, as expected'}")
                failed |= bool(problem)
    sys.exit(failed)


def run_agent(command: str, heading: str, url: str, coder: BackgroundUpstream) -> str:
    """What went wrong; empty where nothing did."""
    if shutil.which(command) is None:
        return f"{command} is not installed"
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        (folder / "note.txt").write_text(NOTE)
        subprocess.run(["git", "init", "-q", home], check=True)
        if command == "codex":
            free = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
            (folder / ".codex").mkdir()
            (folder / ".codex" / "config.toml").write_text(free + read_recipe(heading, "toml", url))
        if command == "opencode":
            (folder / "opencode.json").write_text(read_recipe(heading, "json", url))
        plain = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "HOME": home}
        done = subprocess.run(
            ["bash", "-euc", read_recipe(heading, "sh", url)],
            cwd=folder,
            env=plain | direct,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        return done.stdout + done.stderr
    is_told = SAID in done.stdout and NOTE in done.stdout
    has_run = coder.fake.bodies[-1]["messages"][-1]["role"] == "tool"
    return "" if is_told and has_run else f"it said {done.stdout!r}"


def read_recipe(heading: str, language: str, url: str) -> str:
    """A block of the guide, with this server's address and model in place of the reader's."""
    guide = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    chapter = guide.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", chapter, re.S | re.M)
    return str(found).replace("http://127.0.0.1:8000", url).replace("ollama/qwen3:8b", f"fake/{MODEL}")


if __name__ == "__main__":
    main()
