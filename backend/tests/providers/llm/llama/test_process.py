"""The llama.cpp process as the server sees it: it ends with its owner, however that ends."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config import Settings
from app.providers.llm.llama.process import LlamaProcess
from tests.conftest import ROOT
from tests.support.llama import is_alive
from tests.support.speech_client import wait_until


async def test_a_process_needs_no_provider(models: Path) -> None:
    """Starting and ending one alone leaves nothing behind."""
    from app.weights.gguf import list_gguf

    settings = Settings(_env_file=None, models_dir=models)
    process = await LlamaProcess.start(list_gguf(settings)[0], settings)
    assert process.pid is not None
    await process.aclose()
    await process.aclose()
    assert process.ended.is_set()
    assert not is_alive(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL here")
def test_it_ends_when_the_server_is_killed(models: Path) -> None:
    code = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(ROOT / "backend")!r})
from app.weights.gguf import list_gguf
from app.core.config import Settings
from app.providers.llm.llama.process import LlamaProcess

async def main():
    settings = Settings(_env_file=None, models_dir=pathlib.Path({str(models)!r}))
    process = await LlamaProcess.start(list_gguf(settings)[0], settings)
    print(process.pid, flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert is_alive(pid)
        server.kill()
    asyncio.run(wait_until(lambda: not is_alive(pid), within_s=2))
