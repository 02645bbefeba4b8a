"""The page for everybody: every screen to axe, to a finger, in large text, in forced colours, to a screen reader."""

import base64
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.test_dictating import ENGLISH, said
from tests.browser.web_app import LISTENS, WebApp

pytestmark = BROWSER

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
ON_ITS_SIDE: dict[str, Any] = {**PHONE, "viewport": {"width": 740, "height": 160}}
"""With the keyboard up."""
LANGUAGES = ["en-US", "es-ES"]
NOTCHED = {"top": 47, "left": 44, "right": 44, "bottom": 34}
LONG_WORD = "Averyveryveryverylongwordthatnobodywouldeverwriteexceptatesterwithatelephone" * 3
REFUSES_MICROPHONE = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
}"""
COUNTS_COLOURS = """async (picture) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(2, 2, image.width - 4, image.height - 4); // without its border
  return new Set(new Uint32Array(data.buffer)).size;
}"""

Check = Callable[[str], Awaitable[None]]


async def visit_screens(app: WebApp, check: Check) -> None:
    """Show each screen, in whatever language, and check it."""
    page = app.page
    dialog, first = page.get_by_role("dialog"), page.locator("dialog [data-first]")
    for step in range(3):
        await expect(dialog).to_contain_text(re.compile(f"(Step|Paso) {step + 1} (of|de) 3"))
        await check(f"guide, step {step + 1}")
        await first.click()
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("heading", level=2).first).to_be_visible()
    await check("welcome")
    await _visit_conversation(app, check)
    await _visit_list(app, check)
    await _visit_settings(app, check)
    await _dictate(app, check)
    await page.goto(f"{app.url}/#/dictations")
    rows = page.locator("main li a")
    await expect(rows.first).to_be_visible()
    await check("dictations")
    await rows.first.click()
    await expect(page.locator("main ol li").first).to_contain_text(said(ENGLISH))
    await check("one dictation")
    await page.goto(f"{app.url}/#/c/nothing-of-this-name")
    app.expect_trouble("404")
    await expect(page.get_by_role("alert").first).to_be_visible()  # the microphone's refusal is one too
    await check("not there")


async def _visit_conversation(app: WebApp, check: Check) -> None:
    page = app.page
    done = page.locator("article[aria-busy=false]")
    await app.ask("Please show me a showpiece")
    await expect(page.get_by_role("table")).to_be_visible()
    await expect(done).to_have_count(1)
    await app.ask(LONG_WORD)
    await expect(done).to_have_count(2)
    await check("conversation")
    await page.locator("header [aria-haspopup=menu]").click()
    await expect(page.get_by_role("menuitem").first).to_be_focused()
    await check("menu")
    await page.keyboard.press("Escape")
    await page.locator("article .message-actions button").nth(1).click()
    edit = page.locator("article textarea")
    await edit.fill("Half an edit")
    await check("editing")
    await edit.press("Escape")
    undo = page.get_by_role("button", name=re.compile("^(Undo|Deshacer)$"))
    await expect(undo).to_be_visible()
    await check("notice")
    await undo.click()
    await edit.press("Escape")
    await app.ask("Please go on slow")
    await expect(done).to_have_count(2)
    await app.ask("And then")
    await expect(page.get_by_role("button", name=re.compile("And then$"))).to_be_visible()
    await check("answering, with a message in the queue")
    await app.composer.press("Escape")  # the message is in the field again
    await app.composer.press("Escape")  # no answer is awaited any more
    await expect(done).to_have_count(3)
    await app.write("")


async def _open_sidebar(app: WebApp) -> None:
    """On a telephone it is a drawer."""
    opener = app.page.locator("header > button:first-child")
    if app.page.viewport_size and app.page.viewport_size["width"] < 768:
        await opener.click()
        await expect(app.page.get_by_role("dialog")).to_be_visible()


async def _visit_list(app: WebApp, check: Check) -> None:
    page = app.page
    await _open_sidebar(app)
    await page.locator("nav [data-entry-action]").first.focus()
    await check("conversations")
    await page.locator("nav [data-entry]").first.focus()
    await page.keyboard.press("F2")
    await expect(page.locator("nav input")).to_be_focused()
    await check("renaming")
    await page.keyboard.press("Escape")
    search = page.get_by_role("searchbox")
    await search.fill("showpiece")
    await expect(page.locator("nav mark").first).to_be_visible()
    await check("search")
    await search.fill("nothing of this kind")
    await expect(page.locator("nav li")).to_have_count(0)
    await check("nothing found")
    await search.press("Escape")
    await page.get_by_role("button", name=re.compile("^(Keyboard shortcuts|Atajos de teclado)$")).click()
    await expect(page.get_by_role("dialog").last).to_contain_text(re.compile("Shift|Mayús"))
    await check("keys")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name=re.compile("^(Jump to|Ir a)…$")).click()
    palette = page.get_by_role("combobox", name=re.compile("words|palabras"))
    await check("palette, empty")
    await palette.fill("showpiece")
    await expect(page.get_by_role("option").locator("mark").first).to_be_visible()
    await check("palette")
    await page.keyboard.press("Escape")


async def _visit_settings(app: WebApp, check: Check) -> None:
    page = app.page
    await page.goto(f"{app.url}/#/settings")
    await expect(page.get_by_role("radio", name="English")).to_be_attached()
    if await page.get_by_role("dialog").count():
        await page.keyboard.press("Escape")
    await expect(page.locator("main li").filter(has_text="pocketsphinx").first).to_be_attached()
    await page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    languages = page.locator("fieldset [aria-expanded=false]")
    if await languages.count():
        await languages.first.click()
    await check("settings")
    await page.get_by_role("button", name=re.compile("^(Connect a model|Conectar un modelo)$")).first.click()
    await expect(page.get_by_role("dialog").get_by_role("radio").first).to_be_attached()
    await check("connecting")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def _dictate(app: WebApp, check: Check) -> None:
    page = app.page
    await page.goto(f"{app.url}/#/")
    controls = page.locator("form [role=group]").first.get_by_role("button")
    microphone = controls.first
    await microphone.click()
    await app.in_state("listening")
    await check("listening")
    await expect(app.composer).to_have_value(said(ENGLISH))
    await expect(page.get_by_role("button", name=re.compile("^(Take back|Quitar) "))).to_be_visible()
    await check("dictated")
    mute = page.get_by_role("button", name=re.compile("^(Mute|Silenciar) "))
    await mute.click()
    await expect(app.state).to_contain_text(re.compile("Muted|Silenciado"))
    await check("muted")
    await microphone.click()
    await app.in_state("idle")
    await page.evaluate(REFUSES_MICROPHONE)
    app.expect_trouble("WebSocket is closed before the connection is established")
    await microphone.click()
    await app.in_state("failed")
    await check("no microphone")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("locale", LANGUAGES)
async def test_axe_finds_nothing(open_page: OpenPage, locale: str) -> None:
    app = await open_page(
        axe=True, says=ENGLISH, locale=locale, settings={"guided": False}, reduced_motion="reduce"
    )
    found: dict[str, list[str]] = {}

    async def check(screen: str) -> None:
        found[screen] = await app.findings()

    await visit_screens(app, check)
    assert {screen: one for screen, one in found.items() if one} == {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("locale", LANGUAGES)
async def test_a_telephone(open_page: OpenPage, locale: str) -> None:
    """Whatever a finger presses is as large as one; nothing lies beside the screen, in text twice as large neither."""
    app = await open_page(
        axe=True, says=ENGLISH, locale=locale, settings={"guided": False}, reduced_motion="reduce", **PHONE
    )
    found: dict[str, list[str]] = {}

    async def check(screen: str) -> None:
        found[f"{screen}, by finger"] = await app.small_targets() + await app.sideways()
        await app.page.evaluate("document.documentElement.style.fontSize = '200%'")
        found[f"{screen}, in large text"] = await app.sideways() + await covered(app)
        await app.page.evaluate("document.documentElement.style.fontSize = ''")
        found[f"{screen}, to axe"] = await app.findings()

    await visit_screens(app, check)
    assert {screen: one for screen, one in found.items() if one} == {}


async def covered(app: WebApp) -> list[str]:
    """The buttons of the composer that are not on the screen, or that something covers."""
    hidden: list[str] = await app.page.evaluate(
        """async () => {
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            for (let n = 0; n < 3; n += 1) await frame(); // what follows the size of another has followed
            return [...document.querySelectorAll("form [role=group] button")].filter((one) => {
                if (!one.checkVisibility() || document.querySelector("dialog[open]")) return false;
                const { left, right, top, bottom } = one.getBoundingClientRect();
                const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
                return !one.contains(there);
            }).map((one) => one.outerHTML.slice(0, 160));
        }"""
    )
    return hidden


async def test_on_its_side_with_the_keyboard_up(open_page: OpenPage) -> None:
    """Field, buttons and the line of the state are seen, hands-free too."""
    app = await open_page(says=ENGLISH, **ON_ITS_SIDE)
    await app.page.get_by_role("button", name=re.compile("^Hands-free: listen")).tap()
    await app.in_state("listening")
    for one in (app.composer, app.button("Stop dictating"), app.page.get_by_test_id("hands-free")):
        await is_inside(one, 0, 0, 740, 160)
    await app.button("End hands-free").tap()
    await app.in_state("idle")
    await app.button("Dictate").tap()
    await app.in_state("listening")
    for one in (app.composer, app.button("Stop dictating"), app.state):
        await is_inside(one, 0, 0, 740, 160)


async def is_inside(one: Locator, left: float, top: float, right: float, bottom: float) -> None:
    await one.scroll_into_view_if_needed()
    box = await one.bounding_box()
    assert box is not None, f"{one} is not shown"
    assert box["x"] >= left - 0.5, f"{one} begins at {box}"
    assert box["y"] >= top - 0.5, f"{one} begins at {box}"
    assert box["x"] + box["width"] <= right + 0.5, f"{one} ends at {box}"
    assert box["y"] + box["height"] <= bottom + 0.5, f"{one} ends at {box}"


@pytest.mark.parametrize(("width", "height"), [(360, 740), (740, 360)])
async def test_nothing_lies_behind_the_notch(open_page: OpenPage, width: int, height: int) -> None:
    app = await open_page(**{**PHONE, "viewport": {"width": width, "height": height}})
    tools = await app.page.context.new_cdp_session(app.page)
    await tools.send("Emulation.setSafeAreaInsetsOverride", {"insets": NOTCHED})
    safe = (NOTCHED["left"], NOTCHED["top"], width - NOTCHED["right"], height - NOTCHED["bottom"])
    await app.ask("Please show me a showpiece")
    await app.has_answered()
    for one in (app.page.locator("header"), app.composer, app.button("Dictate"), app.button("Send")):
        await is_inside(one, *safe)
    await app.button("Show conversations").click()
    drawer = app.page.get_by_role("dialog")
    for part in (drawer.get_by_role("searchbox"), drawer.get_by_role("link", name="Settings")):
        await is_inside(part, *safe)
    await app.page.keyboard.press("Escape")
    await app.page.goto(f"{app.url}/#/settings")
    await app.button("Connect a model").first.click()
    await is_inside(app.page.get_by_role("dialog", name="Connect a model"), *safe)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_level_is_seen_in_forced_colours(open_page: OpenPage, scheme: str) -> None:
    app = await open_page(says=ENGLISH, forced_colors="active", color_scheme=scheme)
    await app.button("Dictate").click()
    await expect(app.composer).not_to_have_value("")  # it hears
    for _ in range(40):
        picture = base64.b64encode(await app.page.get_by_test_id("level").screenshot()).decode()
        if await app.page.evaluate(COUNTS_COLOURS, picture) > 1:
            return
    raise AssertionError("the meter has one colour")


async def test_a_screen_reader_is_silent_while_one_dictates(open_page: OpenPage) -> None:
    """Neither turns, nor finals, nor an answer are told; on request the words are, and afterwards the answer."""
    app = await open_page(says=ENGLISH, script=LISTENS)
    await app.ask("Count for me brisk")
    await app.button("Dictate").click()
    await app.in_state("listening")
    await app.page.evaluate("told.length = 0")
    heard = app.page.get_by_test_id("heard")
    await expect(heard).to_contain_text("in Madrid today?")
    await app.has_answered()
    assert await app.page.evaluate("told") == []
    await app.page.keyboard.press("Alt+l")
    await expect(app.page.get_by_test_id("told")).to_contain_text(f"Heard last: {await heard.inner_text()}")
    await app.button("Stop dictating").click()
    await app.in_state("idle")
    await expect(app.page.get_by_test_id("told")).to_contain_text("Count for me brisk")
