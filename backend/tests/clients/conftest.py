"""Fixtures for tests with real clients: one server with a fake chat service behind it, and the SDK in both forms."""

import re
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from app.core.config import LlmProfile, LlmSettings, Settings
from tests.fakes.chat_upstream import BackgroundUpstream, run_in_background
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.server import run_server

UPSTREAM_KEY = "sk-upstream-0123456789abcdef"
CLIENT_KEY = "sk-whatever-the-client-has"
JAVASCRIPT = Path(__file__).resolve().parents[1] / "clients_js"
NODE_MAJOR = 22
"""The oldest Node that openai for JavaScript and the AI SDK support."""


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    """Connections to this machine use no proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture(scope="session")
def upstream() -> Iterator[BackgroundUpstream]:
    """The service behind the profile `fake`."""
    with run_in_background() as fake:
        yield fake


@pytest.fixture(scope="session")
def prompter(upstream: BackgroundUpstream) -> Iterator[str]:
    """The base URL that every client is given."""
    profile = LlmProfile(base_url=upstream.base_url, api_key=SecretStr(UPSTREAM_KEY))
    llm = LlmSettings(
        profiles={"fake": profile}, discover=False, model_aliases={"claude-sonnet-4": "fake/tiny"}
    )
    stt = {"provider": "whisper_local", "whisper_local": {"model": str(SAMPLES_CHECKPOINT)}}
    with run_server(Settings(_env_file=None, llm=llm, stt=stt)) as server:
        yield f"{server.url}/v1"


@dataclass(frozen=True)
class Sdk:
    """openai-python, blocking or not: every test runs on both."""

    client: Any

    async def __call__(self, call: str, *arguments: Any, **fields: Any) -> Any:
        """The result of one call ("chat.completions.create"); the blocking client runs in a thread."""
        ask = partial(attrgetter(call)(self.client), *arguments, **fields)
        return await (ask() if isinstance(self.client, AsyncOpenAI) else anyio.to_thread.run_sync(ask))

    async def chat(self, behavior: str, say: str = "Hi", **fields: Any) -> Any:
        """One completion; `fields` are those of the request."""
        body = {"model": f"fake/{behavior}", "messages": [{"role": "user", "content": say}], **fields}
        return await self("chat.completions.create", **body)

    async def chunks(self, behavior: str, say: str = "Hi", **fields: Any) -> list[Any]:
        """All chunks of a streamed one."""
        return await self.all_of(await self.chat(behavior, say, stream=True, **fields))

    async def all_of(self, stream: Any) -> list[Any]:
        if hasattr(stream, "__aiter__"):
            return [item async for item in stream]
        return await anyio.to_thread.run_sync(list, stream)

    async def close(self, stream: Any) -> None:
        """Leave a stream before its end."""
        if hasattr(stream, "__aiter__"):
            await stream.close()
        else:
            await anyio.to_thread.run_sync(stream.close)


@pytest.fixture(params=["blocking", "async"])
async def sdk(request: pytest.FixtureRequest, prompter: str) -> AsyncIterator[Sdk]:
    """Without retries, so that each error is seen at once."""
    if request.param == "async":
        async with AsyncOpenAI(base_url=prompter, api_key=CLIENT_KEY, max_retries=0) as several:
            yield Sdk(several)
    else:
        with OpenAI(base_url=prompter, api_key=CLIENT_KEY, max_retries=0) as single:
            yield Sdk(single)


@pytest.fixture
def words() -> str:
    """A prompt that no other test sends, to find its requests at the upstream."""
    return f"note {uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def recording() -> Path:
    """A sentence that the test checkpoint knows."""
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    return SAMPLES_CHECKPOINT.parents[1] / "samples" / "en_weather_madrid_48k.wav"


@cache
def node() -> str:
    """The path of a Node that is new enough: the one that npm installed, else the machine's own."""
    # Older versions of npm link no commands of packages for one platform.
    brought = [str(path) for path in JAVASCRIPT.glob("node_modules/node-*/bin/node*")]
    for path in (*brought, shutil.which("node")):
        if path and _major(path) >= NODE_MAJOR:
            return path
    return ""


def _major(path: str) -> int:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    found = re.match(r"v(\d+)", done.stdout)
    return int(found.group(1)) if found else 0


@pytest.fixture
def javascript() -> str:
    """The interpreter, with the packages beside the tests; skips where something is missing."""
    if not (JAVASCRIPT / "node_modules" / "openai").is_dir():
        pytest.skip("the JavaScript clients are not installed: npm ci in backend/tests/clients_js")
    return node() or pytest.skip(f"no Node of version {NODE_MAJOR} or newer")
