"""A browser with a recording as its microphone, and screenshots of pages in it, by theme, language and width."""

import json
import shutil
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from server import ROOT

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = (1280, 800), (360, 740)
_PAUSE = bytes(2 * 16_000 // 3)  # a third of a second


class ScreenshotSession:
    """Opens pages and takes screenshots of them; `only` names the wanted states, and an empty list means all."""

    def __init__(self, browser: Browser, out: Path, only: list[str], complaints: list[str]) -> None:
        self._browser, self._out, self._only, self._complaints = browser, out, only, complaints

    @contextmanager
    def page(
        self, url: str, *, theme: str = "dark", lang: str = "en", narrow: bool = False, guided: bool = True
    ) -> Iterator[Page]:
        width, height = NARROW if narrow else WIDE
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            locale={"en": "en-GB", "es": "es-ES"}[lang],
            has_touch=narrow,
            device_scale_factor=2 if narrow else 1,
            reduced_motion="reduce",
            permissions=["microphone"],
        )
        settings = {
            "guided": guided,
            "theme": theme,
            "echoCancellation": False,
            "noiseSuppression": False,
            "showsTiming": True,
        }
        kept = json.dumps(json.dumps(settings))
        context.add_init_script(
            f"localStorage.getItem('prompter.settings') ?? localStorage.setItem('prompter.settings', {kept})"
        )
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: self._complain(message.type, message.text))
        page.on("pageerror", lambda error: self._complain("error", str(error)))
        page.goto(url)
        try:
            yield page
        finally:
            context.close()

    def take(self, state: "Callable[[ScreenshotSession, str], None]", url: str) -> None:
        if not self._only or state.__name__ in self._only:
            state(self, url)

    def shoot(self, page: Page, name: str, pause_ms: int = 250) -> None:
        """Take one screenshot, after a pause for animations."""
        page.wait_for_timeout(pause_ms)
        page.screenshot(path=self._out / f"{name}.png")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self._complaints.append(f"{name}: {wide} px too wide")

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._complaints.append(text)


@contextmanager
def open_session(
    out: Path, recording: Path, only: list[str], complaints: list[str]
) -> Iterator[ScreenshotSession]:
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        raise RuntimeError("no Chromium here; install it (Debian: apt install chromium)")
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with sync_playwright() as playwright:
        microphone = f"--use-file-for-fake-audio-capture={recording}%noloop"
        browser = playwright.chromium.launch(executable_path=path, args=[*fake, microphone])
        yield ScreenshotSession(browser, out, only, complaints)
        browser.close()


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
