"""From "nothing answers" to an answer in two steps, and back: a model is connected, renewed and removed in the page."""

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from app.core.config import LlmSettings, Settings
from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.web_app import WebApp
from tests.fakes.paced_upstream import ShowcaseUpstream, make_pieces
from tests.support.server import RunningServer, run_server

pytestmark = BROWSER

KEY = "sk-canary-of-the-browser-0123456789"
STORES = """async () => {
  const databases = await indexedDB.databases();
  return JSON.stringify([{...localStorage}, {...sessionStorage}, databases, document.cookie]);
}"""


@pytest.fixture
def mute_server(built_page: None, upstream: ShowcaseUpstream) -> Iterator[RunningServer]:
    """A server without a model, of each test's own, which may reach the upstream where a user names it."""
    llm = LlmSettings(discover=False, allowed_base_urls=[upstream.origin])
    with run_server(Settings(_env_file=None, stt={"provider": "cloud_stub"}, llm=llm)) as server:
        yield server


async def connect(app: WebApp, base_url: str, key: str = KEY) -> None:
    """What a person does: choose what it is, paste address and key, press."""
    form = app.page.get_by_role("dialog", name="Connect a model")
    await form.get_by_text("Something else").click()
    await form.get_by_label("Address").fill(base_url)
    await form.get_by_label("Key, if it wants one").fill(key)
    await form.get_by_role("button", name="Connect", exact=True).click()


async def test_two_steps_from_nothing_to_an_answer(
    open_page: OpenPage, mute_server: RunningServer, upstream: ShowcaseUpstream
) -> None:
    app = await open_page(mute_server.url, axe=True)
    card = app.page.get_by_role("region", name="No model answers yet")
    await expect(card).to_contain_text("What you send is only repeated.")
    assert await app.findings() == []
    await card.get_by_role("button", name="Connect a model").click()
    form = app.page.get_by_role("dialog", name="Connect a model")
    await connect(app, "http://127.0.0.1:9/v1")
    await expect(form.get_by_role("alert")).to_contain_text("This server may not go to that address.")
    app.expect_trouble(r"the server responded with a status of 400")
    assert await app.findings() == []
    await connect(app, upstream.base_url)
    await expect(form.get_by_text("answers: Tiny took")).to_be_visible()
    assert await app.findings() == []
    await form.get_by_role("button", name="Done").click()
    await expect(card).to_have_count(0)
    await app.ask("Hello short")
    await expect(app.answers).to_contain_text(make_pieces("Hello short")[-1].strip())
    assert KEY not in await app.page.evaluate(STORES)
    assert KEY not in await app.page.content()
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in "\n".join(mute_server.log)


async def test_what_is_removed_answers_no_more(
    open_page: OpenPage, mute_server: RunningServer, upstream: ShowcaseUpstream
) -> None:
    app = await open_page(f"{mute_server.url}/#/settings", axe=True)
    await app.button("Connect a model").click()
    await connect(app, upstream.base_url)
    await app.button("Done").click()
    mine = app.page.get_by_role("list", name="Your models").get_by_role("listitem")
    await expect(mine).to_have_count(1)
    await expect(mine).to_contain_text("Key ending in 6789")
    await mine.get_by_role("button", name="Try it").click()
    await expect(mine.get_by_role("status")).to_contain_text("answers: Tiny")
    assert await app.findings() == []
    await mine.get_by_role("button", name="Remove").click()
    await expect(mine.get_by_role("group")).to_contain_text("and its key?")
    assert await app.findings() == []
    await mine.get_by_role("button", name="Remove", exact=True).click()
    await expect(mine).to_have_count(0)
    await app.page.goto(f"{mute_server.url}/#/")
    await expect(app.page.get_by_role("region", name="No model answers yet")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "es"])
async def test_the_form_fits_a_phone(open_page: OpenPage, mute_server: RunningServer, language: str) -> None:
    app = await open_page(
        mute_server.url,
        axe=True,
        settings={"uiLanguage": language, "theme": "dark"},
        viewport={"width": 360, "height": 640},
    )
    name = {"en": "Connect a model", "es": "Conectar un modelo"}[language]
    await app.button(name).click()
    dialog = app.page.get_by_role("dialog", name=name)
    await expect(dialog).to_be_visible()
    assert await app.overflow_px() == 0
    assert await dialog.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    assert await app.findings() == []
    for button in await dialog.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 36
