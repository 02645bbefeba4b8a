"""Better hearing fetched in the page: seen to come, cut off, gone on with, used, and removed again."""

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.web_app import WebApp
from tests.fakes.package_index import FakeIndex
from tests.support.fetching import fetching_settings, serve_small_weights
from tests.support.server import run_server

pytestmark = BROWSER

GOOD = "Good hearing"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIndex]:
    with serve_small_weights(monkeypatch, tmp_path) as fake:
        yield fake


@pytest_asyncio.fixture(loop_scope="session")
async def settings_page(
    open_page: OpenPage, built_page: None, index: FakeIndex, tmp_path: Path
) -> AsyncIterator[WebApp]:
    """The settings of a server that has no weights yet."""
    with run_server(fetching_settings(tmp_path)) as served:
        app = await open_page(f"{served.url}/#/settings", axe=True)
        yield app
        await app.page.close()


def row(app: WebApp) -> Locator:
    return app.page.get_by_role("listitem", name=GOOD, exact=True)


def action(app: WebApp, name: str) -> Locator:
    """A button of the checkpoint; its name begins so."""
    return row(app).get_by_role("button", name=name)


async def test_a_cut_line_is_told_and_gone_on_with(settings_page: WebApp, index: FakeIndex) -> None:
    app = settings_page
    index.breaks_after = [100_000] + [0] * 20
    await action(app, "Download").click()
    await expect(row(app).get_by_role("alert")).to_contain_text("the connection broke. What is here is kept")
    assert await app.findings() == []
    index.breaks_after = []
    index.ranges.clear()
    await action(app, "Continue").click()
    await expect(row(app)).to_contain_text("It is here, and ready to use.")
    assert index.ranges[0] == "bytes=100000-"


async def test_it_comes_while_the_page_is_elsewhere(settings_page: WebApp, index: FakeIndex) -> None:
    """The download is the server's, not the page's; when it is here it can be used and removed."""
    app = settings_page
    index.goes_on = threading.Event()
    await action(app, "Download").click()
    progress = row(app).get_by_role("progressbar", name=f"Downloading: {GOOD}")
    await expect(progress).to_be_visible()
    await app.page.goto(app.url.replace("settings", "dictations"))
    await expect(app.page.get_by_role("heading", name="Dictations")).to_be_visible()
    await app.page.reload()
    await app.load()
    await expect(progress).to_have_attribute("aria-valuenow", "33")
    assert await app.findings() == []
    index.goes_on.set()
    await action(app, "Use it").click()
    await expect(row(app)).to_contain_text("in use")
    await action(app, "Remove").click()
    await action(app, "Remove").click()
    await expect(action(app, "Download")).to_be_visible()


async def test_cancelled_it_keeps_what_came_or_discards_it(settings_page: WebApp, index: FakeIndex) -> None:
    app = settings_page
    index.goes_on = threading.Event()
    await action(app, "Download").click()
    await expect(row(app).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "33")
    await action(app, "Cancel").click()
    await expect(action(app, "Continue")).to_be_visible()
    index.goes_on.set()
    await action(app, "Discard what is here").click()
    await action(app, "Remove").click()
    await expect(action(app, "Download")).to_be_visible()


async def test_a_telephone_shows_it_without_scrolling_sideways(settings_page: WebApp) -> None:
    app = settings_page
    await app.page.set_viewport_size({"width": 360, "height": 740})
    await expect(action(app, "Download")).to_be_visible()
    assert await app.overflow_px() == 0
