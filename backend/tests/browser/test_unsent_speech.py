"""Speech without a server: recorded in the browser, sent once it is back, offered again after a reload or a crash."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import BROWSER, IN_BOTH, OpenPage, browser_settings
from tests.browser.web_app import WebApp
from tests.conftest import SAMPLES
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.support.accounts import ACCOUNTS, PASSWORD, Team
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.command import ServerProcess, run_server_process_at
from tests.support.proxy import run_proxy
from tests.support.server import run_server
from tests.support.stored_dictations import fetch_dictations

pytestmark = [*BROWSER, pytest.mark.usefixtures("built_page")]

LONG = SAMPLES / "en_two_requests_16k.wav"
SAID = LONG.with_suffix(".txt").read_text(encoding="utf-8").strip()
LOST = "WebSocket|Failed to load resource|ERR_|connection|NetworkError|Cross-Origin"
"""What browsers say of a server that is away."""
AWAY_S = 8
COUNT_PIECES = """() => new Promise(resolve => {
  const opening = indexedDB.open("prompter.speech");
  opening.onsuccess = () => {
    const counting = opening.result.transaction("pieces").objectStore("pieces").count();
    counting.onsuccess = () => resolve(counting.result);
  };
})"""


@asynccontextmanager
async def serve(folder: Path, port: int = 0, **more: str) -> AsyncIterator[ServerProcess]:
    """A server that can be killed, and started again at its port with its data."""
    settings = {
        "PROMPTER_STT__PROVIDER": "whisper_local",
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(SAMPLES_CHECKPOINT),
    }
    async with run_server_process_at(port, folder, **settings, **more) as server:
        yield server


def recorded(at_least_s: int) -> re.Pattern[str]:
    """The line of so many seconds; each is there for one."""
    return re.compile("recording here, 0:(" + "|".join(f"{s:02}" for s in range(at_least_s, 60)) + ")")


def offer_of(page: Page) -> Locator:
    return page.get_by_test_id("unsent-speech")


async def stored_texts(url: str) -> list[str]:
    """The dictations of the server."""
    return [one["text"] for one in await asyncio.to_thread(fetch_dictations, url)]


async def speak_without_a_server(app: WebApp, seconds: int = AWAY_S) -> None:
    app.expect_trouble(LOST)
    await app.button("Dictate").click()
    await app.in_state("reconnecting")
    await expect(app.state).to_have_text(recorded(seconds))


@IN_BOTH
async def test_a_server_that_is_away_at_the_first_press(
    open_page: OpenPage, tmp_path: Path, reserved_port: int
) -> None:
    """What is said meanwhile stands where the caret was, and what was typed stays where it was typed."""
    async with serve(tmp_path, reserved_port) as server:
        app = await open_page(server.url, says=LONG)
        await app.write("Then: And so on.")
        await app.page.wait_for_load_state("networkidle")
    await app.composer.evaluate("field => field.setSelectionRange(5, 5)")
    await speak_without_a_server(app)
    await expect(app.page.get_by_text("is not known yet")).to_be_visible()
    await app.composer.press("End")
    await app.type(" Typed meanwhile.")
    async with serve(tmp_path, reserved_port) as server:
        await expect(app.composer).to_have_value(f"Then: {SAID} And so on. Typed meanwhile.")
        await app.button("Stop dictating").click()
        await app.in_state("idle")
        assert await stored_texts(server.url) == [SAID]
        assert await app.page.evaluate(COUNT_PIECES) == 0


async def test_a_server_that_is_away_for_minutes_in_mid_dictation(
    open_page: OpenPage, tmp_path: Path, reserved_port: int
) -> None:
    async with serve(tmp_path, reserved_port) as server:
        app = await open_page(server.url, says=LONG)
        app.expect_trouble(LOST)
        await app.page.clock.install()
        await app.button("Dictate").click()
        await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("terminal")
        server.kill()
    await app.in_state("reconnecting")
    for _ in range(20):
        await app.page.clock.fast_forward(10_000)
    await app.in_state("reconnecting")
    await expect(app.state).to_have_text(recorded(4))
    async with serve(tmp_path, reserved_port) as server:
        await expect(app.composer).to_have_value(SAID)
        await app.button("Stop dictating").click()
        await app.in_state("idle")
        assert await stored_texts(server.url) == [SAID]


async def test_a_page_that_is_left_while_the_server_is_away(
    open_page: OpenPage, tmp_path: Path, reserved_port: int
) -> None:
    """Two pages offer what was said; it is sent once. Hearing it needs no server."""
    async with serve(tmp_path, reserved_port) as server:
        app = await open_page(server.url, says=LONG)
        await app.page.wait_for_load_state("networkidle")
    await speak_without_a_server(app)
    await app.page.goto("about:blank")
    async with serve(tmp_path, reserved_port) as server:
        await app.load()
        other = await app.page.context.new_page()
        await other.goto(server.url)
        await expect(offer_of(other)).to_contain_text(re.compile(r"Unsent speech of (8|9|1\d) s, spoken"))
        await offer_of(app.page).get_by_role("button", name="Listen").click()
        await expect(offer_of(app.page).get_by_role("button", name="Stop")).to_be_visible()
        await offer_of(app.page).get_by_role("button", name="Send").click()
        await expect(offer_of(other)).to_have_count(0)
        await expect(app.composer).to_have_value(SAID)
        await expect(offer_of(app.page)).to_have_count(0)
        assert await stored_texts(server.url) == [SAID]
        await app.page.reload()
        await expect(app.composer).to_have_value(SAID)
        await expect(offer_of(app.page)).to_have_count(0)


async def test_a_page_that_crashes(open_page: OpenPage, tmp_path: Path) -> None:
    """In the middle of a sentence that the server hears: its text is there once. Discarded speech is gone."""
    async with serve(tmp_path) as server:
        app = await open_page(server.url, says=LONG)
        await app.button("Dictate").click()
        await expect(app.composer).to_have_value(re.compile("again.* .*what"))
        context = app.page.context
        devtools = await context.new_cdp_session(app.page)
        async with app.page.expect_event("crash"):
            crash = asyncio.ensure_future(devtools.send("Page.crash"))  # which nobody is left to answer
        crash.cancel()
        page = await context.new_page()
        await page.goto(server.url)
        await offer_of(page).get_by_role("button", name="Send").click()
        await expect(page.locator("[data-composer]")).to_have_value(re.compile("Tell me what"))
        await expect(offer_of(page)).to_have_count(0)
        texts = await stored_texts(server.url)
        assert " ".join(texts).count("Tell me") == 1


async def test_speech_belongs_to_the_account_that_spoke_it(
    open_page: OpenPage, upstream: ShowcaseUpstream, tmp_path: Path
) -> None:
    """Ada's is not offered to Bob, who uses the same browser; it is Ada's again, and gone once she logs out."""
    settings = browser_settings(upstream, accounts=ACCOUNTS, data_dir=tmp_path)
    with run_server(settings) as server:
        team = Team(settings)
        team.add("ada", "admin")
        team.add("bob")
        async with run_proxy(server.url) as line:
            app = await open_page(line.url, says=LONG)
            app.expect_trouble(f"401|{LOST}")
            await log_in(app, "ada")
            await app.page.wait_for_load_state("networkidle")
            line.down = True
            line.cut()
            await speak_without_a_server(app, 2)
            await app.page.goto("about:blank")
            line.down = False
            await app.page.context.clear_cookies()
            await app.load()
            await log_in(app, "bob")
            await app.type("Bob was here")
            await expect(offer_of(app.page)).to_have_count(0)
            await app.write("")
            await app.button("Log out").click()
            await log_in(app, "ada")
            await expect(offer_of(app.page)).to_be_visible()
            await app.button("Log out").click()
            await expect(app.page.get_by_role("dialog")).to_contain_text("speech that you have not sent")
            await app.button("Log out and delete it").click()
            await expect(app.page.get_by_role("heading", name="Log in to PROMPTer")).to_be_visible()
            assert await app.page.evaluate(COUNT_PIECES) == 0


async def log_in(app: WebApp, name: str) -> None:
    await app.page.get_by_label("Name").fill(name)
    await app.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await app.button("Log in").click()
    await expect(app.composer).to_be_visible()
