"""What the page says of the microphone in a real browser: it listens only while sound comes in."""

from playwright.async_api import Page, expect

from tests.browser.conftest import BROWSER, OpenPage, microphone
from tests.browser.test_dictating import ENGLISH, LONG, said
from tests.browser.web_app import WebApp
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


async def keep(page: Page) -> None:
    await page.add_init_script(KEEPS)
    await page.reload()


async def speak(app: WebApp) -> None:
    """Dictate until something is heard."""
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("terminal")


async def test_the_browsers_question_is_told_until_it_is_answered(open_page: OpenPage) -> None:
    """Headless Chromium answers at once, so the test holds the answer back; that it will ask is its own word."""
    app = await open_page(switches=microphone(ENGLISH)[1:])  # no answer by itself
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


async def test_a_call_that_pauses_recording_is_told_and_its_end_too(open_page: OpenPage) -> None:
    """The audio context is suspended in mid speech, and does not run again before the call ends."""
    app = await open_page(says=LONG)
    await keep(app.page)
    await speak(app)
    await app.page.evaluate(f"(async () => {{ {CALL} }})()")
    await expect(app.state).to_contain_text("No sound comes in: the browser has paused recording")
    await app.page.evaluate(CALL_ENDS)
    await expect(app.state).to_have_text("You are heard now. Repeat what you said in the meantime")


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
    app = await open_page(switches=microphone(ENGLISH)[1:])
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
        await expect(app.state).to_have_text("The server does not answer. Trying again…")
        await expect(app.page.get_by_role("alert")).to_contain_text("The server does not answer")
        line.down = False
        await app.button("Try again").click()
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
        for kind in kinds:
            points = [point] if kind == "touchStart" else []
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

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
