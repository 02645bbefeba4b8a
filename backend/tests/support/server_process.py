"""`prompter serve` in a process of its own, which a test may kill, starve or start again on the same data."""

import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx2

from tests.support.command import COMMAND, environment

START_S = 60
_LISTENING = re.compile(r"listening at (http://\S+)")


class ServerProcess:
    """One running server; its log goes to a file, so that nobody has to read along."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        self.url = ""

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    async def ready(self) -> None:
        """Wait until it listens."""
        with anyio.fail_after(START_S):
            while not (found := _LISTENING.search(self.log)):
                assert self.process.poll() is None, f"the server ended while starting:\n{self.log}"
                await anyio.sleep(0.02)
        self.url = found[1]

    def client(self, timeout_s: float = 30) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=timeout_s)

    def kill(self) -> None:
        """As the kernel does when memory runs out: nothing of it runs any more."""
        self.process.kill()
        self.process.wait(timeout=20)

    async def end(self, how: signal.Signals = signal.SIGINT) -> float:
        """End it cleanly; the seconds that took."""
        begun_s = time.monotonic()
        self.process.send_signal(how)
        with anyio.fail_after(30):
            while self.process.poll() is None:  # noqa: ASYNC110  # another process ends
                await anyio.sleep(0.01)
        return time.monotonic() - begun_s


@asynccontextmanager
async def server_process(folder: Path, **env: str) -> AsyncIterator[ServerProcess]:
    """Serve with the data folder `folder`/data; settings come as environment variables."""
    with _started(folder, env) as server:
        await server.ready()
        yield server


@contextmanager
def _started(folder: Path, env: dict[str, str]) -> Iterator[ServerProcess]:
    settings = {
        "PROMPTER_DATA_DIR": str(folder / "data"),
        "PROMPTER_STT__PROVIDER": "cloud_stub",
        "PROMPTER_LLM__DISCOVER": "false",
        **env,
    }
    path = folder / "server.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(**settings),
        )
    try:
        yield ServerProcess(process, path)
    finally:
        process.kill()
        process.wait(timeout=20)
