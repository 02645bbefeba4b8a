"""What the page looks like to others: in Spanish, on a telephone, to axe; by its states, light and dark."""

import base64
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, IN_FIREFOX, OpenPage
from tests.fakes.paced_upstream import ShowcaseUpstream

pytestmark = BROWSER

GETS_IN = """(origin) => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'owned'";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = origin + "/tracker.png";
    document.body.append(image);
}"""
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((one) => (window.shift += one.value)))
  .observe({type: "layout-shift", buffered: true});
"""
MOST_SHIFT = 0.02
MOVES = "document.querySelector('[data-testid=level]').getAnimations({subtree: true}).length > 0"
STANDS = "/scaleX\\(0\\.[1-9]/.test(document.querySelector('[data-testid=level]').innerHTML)"
BEGUN = """new Promise((end) => {
    let begun = 0;
    for (const kind of ["transitionrun", "animationstart"]) addEventListener(kind, () => (begun += 1), true);
    setTimeout(() => end(begun), 1000);
})"""
BRIGHTEST = """async (picture) => {
    const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const paper = new OffscreenCanvas(image.width, image.height).getContext("2d");
    paper.drawImage(image, 0, 0);
    return Math.max(...paper.getImageData(0, 0, image.width, image.height).data.filter((_, at) => at % 4 < 3));
}"""
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def until(condition: str) -> str:
    """A script that ends once a condition holds; the page's policy forbids what Playwright waits with."""
    return (
        f"new Promise((end) => {{ const look = () => {condition} ? end() : setTimeout(look, 20); look(); }})"
    )


async def test_spanish_browsers_get_spanish(open_page: OpenPage) -> None:
    app = await open_page(locale="es-ES")
    await expect(app.page.get_by_role("heading", name="¿En qué estás pensando?")).to_be_visible()
    await expect(app.button("Dictar")).to_be_visible()
    assert await app.page.evaluate("document.documentElement.lang") == "es"
    await app.page.goto(f"{app.url}/#/settings")
    await app.page.get_by_text("English", exact=True).click()
    await expect(app.page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    assert await app.page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize(("locale", "own", "other"), [("es-MX", "es", "en"), ("de-DE", "en", "es")])
async def test_a_page_loads_the_texts_of_its_language_and_no_others(
    open_page: OpenPage, locale: str, own: str, other: str
) -> None:
    """They are asked for before the script of the page has run."""
    app = await open_page(locale=locale)
    requested: list[str] = []
    app.page.on("request", lambda request: requested.append(request.url.partition("/assets/")[2]))
    await app.page.reload()
    await expect(app.composer).to_be_visible()
    texts = [name for name in requested if re.match(r"(en|es)-.{8}\.js$", name)]
    assert {name[:2] for name in texts} == {own}
    early = await app.page.locator(f"link[rel=modulepreload][href*='/{own}-']").count()
    assert (early, await app.page.locator(f"link[href*='/{other}-']").count()) == (1, 0)


async def test_a_page_without_any_texts_says_so_in_each_language(open_page: OpenPage) -> None:
    app = await open_page()
    app.expect_trouble("ERR_FAILED")
    await app.page.route(re.compile(r"/assets/(en|es)-[^/]*\.js"), lambda route: route.abort())
    await app.page.reload()
    alert = app.page.get_by_role("alert")
    await expect(alert.locator("[lang=en]")).to_contain_text("could not load")
    await expect(alert.locator("[lang=es]")).to_contain_text("no se pudo cargar")


async def test_texts_that_do_not_load_leave_the_page_in_english_and_can_be_asked_for_again(
    open_page: OpenPage,
) -> None:
    app = await open_page(locale="es-ES")
    await expect(app.button("Dictar")).to_be_visible()
    app.expect_trouble("ERR_FAILED")
    await app.page.route("**/assets/es-*.js", lambda route: route.abort())
    await app.page.reload()
    await expect(app.button("Dictate")).to_be_visible()
    shown = app.page.get_by_text("could not load its texts").last  # a screen reader is told too
    await expect(shown).to_be_visible()
    assert await app.page.evaluate("document.documentElement.lang") == "en"
    await app.composer.fill("Hola")
    await app.page.unroute("**/assets/es-*.js")
    await app.button("Try again").click()
    await expect(app.button("Dictar")).to_be_visible()
    await expect(app.composer).to_have_value("Hola")


async def test_a_part_that_does_not_load_says_so_and_can_be_asked_for_again(open_page: OpenPage) -> None:
    """The rest of the page stays as it is: one can write, send, and read the answer."""
    app = await open_page()
    app.expect_trouble("ERR_FAILED")
    parts = re.compile(r"/assets/(settings-route|dictations-page|formatted-blocks)-[^/]*\.js")
    await app.page.route(parts, lambda route: route.abort())
    await app.page.reload()
    await app.ask("Please show me a showpiece")
    await app.has_answered()
    await expect(app.button("Shown without formatting. Try again")).to_be_visible()
    await expect(app.answers.last).to_contain_text("| --- |")
    await app.composer.fill("half a thought")
    for page, title in (("settings", "Settings"), ("dictations", "Dictations")):
        await app.page.goto(f"{app.url}/#/{page}")
        await expect(app.page.get_by_role("region", name=title)).to_contain_text("did not load")
    await app.page.unroute(parts)
    await app.button("Try again").click()
    await expect(app.page.get_by_text("did not load")).to_have_count(0)
    await expect(app.page.get_by_role("heading", name="Dictations")).to_be_visible()
    await app.page.goto(f"{app.url}/#/settings")
    await expect(app.page.get_by_role("radio", name="Light")).to_be_attached()
    await app.conversation("Please show me a showpiece").first.click()
    await expect(app.page.get_by_role("table")).to_be_visible()
    await expect(app.composer).to_have_value("half a thought")


async def test_what_the_first_load_left_out_is_there_when_the_server_is_gone(open_page: OpenPage) -> None:
    """It came while the browser was idle."""
    app = await open_page()
    async with app.page.expect_request_finished(lambda request: "/assets/checkpoint-list-" in request.url):
        await app.page.reload()  # the last part of all
    app.expect_trouble("ERR_INTERNET_DISCONNECTED|WebSocket")
    await app.page.context.set_offline(True)
    await app.page.goto(f"{app.url}/#/settings")
    await expect(app.page.get_by_role("radio", name="Light")).to_be_attached()
    await app.page.goto(f"{app.url}/#/dictations")
    await expect(app.page.get_by_role("heading", name="Dictations")).to_be_visible()
    await expect(app.page.get_by_text("did not load")).to_have_count(0)
    await app.page.context.set_offline(False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_first_visit_has_the_theme_of_the_system(open_page: OpenPage, scheme: str) -> None:
    app = await open_page(color_scheme=scheme)
    is_dark = await app.page.evaluate("document.documentElement.classList.contains('dark')")
    assert is_dark is (scheme == "dark")


async def test_a_narrow_page_does_not_scroll_sideways(open_page: OpenPage) -> None:
    """Code and tables scroll by themselves, and the conversations are behind a button."""
    app = await open_page(**PHONE)
    assert await app.overflow_px() == 0, "welcome"
    await app.ask("Please show me a showpiece")
    await app.has_answered()
    await expect(app.page.get_by_role("table")).to_be_visible()
    assert await app.overflow_px() == 0, "conversation"
    await app.ask("Averyveryveryverylongwordthatnobodywouldeverwriteexceptatesterwithatelephone" * 3)
    await app.has_answered()
    assert await app.overflow_px() == 0, "a long word"
    await app.button("Show conversations").click()
    await expect(app.page.get_by_role("dialog")).to_be_visible()
    assert await app.overflow_px() == 0, "drawer"
    await app.page.get_by_role("dialog").get_by_role("link", name="Settings").click()
    await expect(app.page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    assert await app.overflow_px() == 0, "settings"
    await app.page.goto(f"{app.url}/#/dictations")
    await expect(app.page.get_by_role("heading", name="Dictations")).to_be_visible()
    assert await app.overflow_px() == 0, "dictations"


async def test_the_page_brings_its_own_face(open_page: OpenPage) -> None:
    """It is there with the first text, so that nothing moves; code has one too, where there is some."""
    app = await open_page(script=SHIFTS)
    await expect(app.page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    loaded = "[...document.fonts].filter(({status}) => status === 'loaded')"
    faces = f"{loaded}.map(({{family}}) => family.replaceAll('\"', ''))"
    assert await app.page.evaluate(f"document.fonts.ready.then(() => {faces})") == ["Geist"]
    await app.page.wait_for_load_state("networkidle")
    assert await app.page.evaluate("window.shift") < MOST_SHIFT
    await app.ask("Please show me a showpiece")
    await app.has_answered()
    await app.page.evaluate(until(f"{faces}.includes('Geist Mono')"))


async def test_the_level_of_the_microphone_moves_unless_nothing_is_to_move(open_page: OpenPage) -> None:
    """And it is seen where the system chooses the colours."""
    app = await open_page(forced_colors="active")
    await app.button("Dictate").click()
    await app.in_state("listening")
    level = app.page.get_by_test_id("level")
    await app.page.evaluate(until(MOVES))
    colours = await level.locator("span").last.evaluate(
        "one => [one, document.body].map((each) => getComputedStyle(each).backgroundColor)"
    )
    assert colours[0] != colours[1]
    still = await open_page(reduced_motion="reduce", forced_colors="active")
    await still.button("Dictate").click()
    await still.in_state("listening")
    await still.page.evaluate(until(STANDS))
    assert await still.page.evaluate(BEGUN) == 0
    assert not await still.page.evaluate(MOVES)


async def test_the_page_keeps_to_itself(open_page: OpenPage, upstream: ShowcaseUpstream) -> None:
    """What were to get in would neither be fetched nor run; and these tests would be told."""
    app = await open_page()
    app.expect_trouble("Content Security Policy|^error: CSP: ")
    async with (
        app.page.expect_console_message(lambda message: "CSP: inline" in message.text),
        app.page.expect_console_message(lambda message: f"CSP: {upstream.origin}" in message.text),
    ):
        await app.page.evaluate(GETS_IN, upstream.origin)
    assert await app.page.title() != "owned"
    assert [request.path for request in upstream.requests if "tracker" in request.path] == []


@IN_FIREFOX
async def test_the_scroll_bar_of_a_dark_page_is_dark(open_page: OpenPage) -> None:
    """Firefox keeps a place for it."""
    app = await open_page(settings={"theme": "dark"}, viewport={"width": 360, "height": 560})
    app.expect_trouble("inline")  # a style of Playwright's, for the picture
    await expect(app.button("Dictate")).to_be_visible()
    picture = await app.page.screenshot(clip={"x": 348, "y": 60, "width": 12, "height": 300})
    assert await app.page.evaluate(BRIGHTEST, base64.b64encode(picture).decode()) < 200
