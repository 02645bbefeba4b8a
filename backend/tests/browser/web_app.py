"""The web app as a user meets it: its elements by roles and names, and the actions on them."""

import json
import re

from playwright.async_api import ConsoleMessage, Error, Locator, Page, expect

STORE_KEY = "prompter.settings"
MOST_TABS = 80
_VIOLATIONS = (
    "document.addEventListener('securitypolicyviolation', e => console.error('CSP: ' + e.blockedURI))"
)
_SHOWN = """
const describe = (one, why) => `${why}: ${one.outerHTML.slice(0, 160)}`;
const top = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
const shown = [...top.querySelectorAll("button, a[href], summary, select, input, textarea, [role=menuitem]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".sr-only"))
  .filter((one) => one.getBoundingClientRect().width > 1);
"""
_SMALL_TARGETS = f"""() => {{ {_SHOWN}
return shown.flatMap((one) => {{
  const isChoice = one.matches("input[type=checkbox], input[type=radio]");
  const target = (isChoice && one.closest("label")) || one;
  if (one.disabled && isChoice || getComputedStyle(target).display === "inline") return [];
  const {{ width, height }} = target.getBoundingClientRect();
  return width < 43.5 || height < 43.5 ? [describe(one, `${{width}} x ${{height}}`)] : [];
}}); }}"""
_SIDEWAYS = f"""() => {{ {_SHOWN}
const own = "pre, .formula, .markdown-table, .truncate, .sr-only, select, input, textarea";
const wide = [...top.querySelectorAll("*")].filter((one) => one.clientWidth > 1 &&
  one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible" && !one.closest(own));
const outside = shown.filter((one) => {{
  const {{ left, right }} = one.getBoundingClientRect();
  return !one.closest("pre, .formula, .markdown-table") && (left < -1 || right > innerWidth + 1);
}});
const page = document.scrollingElement;
return [...wide.map((one) => describe(one, "scrolls")), ...outside.map((one) => describe(one, "outside")),
  ...(page.scrollWidth > page.clientWidth ? ["the page scrolls sideways"] : [])];
}}"""
_FINDINGS = """async () => {
  const still = new CSSStyleSheet();
  still.replaceSync("*, ::before, ::after { transition: none !important; }");
  document.adoptedStyleSheets.push(still);
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const theme = document.documentElement.classList;
  theme.toggle("dark");
  const other = await axe.run(document, { resultTypes: ["violations"], runOnly: ["color-contrast"] });
  theme.toggle("dark");
  document.adoptedStyleSheets.pop();
  return [...violations, ...other.violations].flatMap(({ id, impact, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id} (${impact}): ${html.slice(0, 200)} ${failureSummary}`));
}"""
LISTENS = """
window.told = [];
const live = "[role=status], [role=alert], [role=log], [aria-live=polite], [aria-live=assertive]";
const hear = (region) => { const text = region?.textContent.trim(); if (text) told.push(text); };
new MutationObserver((changes) => changes.forEach(({ target, addedNodes }) => {
  hear((target.nodeType === 1 ? target : target.parentElement)?.closest(live));
  for (const node of addedNodes)
    if (node.nodeType === 1) [node, ...node.querySelectorAll(live)].filter((one) => one.matches(live)).forEach(hear);
})).observe(document, { subtree: true, childList: true, characterData: true });
"""
"""A script that keeps in `told` what a screen reader would say by itself."""


class WebApp:
    """One page of one browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.troubles: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        page.on("console", self._said)
        page.on("pageerror", self._failed)

    # -- elements

    @property
    def composer(self) -> Locator:
        return self.page.locator("[data-composer]")

    @property
    def state(self) -> Locator:
        """The state of the dictation; its `data-state` is the name."""
        return self.page.get_by_test_id("dictation-state")

    @property
    def mine(self) -> Locator:
        return self.page.get_by_role("article", name="You")

    @property
    def answers(self) -> Locator:
        return self.page.get_by_role("article", name="Answer")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def conversation(self, title: str) -> Locator:
        """The link in the sidebar."""
        return self.page.get_by_role("navigation").get_by_role("link", name=title, exact=True)

    # -- actions

    async def prepare(self, settings: dict[str, object], script: str) -> None:
        """Set what the browser remembers of an earlier visit, and run a script, before the first page."""
        key, value = json.dumps(STORE_KEY), json.dumps(json.dumps(settings))
        kept = f"localStorage.getItem({key}) ?? localStorage.setItem({key}, {value})"
        # Firefox runs it in its empty first page too, which may store nothing.
        await self.page.add_init_script(f"if (origin !== 'null') {{ {kept}; {_VIOLATIONS}; {script} }}")

    async def load(self) -> None:
        await self.page.goto(self.url)

    async def type(self, text: str) -> None:
        await self.composer.press_sequentially(text)

    async def write(self, text: str) -> None:
        """Put a text in place of what is in the composer.

        Not by `fill`: in Firefox Playwright sets the value by script, of which React hears nothing.
        """
        await self.composer.select_text()
        await self.page.evaluate("text => document.execCommand('insertText', false, text)", text)
        await expect(self.composer).to_have_value(text)

    async def ask(self, text: str) -> None:
        """Write a message and send it."""
        await self.write(text)
        await self.composer.press("Enter")

    async def in_state(self, name: str) -> None:
        """Wait until the dictation is in this state."""
        await expect(self.state).to_have_attribute("data-state", name)

    async def has_answered(self, answer: Locator | None = None) -> None:
        """Wait until the answer, by default the last one, is complete."""
        await expect(answer or self.answers.last).to_have_attribute("aria-busy", "false")

    async def tab_to(self, target: Locator, key: str = "Tab") -> None:
        """Move the focus there by keyboard alone."""
        for _ in range(MOST_TABS):
            if await target.evaluate("one => one === document.activeElement"):
                return
            await self.page.keyboard.press(key)
        raise AssertionError(f"{MOST_TABS} times {key} do not lead to {target}")

    # -- troubles

    def expect_trouble(self, pattern: str) -> None:
        """Expect messages of the browser that match, because the test causes them."""
        self._expected.append(re.compile(pattern))

    def check_troubles(self) -> None:
        left = [text for text in self.troubles if not any(known.search(text) for known in self._expected)]
        assert not left, "the browser reported: " + "\n".join(left)

    async def findings(self) -> list[str]:
        """What axe finds on the page as it is, and of contrast in the other theme too."""
        found: list[str] = await self.page.evaluate(_FINDINGS)
        return found

    async def small_targets(self) -> list[str]:
        """What a finger may miss: narrower or lower than 44 px. Links within a sentence may be as low as it."""
        small: list[str] = await self.page.evaluate(_SMALL_TARGETS)
        return small

    async def sideways(self) -> list[str]:
        """What is reached by scrolling sideways alone, or not at all. Code, tables, formulas scroll by themselves."""
        found: list[str] = await self.page.evaluate(_SIDEWAYS)
        return found

    async def overflow_px(self) -> int:
        """How far the page can be scrolled sideways; it should be 0."""
        width: int = await self.page.evaluate(
            "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        )
        return width

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.type}: {message.text}")

    def _failed(self, error: Error) -> None:
        self.troubles.append(f"uncaught: {error.stack or error}")
