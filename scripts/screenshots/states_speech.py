"""States of dictation and hands-free: each function brings pages there and takes the screenshots."""

import re

from model import SLOW
from playwright.sync_api import Page, expect
from session import GRID, Look, ScreenshotSession, named
from speech import ScriptedSpeech
from states_chat import NEXT

NO_PERMISSION = (
    "void (navigator.mediaDevices.getUserMedia ="
    " async () => { throw new DOMException('', 'NotAllowedError') })"
)
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
QUESTION = """
navigator.mediaDevices.getUserMedia = () => new Promise(() => undefined);
navigator.permissions.query = async () => Object.assign(new EventTarget(), {state: 'prompt'});
"""
SILENCE = """
navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
"""
CALL = """(async () => {
  const context = kept.contexts.at(-1);
  context.resume = () => Promise.reject(new DOMException('a call', 'InvalidStateError'));
  await context.suspend();
})()"""
CALL_ENDS = "delete kept.contexts.at(-1).resume"
OTHER_PROGRAM = """
for (const track of kept.tracks) {
  Object.defineProperty(track, 'muted', {value: true, configurable: true});
  track.enabled = false;
  track.dispatchEvent(new Event('mute'));
}
"""
VOICE = """
const listeners = new Set();
let current = null;
window.SpeechSynthesisUtterance = class { constructor(text) { Object.assign(this, {text, lang: '', volume: 1}); } };
Object.defineProperty(window, 'speechSynthesis', {value: {
  paused: false, resume() {}, addEventListener() {}, removeEventListener() {},
  getVoices: () => ['en-GB', 'es-ES'].map((lang) => ({lang, name: lang, voiceURI: lang, localService: true})),
  speak(one) { current = one; one.onstart?.(); },
  cancel() { current = null; },
}});
"""
"""A voice that begins, and does not come to an end."""
BEGUN = {"en": "Turn this list into ", "es": "Convierte esta lista en "}
GOES_ON = {"en": "tasks for", "es": "tareas para"}
FINAL = {
    "en": ("Turn this list into tasks for Ines: paint, brushes, ladder.", "Ines:"),
    "es": ("Convierte esta lista en tareas para Inés: pintura, brochas, escalera.", "Inés:"),
}
"""What is understood at the end, and its word that is doubted."""


HOLD_RING = """
for (const ring of document.getAnimations().filter(({animationName}) => animationName === 'countdown')) {
  ring.pause();
  ring.currentTime = 0.4 * ring.effect.getComputedTiming().duration;
}
"""


def dictate(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^(Dictate|Dictar)$")).click()


def dictate_no_more(page: Page) -> None:
    """Stop, and wait until the last words are there."""
    page.get_by_role("button", name=named("Stop dictating", "Dejar de dictar")).click()
    reach(page, "idle")


def reach(page: Page, state: str) -> None:
    page.locator(f"[data-testid=dictation-state][data-state={state}]").wait_for(state="attached")


def says(page: Page, *texts: str) -> None:
    """Wait for the line below the field."""
    expect(page.get_by_test_id("dictation-state")).to_contain_text(
        re.compile("|".join(map(re.escape, texts)))
    )


def dictating(session: ScreenshotSession, url: str) -> None:
    """Words as they come, the final ones, one of which is doubted, and the microphone muted."""
    for page, look in session.pages("about:blank", showsTiming=True):
        speech = start_scripted(page, url)
        speech.speak(BEGUN[look.lang] + GOES_ON[look.lang], BEGUN[look.lang])
        page.locator("[data-kind=unstable]:not(:empty)").wait_for()
        session.shoot(page, "dictating", look, 1500)
        text, doubted = FINAL[look.lang]
        speech.finish(text, doubted)
        page.get_by_test_id("receipt").wait_for()
        page.get_by_test_id("receipt").hover()
        session.shoot(page, "dictated", look)
        page.mouse.move(5, 5)  # what the receipt shows lies over the buttons
        page.get_by_role("button", name=named("Mute", "Silenciar")).click()
        session.shoot(page, "muted", look)


def asking_on(session: ScreenshotSession, url: str) -> None:
    """A dictation below a conversation: the first picture of the README."""
    with session.page("about:blank") as page:
        speech = start_scripted(page, url)
        page.locator("table").wait_for()
        speech.speak("And now write it with a linked list in each ", "And now write it with a linked ")
        page.locator("[data-kind=unstable]:not(:empty)").wait_for()
        session.shoot(page, "asking-on", GRID[0], 2500)


def start_scripted(page: Page, url: str) -> ScriptedSpeech:
    """Dictate to a server whose events are sent here: no state is missed on a busy machine."""
    speech = ScriptedSpeech(page)
    page.goto(url)
    dictate(page)
    reach(page, "listening")
    return speech


def reconnecting(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages("about:blank"):
        speech = start_scripted(page, url)
        speech.speak(BEGUN[look.lang] + GOES_ON[look.lang], BEGUN[look.lang])
        page.locator("[data-kind=unstable]:not(:empty)").wait_for()
        speech.cut()
        reach(page, "reconnecting")
        session.shoot(page, "reconnecting", look, 100)


def awaiting(session: ScreenshotSession, url: str) -> None:
    """What a dictation waits for, as the server tells it, and what it says of the sound."""
    for page, look in session.pages("about:blank"):
        ScriptedSpeech(page, loads=True)
        page.goto(url)
        dictate(page)
        says(page, "Loading the speech model", "Cargando el modelo de voz")
        session.shoot(page, "awaiting-engine", look)
    for page, look in session.pages("about:blank"):
        speech = start_scripted(page, url)
        speech.speak(BEGUN[look.lang] + GOES_ON[look.lang], BEGUN[look.lang])
        speech.send("speech_stopped", utterance_id=1, end_ms=1)
        for kind, more in (
            ("decoding", {}),
            ("queued", {"place": 2}),
            ("catching_up", {"backlog_ms": 40_000}),
        ):
            speech.wait(kind, **more)  # type: ignore[arg-type]  # one of its fields each
            session.shoot(page, f"awaiting-{kind.replace('_', '-')}", look, 900)
        speech.wait("decoding", degraded=True, partials="off")
        speech.finish(BEGUN[look.lang] + GOES_ON[look.lang])
        speech.send("status", state=None, place=None, backlog_ms=0, degraded=False, partials="on", hint=None)
        speech.speak("mm")
        speech.send("utterance_discarded", utterance_id=2, reason="too_quiet")
        says(page, "Very quiet", "muy bajo")
        session.shoot(page, "too-quiet", look)


def microphone(session: ScreenshotSession, url: str) -> None:
    """What the page says of a microphone that gives no sound."""
    for page, look in session.pages(url, script=QUESTION):
        dictate(page)
        says(page, "Allow", "Permite")
        session.shoot(page, "microphone-asked", look)
    for page, look in session.pages(url, script=SILENCE):
        dictate(page)
        says(page, "No sound comes from", "ningún sonido")
        session.shoot(page, "microphone-silent", look)
    for page, look in session.pages("about:blank", script=KEEPS):
        start_scripted(page, url)
        page.wait_for_timeout(1500)
        page.evaluate(CALL)
        says(page, "paused recording", "ha pausado")
        session.shoot(page, "microphone-suspended", look)
        page.evaluate(CALL_ENDS)
        says(page, "heard now", "se te oye")
        session.shoot(page, "microphone-recovered", look)
        page.evaluate(OTHER_PROGRAM)
        says(page, "muted outside", "fuera de esta página")
        session.shoot(page, "microphone-muted", look)
        page.evaluate("kept.tracks.forEach((track) => track.stop())")
        page.get_by_role("alert").wait_for()
        session.shoot(page, "microphone-lost", look)
    for page, look in session.pages(url, script=NO_PERMISSION):
        dictate(page)
        page.get_by_role("alert").wait_for()
        session.shoot(page, "microphone-refused", look)


def hands_free(session: ScreenshotSession, url: str) -> None:
    """It listens, the pause runs, the answer comes, and it is read aloud."""
    for page, look in session.pages("about:blank", script=VOICE):
        speech = begin_hands_free(page, look, session, url)
        speech.finish(SLOW[look.lang])
        page.get_by_text(re.compile("pine woods|pinar")).wait_for()
        turn(page, "answering")
        session.shoot(page, "hands-free-answering", look)
        speech.speak(NEXT[look.lang][0])
        speech.finish(NEXT[look.lang][0])
        turn(page, "due")
        session.shoot(page, "hands-free-due", look)
    for page, look in session.pages("about:blank", script=VOICE, readsAloud=True, echoCancellation=True):
        speech = begin_hands_free(page, look, None, url)
        speech.finish(SLOW[look.lang])
        page.get_by_role("button", name=named("Stop reading", "Dejar de leer")).wait_for()
        session.shoot(page, "hands-free-reading", look)
    for page, look in session.pages("about:blank"):
        speech = begin_hands_free(page, look, None, url)
        page.context.route("**/api/**", lambda route: route.abort())
        speech.finish(SLOW[look.lang])
        page.get_by_role("alert").first.wait_for()
        session.shoot(page, "hands-free-ended", look)


def begin_hands_free(page: Page, look: Look, session: ScreenshotSession | None, url: str) -> ScriptedSpeech:
    """Hands-free until the pause after the first words; with screenshots where there is a session."""
    speech = ScriptedSpeech(page)
    page.goto(url)
    page.get_by_role("button", name=named("Hands-free", "Manos libres")).click()
    reach(page, "listening")
    page.wait_for_timeout(2500)  # the meter shows the last seconds
    if session:
        session.shoot(page, "hands-free-listening", look)
    speech.speak(SLOW[look.lang], SLOW[look.lang][:24])
    speech.pause(SLOW[look.lang])
    if session:
        page.get_by_test_id("countdown").wait_for()
        page.evaluate(HOLD_RING)
        session.shoot(page, "hands-free-pausing", look)
    return speech


def turn(page: Page, kind: str) -> None:
    texts = {
        "answering": named("Hands-free: you can", "Manos libres: puedes"),
        "due": named("Sent as soon as", "Se envía en cuanto"),
    }
    expect(page.get_by_test_id("hands-free")).to_contain_text(texts[kind])
