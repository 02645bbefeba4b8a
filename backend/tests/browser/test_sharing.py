"""Sharing in the page: made by keyboard, read by a stranger without script, revoked; and the shared page to axe."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.web_app import WebApp

pytestmark = BROWSER

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
GONE = "There is nothing behind this link"


@asynccontextmanager
async def stranger(app: WebApp, url: str) -> AsyncIterator[Page]:
    """Another browser that runs no script, on this page."""
    browser = app.page.context.browser
    assert browser is not None
    context = await browser.new_context(java_script_enabled=False, locale="en-US")
    try:
        page = await context.new_page()
        await page.goto(url)
        yield page
    finally:
        await context.close()


async def test_a_conversation_is_shared_by_keyboard_and_read_without_script(open_page: OpenPage) -> None:
    app = await open_page(axe=True, reduced_motion="reduce")
    page = app.page
    await app.ask("share this showpiece")
    await app.has_answered()
    await app.tab_to(app.button("Share"), "Shift+Tab")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("note")).to_contain_text("opens on its own machine only")
    assert await app.findings() == []
    await app.tab_to(dialog.get_by_role("button", name="Make a link"))
    await page.keyboard.press("Enter")
    address = dialog.get_by_label("Address of the link")
    await expect(address).to_be_focused()
    assert await app.findings() == []
    url = await address.input_value()
    async with stranger(app, url) as reader:
        await expect(reader.get_by_role("heading", level=1)).to_contain_text("share this showpiece")
        await expect(reader.get_by_role("article")).to_have_count(2)
        await reader.get_by_role("link", name="Español").click()
        await expect(reader.get_by_role("heading", level=2).first).to_have_text("Pregunta")
    await page.keyboard.press("Escape")
    await expect(app.button("Share")).to_be_focused()
    await page.goto(f"{app.url}/#/settings")
    await page.get_by_role("button", name=re.compile("^Revoke the link to “share this")).click()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.get_by_text("You share nothing.")).to_be_visible()
    async with stranger(app, url) as reader:
        await expect(reader.get_by_role("heading", level=1)).to_have_text(GONE)


def share_by_http(url: str, text: str) -> str:
    """Make a conversation and a link to it."""
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        made = http.post("/api/conversations", json={"title": "A rather long title of a shared conversation"})
        said = {"conversation_id": made.json()["id"], "message": text, "model": "echo"}
        assert http.post("/api/chat/stream", json=said).is_success
        told = http.post(
            "/api/shares", json={"conversation_id": said["conversation_id"], "expires_in_s": 86400}
        )
        return str(told.json()["url"])


RICH = """# Heading

Text with **bold**, `code`, a [link](https://example.org/a) and
a_very_long_word_that_has_no_place_to_break_anywhere_at_all_and_goes_on.

```python
def shared(page: str) -> str:  # a comment in a line that is much longer than a telephone is wide, by far
    return f"{page}" + "text" * 42
```

| a | b | c | d | e | f | g |
|---|---|---|---|---|---|---|
| wide | wider | widest | wide | wider | widest | wide |

$$
x = \\frac{a + b + c + d + e + f + g}{h + i + j + k + l + m + n + o + p + q + r + s + t + u + v + w}
$$

- [x] done
- [ ] not yet

> quoted

שלום עולם
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["wide", "narrow"])
async def test_axe_finds_nothing_on_a_shared_page(
    open_page: OpenPage, web_server: str, scheme: str, device: dict[str, Any]
) -> None:
    url = share_by_http(web_server, RICH)
    app = await open_page(url, axe=True, color_scheme=scheme, **device)
    await expect(app.page.get_by_role("article")).to_have_count(2)
    assert await app.findings() == []
    assert await app.overflow_px() == 0
    assert not device or await app.small_targets() == []
    app.expect_trouble("404")
    await app.page.goto(f"{url}x")
    await expect(app.page.get_by_role("heading", level=1)).to_have_text(GONE)
    assert await app.findings() == []
