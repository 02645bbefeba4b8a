"""A browser with a recording as its microphone; screenshots of pages by theme, language and width, or what axe says."""

import json
import re
import shutil
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, Error, Page, sync_playwright
from server import ROOT

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = (1280, 800), (360, 740)
SETTLES_MS = 15_000
_PAUSE = bytes(2 * 16_000 // 3)  # a third of a second


class Look(NamedTuple):
    """How the page looks to somebody."""

    theme: str
    lang: str
    narrow: bool

    def __str__(self) -> str:
        return f"{self.theme}-{self.lang}{'-mobile' * self.narrow}"


GRID = tuple(
    Look(theme, lang, narrow)
    for narrow in (False, True)
    for lang in ("en", "es")
    for theme in ("dark", "light")
)
SOME_LOOKS = tuple(
    look for look in GRID if str(look) in ("dark-en", "light-es", "light-es-mobile", "dark-en-mobile")
)
"""Each theme, each language and each width, with each of the others."""


EACH_ONCE = tuple(look for look in GRID if look.theme == "dark")
"""Each language with each width: axe looks at both themes of a page."""
_AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
_FINDINGS = """async (themes) => {
  const still = new CSSStyleSheet();
  still.replaceSync("*, ::before, ::after { transition: none !important; }");
  document.adoptedStyleSheets.push(still);
  const found = [];
  for (const [at, theme] of themes.entries()) {
    document.documentElement.classList.toggle("dark", theme === "dark");
    const rules = at === 0 ? {} : { runOnly: ["color-contrast"] };
    const { violations } = await axe.run(document, { resultTypes: ["violations"], ...rules });
    for (const { id, nodes } of violations)
      for (const { html } of nodes) found.push(`${theme}: ${id}: ${html.slice(0, 160)}`);
  }
  document.documentElement.classList.toggle("dark", themes[0] === "dark");
  document.adoptedStyleSheets.pop();
  return found;
}"""


class ScreenshotSession:
    """Opens pages and takes screenshots of them; `only` names the wanted states, and an empty list means all.

    With `axe`, what that finds on each page is a complaint instead; `forced_colors` shows the pages as a system with
    few colours does.
    """

    def __init__(
        self,
        browser: Browser,
        out: Path,
        only: list[str],
        looks: tuple[Look, ...],
        complaints: list[str],
        *,
        axe: bool = False,
        forced_colors: bool = False,
    ) -> None:
        self.looks = looks
        self._axe = _AXE.read_text(encoding="utf-8") if axe else ""
        self._forced_colors: Literal["active", "none"] = "active" if forced_colors else "none"
        self._browser, self._out, self._only, self._complaints = browser, out, only, complaints

    @contextmanager
    def page(
        self, url: str, look: Look = GRID[0], *, guided: bool = True, script: str = "", **settings: object
    ) -> Iterator[Page]:
        width, height = NARROW if look.narrow else WIDE
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            locale={"en": "en-GB", "es": "es-ES"}[look.lang],
            has_touch=look.narrow,
            device_scale_factor=2 if look.narrow else 1,
            permissions=["microphone"],
            forced_colors=self._forced_colors,
            reduced_motion="reduce" if self._axe else "no-preference",
        )
        chosen = {
            "guided": guided,
            "theme": look.theme,
            "echoCancellation": False,
            "noiseSuppression": False,
            **settings,
        }
        kept = json.dumps(json.dumps(chosen))
        key = "prompter.settings"
        keep = f"localStorage.getItem('{key}') ?? localStorage.setItem('{key}', {kept})"
        context.add_init_script(f"if (location.protocol !== 'about:') {{ {keep}; {script} }}; {self._axe}")
        page = context.new_page()
        page.set_default_timeout(SETTLES_MS)
        page.on("console", lambda message: self._complain(message.type, message.text))
        page.on("pageerror", lambda error: self._complain("error", str(error)))
        page.goto(url)
        try:
            yield page
        finally:
            context.close()

    def pages(
        self, url: str, *, guided: bool = True, script: str = "", **settings: object
    ) -> Iterator[tuple[Page, Look]]:
        """A new page for each look."""
        for look in self.looks:
            with self.page(url, look, guided=guided, script=script, **settings) as page:
                yield page, look

    def take(self, state: "Callable[[ScreenshotSession, str], None]", url: str) -> None:
        """Take the screenshots of a state. One that is not reached is a complaint; the others go on."""
        if self._only and state.__name__ not in self._only:
            return
        try:
            state(self, url)
        except (AssertionError, Error) as error:
            self._complaints.append(f"{state.__name__}: not reached: {str(error).splitlines()[0]}")

    def shoot(self, page: Page, name: str, look: Look, pause_ms: int = 250) -> None:
        """Take one screenshot, or ask axe, after a pause for animations."""
        page.wait_for_timeout(pause_ms)
        if self._axe:
            themes = [look.theme, "light" if look.theme == "dark" else "dark"]
            found = page.evaluate(_FINDINGS, themes)
            print(f"{name}-{look}", *found, sep="\n  ", flush=True)  # it takes minutes
            self._complaints.extend(f"{name}-{look}: axe: {one}" for one in found)
            return
        page.screenshot(path=self._out / f"{name}-{look}.png")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self._complaints.append(f"{name}-{look}: {wide} px too wide")

    def shoot_whole(self, page: Page, name: str, look: Look) -> None:
        """Take one screenshot of all that the page scrolls, on a screen as high as that."""
        width, height = NARROW if look.narrow else WIDE
        box = "document.querySelector('main .overflow-y-auto')"
        more = page.evaluate(f"{box}.scrollHeight - {box}.clientHeight")
        page.set_viewport_size({"width": width, "height": height + more})
        self.shoot(page, name, look)
        page.set_viewport_size({"width": width, "height": height})

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._complaints.append(text)


@contextmanager
def open_session(
    out: Path,
    recording: Path,
    only: list[str],
    looks: tuple[Look, ...],
    complaints: list[str],
    *,
    axe: bool = False,
    forced_colors: bool = False,
) -> Iterator[ScreenshotSession]:
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        raise RuntimeError("no Chromium here; install it (Debian: apt install chromium)")
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with sync_playwright() as playwright:
        microphone = f"--use-file-for-fake-audio-capture={recording}%noloop"
        browser = playwright.chromium.launch(executable_path=path, args=[*fake, microphone])
        yield ScreenshotSession(browser, out, only, looks, complaints, axe=axe, forced_colors=forced_colors)
        browser.close()


def named(*names: str) -> re.Pattern[str]:
    """What begins with one of these: a name in both languages."""
    return re.compile(f"^({'|'.join(map(re.escape, names))})")


def join_recordings(target: Path, *names: str) -> Path:
    """Join recordings of samples/ (16 kHz), with short pauses between them."""
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(_PAUSE)  # a busy machine may open the microphone late
        for name in names:
            with wave.open(str(ROOT / "samples" / f"{name}.wav")) as sample:
                file.writeframes(sample.readframes(sample.getnframes()))
            file.writeframes(_PAUSE)
    return target
