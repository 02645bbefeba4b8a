"""Fixtures for the web app in real browsers against a real server: the built page, and WAVs as microphones."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect
from pydantic import SecretStr

from app.core.config import LlmSettings, LlmUpstreamSettings, Settings
from tests.browser.browsers import (
    BrowserName,
    Browsers,
    get_microphone_switches,
    make_microphone_script,
)
from tests.browser.web_app import WebApp
from tests.conftest import ROOT
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.server import run_server

BROWSER = [pytest.mark.once, pytest.mark.asyncio(loop_scope="session")]
"""The marks of each test module here: one loop, on one Python."""
IN_BOTH = pytest.mark.parametrize("browser_name", ["chromium", "firefox"])
"""Marks a test that runs in each browser; others run in Chromium."""
IN_FIREFOX = pytest.mark.parametrize("browser_name", ["firefox"])
SETTLES_MS = 40_000
"""How long anything on the page may take on a busy machine."""
BUILD_S = 110

OpenPage = Callable[..., Awaitable[WebApp]]


@pytest.fixture
def browser_name() -> BrowserName:
    """The browser of the test: see `IN_BOTH`."""
    return "chromium"


@pytest.fixture(scope="package")
def built_page() -> None:
    """The page as `make web` makes it."""
    command = [sys.executable, str(ROOT / "scripts" / "web.py"), "build"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if done.returncode != 0:
        # A missing tool skips the tests; a page that cannot be built fails them.
        lacks = "no npm here" in done.stderr or "is needed to build the web app" in done.stderr
        (pytest.skip if lacks else pytest.fail)(done.stderr)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def upstream() -> AsyncIterator[ShowcaseUpstream]:
    """The chat service behind the server."""
    async with ShowcaseUpstream().serve() as fake:
        yield fake


def browser_settings(upstream: ShowcaseUpstream, **fields: Any) -> Settings:
    """Settings of a server that recognises the samples, and answers by `upstream`."""
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    service = LlmUpstreamSettings(base_url=upstream.base_url, api_key=SecretStr("sk-x"), model="tiny")
    return Settings(
        _env_file=None,
        stt={"provider": "whisper_local", "whisper_local": {"model": str(SAMPLES_CHECKPOINT)}},
        llm=LlmSettings(openai_compat=service, discover=False),
        **fields,
    )


@pytest.fixture(scope="package")
def web_server(built_page: None, upstream: ShowcaseUpstream) -> Iterator[str]:
    """The address of the page, on a server without accounts."""
    with run_server(browser_settings(upstream)) as server:
        yield server.url


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browsers() -> AsyncIterator[Browsers]:
    """The machine's own browsers: none is downloaded."""
    async with async_playwright() as playwright, AsyncExitStack() as stack:
        yield Browsers(playwright, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    browsers: Browsers, browser_name: BrowserName, web_server: str
) -> AsyncIterator[OpenPage]:
    """Open the web app as on a first visit, but for `settings`; at the end it must have reported no trouble.

    `switches` are Chromium's, `has_sound_output` is Firefox's.
    """
    expect.set_options(timeout=SETTLES_MS)
    opened: list[WebApp] = []
    async with AsyncExitStack() as stack:

        async def open_(
            address: str = "",
            *,
            says: Path | None = None,
            switches: tuple[str, ...] = (),
            has_sound_output: bool = True,
            settings: dict[str, object] | None = None,
            axe: bool = False,
            script: str = "",
            **context: Any,
        ) -> WebApp:
            if browser_name == "firefox":
                browser = await browsers.firefox(has_sound_output=has_sound_output)
                script = make_microphone_script(says) + script
            else:
                browser = await browsers.chromium(*(switches or get_microphone_switches(says)))
            options = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}, **context}
            made = await browser.new_context(**options)
            stack.push_async_callback(made.close)
            made.set_default_timeout(SETTLES_MS)
            app = WebApp(await made.new_page(), address or web_server)
            await app.prepare(
                {"guided": True, **(settings or {})}, f"{script}; {axe_source() if axe else ''}"
            )
            opened.append(app)
            await app.load()
            return app

        yield open_
        for app in opened:
            app.check_troubles()


@cache
def axe_source() -> str:
    path = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        pytest.skip("axe-core is not installed: npm ci in frontend")
    return path.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    """Connections to this machine use no proxy."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
