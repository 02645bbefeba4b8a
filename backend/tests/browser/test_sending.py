"""Sending over a line that breaks: what was sent once is stored and answered once, and nothing typed is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from playwright.async_api import Route, expect

from tests.browser.conftest import BROWSER, IN_BOTH, SETTLES_MS, OpenPage
from tests.browser.web_app import WebApp
from tests.fakes.paced_upstream import make_pieces
from tests.support.proxy import Proxy, run_proxy

pytestmark = BROWSER
SEND = "POST /api/chat/stream"
ORDER = "Transfer 100 euros"
BROKEN = r"net::ERR_|Failed to load resource"


class Line:
    """The page behind a line that a test breaks, in a conversation with one answer."""

    def __init__(self, app: WebApp, proxy: Proxy, http: httpx2.AsyncClient) -> None:
        self.app = app
        self.proxy = proxy
        self._http = http

    async def stored(self) -> list[str]:
        """The texts of the conversation, all branches, as the server has them."""
        id_ = self.app.page.url.rpartition("/c/")[2]
        found: list[dict[str, Any]] = (
            await self._http.get(f"/api/conversations/{id_}/messages?branches=true")
        ).json()
        return [each["content"] for each in found]

    async def wait_for(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(SETTLES_MS / 1000):
            while not await condition():  # noqa: ASYNC110  # a server and a proxy send no events
                await asyncio.sleep(0.02)

    async def send_without_answer(self, text: str) -> None:
        """Send a text that the server stores, and whose answer never comes."""
        before = self.proxy.requests.count(SEND)
        self.proxy.hold_answers(to=SEND)
        await self.app.ask(text)

        async def is_stored() -> bool:
            return self.proxy.requests.count(SEND) > before and text in await self.stored()

        await self.wait_for(is_stored)

    async def is_once(self, text: str = ORDER, *, of: int = 4) -> None:
        """The text is in the conversation once, answered once, and no longer in the field."""
        app = self.app
        await app.has_answered()
        await expect(app.answers).to_have_count(of // 2)
        await expect(app.answers.last).to_contain_text(make_pieces(text)[-1])
        await expect(app.composer).to_have_value("")
        await expect(app.mine.filter(has_text=text)).to_have_count(1)
        texts = await self.stored()
        assert (texts.count(text), len(texts)) == (1, of)


async def open_line(open_page: OpenPage, stack: AsyncExitStack, server: str, **page: Any) -> Line:
    proxy = await stack.enter_async_context(run_proxy(server))
    http = await stack.enter_async_context(httpx2.AsyncClient(base_url=server, trust_env=False))
    app = await open_page(proxy.url, **page)
    app.expect_trouble(BROKEN)
    await app.ask("First")
    await expect(app.page.get_by_role("article").last).to_contain_text(make_pieces("First")[-1])
    await app.has_answered(app.page.get_by_role("article").last)  # else the next one waits as a chip
    return Line(app, proxy, http)


@IN_BOTH
async def test_a_post_that_the_browser_repeats_is_one_message(open_page: OpenPage, web_server: str) -> None:
    """Both browsers send a POST again by themselves where a connection that was kept alive is reset."""
    async with AsyncExitStack() as stack:
        line = await open_line(open_page, stack, web_server)
        await line.send_without_answer(ORDER)
        line.proxy.cut(reset=True)
        line.proxy.release_answers()
        await line.is_once()
        assert line.proxy.requests.count(SEND) == 3, "the browser has not repeated its request"


async def test_while_nobody_can_be_asked_it_is_not_known_whether_it_arrived(
    open_page: OpenPage, web_server: str
) -> None:
    """Enter in between makes no second one, nor does what is typed meanwhile go astray."""
    async with AsyncExitStack() as stack:
        line = await open_line(open_page, stack, web_server)
        app = line.app
        await line.send_without_answer(ORDER)
        line.proxy.down = True
        line.proxy.cut(reset=True)
        line.proxy.release_answers()
        await expect(app.page.get_by_text("Not known whether it arrived")).to_be_visible()
        await expect(app.composer).to_have_value("")
        await app.composer.press("Enter")
        await app.composer.fill("And then")
        line.proxy.down = False
        await expect(app.page.get_by_text("Not known whether it arrived")).to_have_count(0)
        await expect(app.answers.last).to_contain_text(make_pieces(ORDER)[-1])
        await expect(app.composer).to_have_value("And then")
        await app.composer.fill("")
        await line.is_once()


async def test_a_text_that_did_not_arrive_is_given_back_once_that_is_known(
    open_page: OpenPage, web_server: str
) -> None:
    """Before what was typed since; sent again, it is one message."""
    async with AsyncExitStack() as stack:
        line = await open_line(open_page, stack, web_server, locale="es-ES")
        app = line.app
        line.proxy.down = True
        line.proxy.cut(reset=True)
        await app.ask(ORDER)
        await expect(app.page.get_by_text("No se sabe si ha llegado")).to_be_visible()
        line.proxy.down = False
        await expect(app.page.get_by_text("El mensaje no ha llegado.")).to_be_visible()
        await expect(app.composer).to_have_value(ORDER)
        await expect(app.page.get_by_role("article", name="Tú").filter(has_text=ORDER)).to_have_count(0)
        await app.composer.press("Enter")
        await expect(app.page.get_by_role("article").last).to_contain_text(make_pieces(ORDER)[-1])
        texts = await line.stored()
        assert (texts.count(ORDER), len(texts)) == (1, 4)


async def test_a_text_on_its_way_outlives_a_reload(open_page: OpenPage, web_server: str) -> None:
    """Stored or not: it is looked for, and given back if it did not arrive."""
    async with AsyncExitStack() as stack:
        line = await open_line(open_page, stack, web_server)
        app = line.app
        await line.send_without_answer(ORDER)
        line.proxy.cut(reset=True)
        line.proxy.release_answers()
        await app.page.reload()
        await line.is_once()
        held: list[Route] = []

        async def hold_first(route: Route) -> None:
            held.append(route)
            if len(held) > 1:
                await route.continue_()

        await app.page.route("**/api/chat/stream", hold_first)  # it never leaves the browser
        await app.ask("Never sent")
        await expect(app.composer).to_have_value("")
        await expect(app.mine.filter(has_text="Never sent")).to_be_visible()
        await app.page.reload()
        await expect(app.composer).to_have_value("Never sent")
        await app.composer.press("Enter")
        await line.is_once("Never sent", of=6)
