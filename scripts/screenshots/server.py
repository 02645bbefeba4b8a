"""Servers for the screenshots, each with an empty data folder."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERSON, PASSWORD = "ada", "correct horse battery staple"
_COMMAND = (sys.executable, "-m", "app.cli")
_START_S = 60
ASKING_ASSISTANT = {
    "title": "LOFT (asks first)",
    "description": "pregunta antes de consultar",
    "toolsets": ["loft"],
}


@contextmanager
def run_server(model_url: str, *, accounts: bool = False, ready: bool = True) -> Iterator[str]:
    """Run a server whose answers come from `model_url`; yields its address. Unless `ready`, nothing is set up."""
    with tempfile.TemporaryDirectory() as folder:
        env = _environment(Path(folder), model_url, model_url if ready else "")
        if not ready:
            env["PROMPTER_STT__PROVIDER"] = "whisper_local"
            env["PROMPTER_STT__WHISPER_LOCAL__MODEL"] = "base"
        if accounts:
            env["PROMPTER_ACCOUNTS__MODE"] = "accounts"
            add = [*_COMMAND, "users", "add", PERSON, "--password-stdin"]
            subprocess.run(add, input=PASSWORD, text=True, env=env, check=True, stdout=subprocess.DEVNULL)
        if ready:
            shop = [*_COMMAND, "demo-data", "loft"]
            subprocess.run(shop, env=env, check=True, capture_output=True)
        log = Path(folder) / "server.log"
        with log.open("wb") as file:
            process = subprocess.Popen([*_COMMAND, "serve", "--port", "0"], env=env, stdout=file, stderr=file)
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _environment(folder: Path, service: str, model_url: str) -> dict[str, str]:
    """The environment of a server that may reach `service`, and uses it where it is `model_url` too."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PROMPTER_", "OPENAI_"))}
    return {
        **own,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "backend"), own.get("PYTHONPATH")))),
        "PROMPTER_DATA_DIR": str(folder / "data"),
        "PROMPTER_STT__PROVIDER": "whisper_local",
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": "whisper-samples",
        "PROMPTER_LLM__DISCOVER": "false",
        "PROMPTER_LLM__ALLOWED_BASE_URLS": service.removesuffix("/v1"),
        "PROMPTER_ASSISTANTS__NAMED": json.dumps(
            {"asking": {**ASKING_ASSISTANT, "approval": {"get_order_details": "ask"}}}
        ),
        "PROMPTER_LLM__OPENAI_COMPAT__BASE_URL": model_url,
        "PROMPTER_LLM__OPENAI_COMPAT__API_KEY": "none" if model_url else "",
        "PROMPTER_LLM__OPENAI_COMPAT__MODEL": "gemma-3-12b" if model_url else "",
    }


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and process.poll() is None:
        if found := re.search(r"listening at (http://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")
