"""Hands-free in the browser: one press listens, sends after the pause, reads the answer aloud, and listens again."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.conftest import SAMPLES
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.fakes.upstream import chat_reply

pytestmark = BROWSER

ENGLISH = SAMPLES / "en_weather_madrid_48k.wav"
SPANISH = SAMPLES / "es_correo_jefe_16k.wav"
START = re.compile("^Hands-free: listen")
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
# A voice that takes 10 ms a character and notes what it says; as in Chromium, voices arrive late, and a text that is
# given right after a cancel is lost.
FAKE_VOICE = """
const said = [];
let current = null, isDeaf = false, voices = [];
const listeners = new Set();
const newVoice = (lang) => ({ lang, name: `Fake ${lang}`, voiceURI: lang, default: false, localService: true });
setTimeout(() => {
  voices = ['en-US', 'es-ES'].map(newVoice);
  listeners.forEach((listener) => listener());
}, 300);
window.SpeechSynthesisUtterance = class {
  constructor(text) { Object.assign(this, { text, lang: '', voice: null, volume: 1 }); }
};
Object.defineProperty(window, 'speechSynthesis', { value: {
  paused: false,
  getVoices: () => voices,
  addEventListener: (_, listener) => listeners.add(listener),
  removeEventListener: (_, listener) => listeners.delete(listener),
  resume() {},
  speak(one) {
    if (isDeaf || one.volume === 0) return;
    current = one;
    said.push(`${one.voice?.lang}: ${one.text}`);
    document.documentElement.dataset.said = said.join('\\n');
    one.onstart?.();
    setTimeout(() => current === one && (current = null, one.onend?.()), 10 * one.text.length);
  },
  cancel() {
    current = null;
    isDeaf = true;
    setTimeout(() => { isDeaf = false; }, 50);
  },
} });
"""


def said(path: Path) -> str:
    return path.with_suffix(".txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize(
    ("browser_name", "device"),
    [("chromium", {}), ("chromium", PHONE), ("firefox", {})],
    ids=["desk", "phone", "desk-firefox"],
)
async def test_one_press_and_the_conversation_goes_on(open_page: OpenPage, device: dict[str, object]) -> None:
    """Two requests with a pause between them are two messages with two answers; then it listens still."""
    app = await open_page(says=SAMPLES / "en_two_requests_16k.wav", **device)
    start = app.page.get_by_role("button", name=START)
    await (start.tap() if device else start.click())
    await app.in_state("listening")
    await expect(app.mine).to_have_count(2)
    first, second = re.findall(r"[^.]+\.", said(SAMPLES / "en_two_requests_16k.wav"))
    await expect(app.mine.first).to_contain_text(first)
    await expect(app.mine.last).to_contain_text(second.strip())
    await expect(app.answers).to_have_count(2)
    await app.has_answered()
    await app.in_state("listening")
    await expect(app.composer).to_have_value("")
    assert await app.overflow_px() == 0
    end = app.button("End hands-free")
    await (end.tap() if device else end.click())
    await app.in_state("idle")
    await expect(app.page.get_by_role("button", name=START)).to_be_visible()
    await expect(app.mine).to_have_count(2)


async def test_the_answer_is_read_aloud_in_its_language(
    open_page: OpenPage, upstream: ShowcaseUpstream
) -> None:
    """Spoken in Spanish to an English page; Markdown is not read, and code is named."""
    upstream.script.append(
        chat_reply("El **mar** es azul. Y está", " en calma.\n\n```python\nprint(1)\n```\n\nEs todo.")
    )
    app = await open_page(says=SPANISH, settings={"readsAloud": True}, script=FAKE_VOICE)
    await app.page.get_by_role("button", name=START).click()
    await expect(app.mine).to_contain_text(said(SPANISH))
    sentences = [
        "es-ES: El mar es azul.",
        "es-ES: Y está en calma.",
        "es-ES: Un bloque de código, python.",
        "es-ES: Es todo.",
    ]
    await expect(app.page.locator("html")).to_have_attribute("data-said", "\n".join(sentences))
    await app.in_state("listening")


async def test_reading_stops_at_a_press(open_page: OpenPage, upstream: ShowcaseUpstream) -> None:
    """Without echo cancellation the microphone is off meanwhile, and the page says so."""
    upstream.script.append(chat_reply("This is a long sentence that is read for a while. " * 20))
    settings: dict[str, object] = {"readsAloud": True, "echoCancellation": False}
    app = await open_page(says=ENGLISH, settings=settings, script=FAKE_VOICE)
    await app.page.get_by_role("button", name=START).click()
    line = app.page.get_by_test_id("hands-free")
    await expect(line).to_contain_text("The microphone is off meanwhile")
    await app.has_answered()
    await app.button("Stop reading").click()
    await expect(line).to_contain_text("sent after each pause")
    await app.in_state("listening")
    await expect(app.button("Mute the microphone")).to_be_visible()  # it listens again
    said_by_then = await app.page.locator("html").get_attribute("data-said")
    assert said_by_then is not None
    assert len(said_by_then.splitlines()) < 20
    await app.page.keyboard.press("Escape")
    await app.in_state("idle")
