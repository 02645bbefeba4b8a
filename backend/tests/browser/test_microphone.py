"""What the page says of the microphone in a real browser: it listens only while sound comes in."""

import re
import time
from pathlib import Path

from playwright.async_api import Page, expect

from app.utils.chunked_audio import make_wav
from tests.browser.browsers import get_microphone_switches
from tests.browser.conftest import BROWSER, IN_BOTH, IN_FIREFOX, OpenPage
from tests.browser.test_dictating import ENGLISH, LONG, said
from tests.browser.web_app import WebApp
from tests.conftest import read_wav
from tests.support.proxy import run_proxy

pytestmark = BROWSER

QUESTION = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const answered = new Promise((resolve) => (window.allow = resolve));
navigator.mediaDevices.getUserMedia = (wanted) => answered.then(() => ask(wanted));
"""
KEEPS = """
window.kept = {contexts: [], tracks: []};
const Original = AudioContext;
window.AudioContext = class extends Original {
  constructor(...options) { super(...options); kept.contexts.push(this); }
};
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  kept.tracks.push(...stream.getAudioTracks());
  return stream;
};
"""
"""Keeps what the page opens, for a script that acts as a call or as another program."""
CALL = """
const context = kept.contexts.at(-1);
context.resume = () => Promise.reject(new DOMException('a call', 'InvalidStateError'));
await context.suspend();
"""
CALL_ENDS = "delete kept.contexts.at(-1).resume"
MUTE = """(isMuted) => {
  for (const track of kept.tracks) {
    Object.defineProperty(track, 'muted', {value: isMuted, configurable: true});
    track.enabled = !isMuted;
    track.dispatchEvent(new Event(isMuted ? 'mute' : 'unmute'));
  }
}"""


SHOWN = """
window.shown = [];
new MutationObserver(() => {
  const text = document.querySelector('[data-testid=dictation-state]')?.textContent ?? '';
  if (text !== shown.at(-1)) shown.push(text);
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
"""Keeps every text of the line of state."""


async def keep(page: Page) -> None:
    await page.add_init_script(KEEPS)
    await page.reload()


async def speak(app: WebApp) -> None:
    """Dictate until something is heard."""
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("terminal")


async def test_the_browsers_question_is_told_until_it_is_answered(open_page: OpenPage) -> None:
    """Headless Chromium answers at once, so the test holds the answer back; that it will ask is its own word."""
    app = await open_page(switches=get_microphone_switches(ENGLISH)[1:])  # no answer by itself
    await app.page.add_init_script(QUESTION)
    await app.page.reload()
    async with app.page.expect_websocket() as opened:
        await app.button("Dictate").click()
    socket = await opened.value
    await socket.wait_for_event("framereceived")  # the server is ready
    await expect(app.state).to_have_text("Allow the microphone when your browser asks")
    await app.in_state("opening")
    await app.page.context.grant_permissions(["microphone"])
    await app.page.evaluate("allow()")
    await app.in_state("listening")
    await expect(app.composer).to_have_value(said(ENGLISH))


async def test_a_microphone_that_wakes_up_is_waited_for_and_heard_from_its_first_word(
    open_page: OpenPage, tmp_path: Path
) -> None:
    """A wireless headset gives zeros until it is awake."""
    samples, rate_hz = read_wav(ENGLISH)
    waking = tmp_path / "waking.wav"
    waking.write_bytes(make_wav(bytes(4 * rate_hz) + samples.tobytes(), rate_hz))
    app = await open_page(says=waking, settings={"noiseSuppression": False}, script=SHOWN)
    async with app.page.expect_websocket() as opened:
        await app.button("Dictate").click()
    socket = await opened.value
    for _ in range(8):  # most of a second of what it gives
        await socket.wait_for_event("framesent", lambda payload: isinstance(payload, bytes))
    await expect(app.state).to_have_text("Waiting for the microphone…")
    await app.in_state("listening")
    await expect(app.composer).to_have_value(said(ENGLISH))
    shown = await app.page.evaluate("shown")
    assert shown.index("Waiting for the microphone…") < shown.index("Listening")


@IN_BOTH
async def test_a_call_that_pauses_recording_is_told_and_its_end_too(open_page: OpenPage) -> None:
    """The audio context is suspended in mid speech, and does not run again before the call ends."""
    app = await open_page(says=LONG)
    await keep(app.page)
    await speak(app)
    await app.page.evaluate(f"(async () => {{ {CALL} }})()")
    await expect(app.state).to_contain_text("No sound comes in: the browser has paused recording")
    await app.page.evaluate(CALL_ENDS)
    await expect(app.state).to_have_text("You are heard now. Repeat what you said in the meantime")


@IN_FIREFOX
async def test_without_a_sound_output_it_never_says_that_it_listens(open_page: OpenPage) -> None:
    """Firefox runs no audio context then, until it is started again. That is said, and what is typed can be sent."""
    app = await open_page(says=ENGLISH, has_sound_output=False, script=SHOWN)
    await app.button("Dictate").click()
    await expect(app.state).to_contain_text("No sound comes in: the browser has paused recording")
    await expect(app.state).to_contain_text("connect speakers or headphones and restart the browser")
    await app.button("Stop dictating").click()
    await app.in_state("idle")
    assert "Listening" not in await app.page.evaluate("shown")
    await app.ask("typed instead")
    await app.has_answered()
    await expect(app.composer).to_have_value("")


@IN_BOTH
async def test_muting_ends_what_is_being_said(open_page: OpenPage) -> None:
    """It becomes final, as after a pause. Afterwards the page listens again, and finds no fault with the microphone."""
    app = await open_page(says=LONG, script=SHOWN)
    await speak(app)
    await app.button("Mute the microphone").click()
    await expect(app.state).to_have_text("Muted")
    await expect(app.page.get_by_test_id("heard")).to_contain_text("terminal")
    await app.button("Unmute the microphone").click()
    await expect(app.state).to_have_text(re.compile("Listening|Hearing you"))
    assert not [text for text in await app.page.evaluate("shown") if text.startswith("No sound")]


async def test_another_program_that_mutes_is_told_and_its_end_too(open_page: OpenPage) -> None:
    app = await open_page(says=LONG)
    await keep(app.page)
    await speak(app)
    await app.page.evaluate(MUTE, True)
    await expect(app.state).to_contain_text("muted outside this page")
    await app.page.evaluate(MUTE, False)
    await expect(app.state).to_have_text("You are heard now. Repeat what you said in the meantime")


async def test_a_track_that_ends_without_a_word_is_told(open_page: OpenPage) -> None:
    """What was said before it stands in the field."""
    app = await open_page(says=ENGLISH)
    await keep(app.page)
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("weather")
    await app.page.evaluate("kept.tracks.forEach((track) => track.stop())")
    await expect(app.page.get_by_role("alert")).to_contain_text("The microphone is gone")
    assert "weather" in await app.composer.input_value()


async def test_a_permission_that_is_taken_back_is_told_as_that(open_page: OpenPage) -> None:
    app = await open_page(switches=get_microphone_switches(ENGLISH)[1:])
    await app.page.context.grant_permissions(["microphone"])
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("weather")
    await app.page.context.clear_permissions()
    await expect(app.page.get_by_role("alert")).to_contain_text("may no longer use the microphone")
    assert "weather" in await app.composer.input_value()


async def test_the_first_press_without_a_server_says_that(open_page: OpenPage, web_server: str) -> None:
    """The recorder is there: it came with the page. No word of a browser that cannot record."""
    async with run_proxy(web_server) as line:
        app = await open_page(line.url, says=ENGLISH)
        app.expect_trouble("WebSocket connection|Failed to load resource|ERR_")
        await app.page.wait_for_load_state("networkidle")
        line.down = True
        line.cut()
        await app.button("Dictate").click()
        await expect(app.state).to_have_text(re.compile("^Not connected: recording here"))
        await expect(app.page.get_by_role("alert")).to_have_count(0)
        line.down = False
        await app.in_state("listening")


async def test_after_a_held_key_the_caret_is_in_the_field(open_page: OpenPage) -> None:
    """The focus was on the page: click on an answer, hold the key, speak, let go, Enter."""
    app = await open_page(says=ENGLISH)
    await app.ask("First of all")
    await app.has_answered()
    await app.answers.click()
    await expect(app.composer).not_to_be_focused()
    await app.page.keyboard.down("Space")
    await expect(app.page.get_by_test_id("heard")).to_have_text(said(ENGLISH))
    await app.page.keyboard.up("Space")
    await app.in_state("idle")
    await app.page.keyboard.press("Enter")
    await expect(app.mine.last).to_contain_text(said(ENGLISH))


async def test_a_finger_on_the_microphone_records_at_once(open_page: OpenPage) -> None:
    """Held, it ends on lifting, and the words are whole; after a short touch it listens on until the next."""
    viewport = {"width": 360, "height": 740}
    app = await open_page(says=ENGLISH, has_touch=True, is_mobile=True, viewport=viewport)
    box = await app.button("Dictate").bounding_box()
    assert box is not None
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    finger = await app.page.context.new_cdp_session(app.page)

    async def touch(*kinds: str) -> None:
        """As quickly as a finger, by the time of its events: a busy machine is later, and would make it a hold."""
        now_s = time.time()
        for at, kind in enumerate(kinds):
            points = [point] if kind == "touchStart" else []
            event = {"type": kind, "touchPoints": points, "timestamp": now_s + at * 0.05}
            await finger.send("Input.dispatchTouchEvent", event)

    await touch("touchStart")
    await app.in_state("listening")
    await expect(app.page.get_by_test_id("heard")).to_have_text(said(ENGLISH))
    await touch("touchEnd")
    await app.in_state("idle")
    await expect(app.composer).to_have_value(said(ENGLISH))

    await touch("touchStart", "touchEnd")
    await app.in_state("listening")
    await touch("touchStart", "touchEnd")
    await app.in_state("idle")
