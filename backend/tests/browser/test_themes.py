"""How the page looks is chosen, kept, shown from the first paint on, and readable whatever was chosen."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from app.core.config import WebSettings
from tests.browser.conftest import BROWSER, OpenPage, browser_settings
from tests.browser.web_app import STORE_KEY, WebApp
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.support.server import run_server

pytestmark = BROWSER

PALETTES = ("indigo", "sand", "forest", "graphite", "rose")
CODE_THEMES = ("calm", "vivid", "night", "plain")
COUNTS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ blockedURI }) => violations.push(blockedURI));
"""
CHOOSE = f"""async (changes) => {{
    const look = () => localStorage.getItem("prompter.look");
    const before = look();
    const settings = {{...JSON.parse(localStorage.getItem("{STORE_KEY}")), ...changes}};
    const newValue = JSON.stringify(settings);
    localStorage.setItem("{STORE_KEY}", newValue);
    dispatchEvent(new StorageEvent("storage", {{key: "{STORE_KEY}", newValue}}));
    while (look() === before) await new Promise((end) => setTimeout(end, 10));
}}"""
SHOWN = """(() => {
  const { backgroundColor, fontFamily } = getComputedStyle(document.body);
  return [backgroundColor, getComputedStyle(document.documentElement).fontSize, fontFamily.split(",")[0]];
})()"""
WEAK = """async () => {
  const still = new CSSStyleSheet();
  still.replaceSync("*, ::before, ::after { transition: none !important; }");
  document.adoptedStyleSheets.push(still);
  const found = [];
  for (const isDark of [false, true]) {
    document.documentElement.classList.toggle("dark", isDark);
    const { violations } = await axe.run(document, { resultTypes: ["violations"], runOnly: ["color-contrast"] });
    found.push(...violations.flatMap(({ nodes }) =>
      nodes.map(({ html, failureSummary }) => `dark: ${isDark}: ${html.slice(0, 160)} ${failureSummary}`)));
  }
  document.adoptedStyleSheets.pop();
  return found;
}"""
LARGE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
HARBOUR: dict[str, Any] = {
    "prompter-theme": 1,
    "name": "Harbour & <port>",
    "light": {"page": "#e8f4f8", "raised": "#e4f0f5", "accent": "#084c61"},
    "dark": {"page": "#04141a", "surface": "#081d25"},
    "shape": {"text-size": "110%"},
}


async def choose(app: WebApp, **changes: str) -> None:
    """Choose something else, as in another tab of the browser, and wait until it is shown."""
    await app.page.evaluate(CHOOSE, changes)


async def show_settings(app: WebApp) -> None:
    await app.page.goto(f"{app.url}/#/settings")
    await expect(app.page.get_by_test_id("look-preview")).to_be_visible()


@pytest.mark.parametrize("contrast", ["normal", "high"])
async def test_each_shipped_look_can_be_read(open_page: OpenPage, contrast: str) -> None:
    """Nothing is against the policy of the page either."""
    app = await open_page(axe=True, script=COUNTS, settings={"contrast": contrast})
    await show_settings(app)
    assert await app.findings() == []
    for palette in PALETTES:
        await choose(app, palette=palette)
        assert await app.page.evaluate(WEAK) == [], palette
    for code_theme in CODE_THEMES:
        await choose(app, palette="sand", codeTheme=code_theme, accent="#ffee00")
        assert await app.page.evaluate(WEAK) == [], code_theme
    await app.page.goto(f"{app.url}/#/")
    await app.ask("Please show me a showpiece")
    await app.has_answered()
    await expect(app.page.get_by_role("table")).to_be_visible()
    assert await app.page.evaluate(WEAK) == []
    assert await app.page.evaluate("violations") == []


async def test_a_look_is_kept_and_there_before_the_script_of_the_page(open_page: OpenPage) -> None:
    app = await open_page(script=COUNTS, color_scheme="light")
    await show_settings(app)
    await app.page.get_by_text("Forest", exact=True).click()
    await app.page.get_by_text("Dark", exact=True).click()
    await app.page.get_by_label("Size of text").select_option("125")
    await app.page.get_by_label("Font").select_option("serif")
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(8, 20, 15)")
    await expect(app.page.locator("html")).to_have_css("font-size", "20px")
    held: list[Any] = []
    await app.page.route(re.compile(r"/assets/index-[^/]*\.js"), lambda route: held.append(route))
    async with app.page.expect_request(re.compile(r"/assets/index-[^/]*\.js")):
        await app.page.reload(wait_until="commit")
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(8, 20, 15)")
    assert await app.page.evaluate(SHOWN) == ["rgb(8, 20, 15)", "20px", "ui-serif"]
    for route in held:
        await route.continue_()
    await expect(app.page.get_by_test_id("look-preview")).to_be_visible()
    assert await app.page.evaluate(SHOWN) == ["rgb(8, 20, 15)", "20px", "ui-serif"]
    await app.button("Look as at first").click()
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(248, 250, 252)")
    assert await app.page.evaluate("localStorage.getItem('prompter.look')") is None
    assert await app.page.evaluate("violations") == []


async def test_a_chosen_accent_is_on_buttons_as_it_is_and_elsewhere_as_it_can_be_read(
    open_page: OpenPage,
) -> None:
    app = await open_page(color_scheme="light")
    await show_settings(app)
    await app.page.get_by_label("Accent colour").fill("#ffee00")
    button = app.page.get_by_test_id("look-preview").get_by_text("Send", exact=True)
    await expect(button).to_have_css("background-image", re.compile(r"rgb\(255, 238, 0\)"))
    await expect(button).to_have_css("color", "rgb(0, 0, 0)")
    link = app.page.get_by_test_id("look-preview").get_by_role("link")
    assert await link.evaluate("one => getComputedStyle(one).color") != "rgb(255, 238, 0)"
    await app.button("Use the theme’s").click()
    await expect(link).to_have_css("color", "rgb(74, 65, 224)")


async def test_a_theme_file_is_opened_saved_and_taken_away(open_page: OpenPage, tmp_path: Path) -> None:
    app = await open_page(color_scheme="light")
    await show_settings(app)
    chooser = app.page.get_by_label("Open a theme file")
    wrong = {**HARBOUR, "dark": {"ink": "url(https://example.com)"}}
    for file, said in ((wrong, "dark.ink: This must be a colour"), ("{", "line 1: This file is not JSON")):
        text = json.dumps(file) if isinstance(file, dict) else file
        await chooser.set_input_files(
            {"name": "t.json", "mimeType": "application/json", "buffer": text.encode()}
        )
        await expect(app.page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    pale = {**HARBOUR, "light": {**HARBOUR["light"], "muted": "#cccccc"}}
    buffer = json.dumps(pale).encode()
    await chooser.set_input_files({"name": "t.json", "mimeType": "application/json", "buffer": buffer})
    await expect(app.page.get_by_text("“Harbour & <port>” is in use. Hard to read")).to_contain_text(
        "light.muted."
    )
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(232, 244, 248)")
    async with app.page.expect_download() as download:
        await app.button("Save as a file").click()
    saved = tmp_path / "saved.json"
    await (await download.value).save_as(saved)
    assert json.loads(saved.read_text("utf-8"))["light"]["page"] == "#e8f4f8"
    in_use = app.page.get_by_text("“Harbour & <port>” is in use.")
    await app.page.get_by_text("Sand", exact=True).click()
    await expect(in_use).to_have_count(0)
    await app.page.get_by_text("Harbour & <port>, mine").click()
    await expect(in_use).to_be_visible()
    await app.button("Remove my theme").click()
    await expect(in_use).to_have_count(0)
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(248, 250, 252)")
    await chooser.set_input_files(saved)
    await expect(app.page.get_by_text("“Harbour & <port>” is in use.")).not_to_contain_text("Hard to read")
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(232, 244, 248)")


async def test_the_theme_of_the_server_is_there_from_the_start_and_can_be_chosen_against(
    open_page: OpenPage, built_page: None, upstream: ShowcaseUpstream, tmp_path: Path
) -> None:
    path = tmp_path / "harbour.json"
    path.write_text(json.dumps(HARBOUR), "utf-8")
    with run_server(browser_settings(upstream, web=WebSettings(theme=str(path)))) as server:
        app = await open_page(server.url, script=COUNTS, axe=True, color_scheme="light")
        assert await app.page.evaluate(SHOWN) == ["rgb(232, 244, 248)", "17.6px", "Geist"]
        await app.page.emulate_media(color_scheme="dark")
        await expect(app.page.locator("body")).to_have_css("background-color", "rgb(4, 20, 26)")
        assert await app.page.evaluate(WEAK) == []
        await app.page.emulate_media(color_scheme="light")
        await show_settings(app)
        await expect(app.page.get_by_role("radio", name="Harbour & <port>, of this server")).to_be_checked()
        await app.page.get_by_text("Sand", exact=True).click()
        await expect(app.page.locator("body")).to_have_css("background-color", "rgb(247, 243, 234)")
        await app.page.get_by_text("Harbour & <port>, of this server").click()
        await expect(app.page.locator("body")).to_have_css("background-color", "rgb(232, 244, 248)")
        await app.page.get_by_label("Accent colour").fill("#008000")
        await expect(app.page.locator("body")).to_have_css("background-color", "rgb(232, 244, 248)")
        assert await app.page.evaluate("violations") == []


async def test_a_system_that_asks_for_more_contrast_gets_it(open_page: OpenPage) -> None:
    app = await open_page(contrast="more", color_scheme="dark", axe=True, settings={"palette": "rose"})
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(0, 0, 0)")
    await show_settings(app)
    assert await app.page.evaluate(WEAK) == []
    await app.page.get_by_role("group", name="Contrast").get_by_text("Normal").click()
    await expect(app.page.locator("body")).to_have_css("background-color", "rgb(25, 11, 18)")


@pytest.mark.parametrize("locale", ["en-US", "es-ES"])
async def test_text_of_twice_the_size_stays_on_a_narrow_screen(open_page: OpenPage, locale: str) -> None:
    app = await open_page(locale=locale, settings={"textSize": "200"}, **LARGE)
    await expect(app.page.locator("html")).to_have_css("font-size", "32px")
    assert await app.sideways() == [], "welcome"
    await app.ask("Please show me a showpiece")
    await app.has_answered(app.page.get_by_role("article").last)
    await expect(app.page.get_by_role("table")).to_be_visible()
    assert await app.sideways() == [], "conversation"
    await show_settings(app)
    assert await app.sideways() == [], "settings"
    await app.page.goto(f"{app.url}/#/dictations")
    await expect(app.page.get_by_role("heading", level=1)).to_be_visible()
    assert await app.sideways() == [], "dictations"


@pytest.mark.parametrize("density", ["compact", "comfortable"])
async def test_fingers_hit_what_they_press_however_dense_the_page_is(
    open_page: OpenPage, density: str
) -> None:
    app = await open_page(settings={"density": density}, **LARGE)
    await show_settings(app)
    assert await app.small_targets() == []
    assert await app.sideways() == []
