"""Accounts in the browser: the log-in page, what is behind it, the way out, and nothing left for the next one."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, OpenPage, browser_settings
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.support.accounts import ACCOUNTS, PASSWORD, Team
from tests.support.server import run_server

pytestmark = BROWSER


@pytest.fixture(scope="module")
def team_server(
    built_page: None, upstream: ShowcaseUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The page of a server with accounts, on which Ada and Bob have one."""
    settings: Settings = browser_settings(
        upstream, accounts=ACCOUNTS, data_dir=tmp_path_factory.mktemp("accounts")
    )
    with run_server(settings) as server:
        team = Team(settings)
        team.add("ada", "admin")
        team.add("bob")
        yield server.url


async def test_log_in_and_out(open_page: OpenPage, team_server: str) -> None:
    app = await open_page(team_server, axe=True)
    app.expect_trouble("401")  # browsers report each refusal
    name, password = app.page.get_by_label("Name"), app.page.get_by_label("Password", exact=True)
    await expect(app.page.get_by_role("heading", name="Log in to PROMPTer")).to_be_visible()
    await name.fill("ada")
    await password.fill("not her password")
    await password.press("Enter")
    await expect(app.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    assert await app.findings() == []
    await password.fill(PASSWORD)
    await app.button("Log in").click()
    await app.ask("For Ada alone")
    await app.has_answered()
    await app.page.reload()
    await expect(app.mine).to_contain_text("For Ada alone")

    await app.composer.fill("Ada has not sent this")
    await app.page.reload()
    await expect(app.composer).to_have_value("Ada has not sent this")

    address = app.page.url
    await app.button("Log out").click()
    await expect(app.page.get_by_role("dialog")).to_contain_text("text that you have not sent")
    await app.button("Stay logged in").click()
    await expect(app.composer).to_have_value("Ada has not sent this")
    await app.button("Log out").click()
    await app.button("Log out and delete it").click()
    await expect(app.page.get_by_role("heading", name="Log in to PROMPTer")).to_be_visible()
    assert "Ada" not in await app.page.evaluate("JSON.stringify([sessionStorage, localStorage])")
    await app.page.reload()
    await expect(app.page.get_by_role("heading", name="Log in to PROMPTer")).to_be_visible()

    await name.fill("bob")
    await password.fill(PASSWORD)
    await password.press("Enter")
    await expect(app.composer).to_be_visible()
    await expect(app.composer).to_have_value("")
    await expect(app.page.get_by_text("For Ada alone")).to_have_count(0)
    app.expect_trouble("404")
    await app.page.goto(address)
    await expect(app.page.get_by_text("There is no such conversation")).to_be_visible()


async def test_pages_of_one_browser_share_a_log_in(open_page: OpenPage, team_server: str) -> None:
    app = await open_page(team_server)
    app.expect_trouble("401")
    other = await app.page.context.new_page()
    await other.goto(team_server)
    await app.page.get_by_label("Name").fill("ada")
    await app.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await app.button("Log in").click()
    await app.ask("Of Ada, in two pages")
    await app.has_answered()
    await other.goto(app.page.url)
    for _ in range(3):  # each throws away a renewal of the other's, or its own
        await asyncio.gather(app.page.reload(), other.reload())
    for page in (app.page, other):
        await expect(page.get_by_role("article", name="You")).to_contain_text("Of Ada, in two pages")

    await app.button("Log out").click()
    for page in (app.page, other):
        await expect(page.get_by_role("heading", name="Log in to PROMPTer")).to_be_visible()
        await expect(page.get_by_text("Of Ada, in two pages")).to_have_count(0)
