"""A page of another origin that the settings allow: the real OpenAI SDK for JavaScript, in a real browser."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Page
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.core.config import LimitSettings, LlmSettings
from tests.browser.browsers import Browsers
from tests.browser.conftest import BROWSER
from tests.clients.conftest import JAVASCRIPT
from tests.fakes.engine import FakeEngine
from tests.support.server import RunningServer, run_app, serve_engine

pytestmark = BROWSER

ASK = """
async ([baseURL, kind, fields]) => {
  const { default: OpenAI } = await import("/openai/index.mjs");
  const options = { apiKey: "sk-any", maxRetries: 0, timeout: 20000, dangerouslyAllowBrowser: true };
  const client = new OpenAI({ baseURL, ...options });
  const body = { model: "echo", messages: [{ role: "user", content: "hello from elsewhere" }], ...fields };
  try {
    if (kind === "models") return (await client.models.list()).data.map((model) => model.id);
    if (kind === "whole") {
      const answer = await client.chat.completions.create(body);
      return [answer.choices[0].message.content, answer._request_id];
    }
    if (kind === "streamed") {
      let text = "";
      for await (const chunk of client.chat.completions.stream(body)) text += chunk.choices[0]?.delta.content ?? "";
      return text;
    }
    if (kind === "recording") {
      const file = new File([new Uint8Array(100)], "a.wav", { type: "audio/wav" });
      return await client.audio.transcriptions.create({ model: "whisper-1", file });
    }
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.requestID];
  }
}
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The origin of a page that this server did not serve, with the SDK as npm installs it."""
    package = JAVASCRIPT / "node_modules" / "openai"
    if not package.is_dir():
        pytest.skip("the JavaScript clients are not installed: npm ci in backend/tests/clients_js")
    app = FastAPI()

    async def page() -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>another page</title>")

    app.add_api_route("/", page)
    app.mount("/openai", StaticFiles(directory=package))
    with run_app(app, log_level="warning") as (url, _):
        yield url


@pytest.fixture(scope="module")
def served(elsewhere: str) -> Iterator[RunningServer]:
    with serve_engine(
        FakeEngine(),
        allowed_origins=[elsewhere],
        llm=LlmSettings(discover=False),
        limits=LimitSettings(chat_bytes=4096),
    ) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def page(browsers: Browsers, elsewhere: str) -> AsyncIterator[Page]:
    browser = await browsers.chromium()
    page = await browser.new_page()
    await page.goto(elsewhere)
    yield page
    await page.close()


async def ask(page: Page, served: RunningServer, kind: str, **fields: Any) -> Any:
    return await page.evaluate(ASK, [f"{served.url}/v1", kind, fields])


async def test_the_openai_sdk_works_from_an_allowed_page(page: Page, served: RunningServer) -> None:
    assert "echo" in await ask(page, served, "models")
    text, request_id = await ask(page, served, "whole")
    assert text == "hello from elsewhere"
    assert len(request_id) == 32
    assert await ask(page, served, "streamed") == "hello from elsewhere"


async def test_its_errors_are_readable_there(
    page: Page, served: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer without CORS headers would be a `Connection error.` to the page, whatever had happened."""
    name, status, code, request_id = await ask(page, served, "whole", model="no-such-model")
    assert (name, status, code) == ("NotFoundError", 404, "model_not_found")
    assert len(request_id) == 32
    long = [{"role": "user", "content": "x" * 5000}]
    assert (await ask(page, served, "whole", messages=long))[1:3] == [413, "message_too_big"]
    assert (await ask(page, served, "recording"))[1:3] == [400, "audio_not_readable"]

    def broken(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(type(served.resources.completions), "start", broken)
    assert (await ask(page, served, "whole"))[1:3] == [500, "internal_error"]


async def test_a_page_that_is_not_allowed_reads_nothing(
    browsers: Browsers, elsewhere: str, served: RunningServer
) -> None:
    browser = await browsers.chromium()
    page = await browser.new_page()
    await page.goto(elsewhere.replace("127.0.0.1", "localhost"))
    assert (await ask(page, served, "models"))[:2] == ["APIConnectionError", None]
    assert (await ask(page, served, "whole"))[:2] == ["APIConnectionError", None]
    await page.close()
