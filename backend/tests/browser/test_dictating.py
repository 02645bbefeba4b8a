"""Dictating in the browser: a recording is the microphone, and what it says comes to stand in the composer."""

import wave
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, IN_BOTH, OpenPage
from tests.conftest import SAMPLES, read_wav
from tests.fakes.engine import FakeEngine, Script
from tests.fakes.paced_upstream import make_pieces
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.command import run_server_process_at
from tests.support.proxy import run_proxy
from tests.support.server import serve_engine

pytestmark = BROWSER

ENGLISH = SAMPLES / "en_weather_madrid_48k.wav"
SPANISH = SAMPLES / "es_correo_jefe_16k.wav"
LONG = SAMPLES / "en_two_requests_16k.wav"
TRIES = 5
"""How often the page asks for a server that is not there: it is 3 s until then, and 5 s until the next."""
DENIED = ("--use-fake-ui-for-media-stream=deny", "--use-fake-device-for-media-stream")
SLOW_S = 4.0
"""How long an engine takes for a final on a machine that is much too small for it."""
NO_DEVICE = ("--use-fake-ui-for-media-stream", "--disable-audio-input")


def said(path: Path) -> str:
    return path.with_suffix(".txt").read_text(encoding="utf-8").strip()


@IN_BOTH
@pytest.mark.parametrize("recording", [ENGLISH, SPANISH], ids=["english", "spanish"])
async def test_speak_see_fix_send(open_page: OpenPage, recording: Path) -> None:
    """Dictate → the text appears → edit → send → the answer streams → reload → still there."""
    app = await open_page(says=recording, settings={"showsTiming": True})
    await app.button("Dictate").click()
    await app.in_state("listening")
    pieces = app.page.get_by_test_id("composer-pieces")
    await expect(pieces.locator("[data-kind=unstable], [data-kind=stable]").first).to_be_visible()
    await expect(app.page.get_by_test_id("heard")).to_have_text(said(recording))
    await expect(app.composer).to_have_value(said(recording))
    await app.button("Stop dictating").click()
    await app.in_state("idle")
    await expect(app.page.get_by_test_id("receipt")).to_be_visible()

    prompt = f"{said(recording)} And be brisk"
    await app.composer.press("End")
    await app.type(" And be brisk")
    await app.composer.press("Enter")
    await expect(app.composer).to_have_value("")
    await expect(app.mine).to_contain_text(prompt)
    pieces_of_answer = make_pieces(prompt)
    await expect(app.answers).to_contain_text("«3»")
    assert await app.answers.get_attribute("aria-busy") == "true", "it shows while it comes"
    await app.has_answered()
    await expect(app.answers).to_contain_text("".join(pieces_of_answer))

    await app.page.reload()
    await expect(app.mine).to_contain_text(prompt)
    await expect(app.answers).to_contain_text("".join(pieces_of_answer))
    await expect(app.conversation(prompt[:40])).to_have_count(0)  # its title is the server's own
    await expect(app.page.get_by_role("navigation").get_by_role("link").first).to_contain_text(prompt[:12])


@IN_BOTH
async def test_a_key_is_held_to_speak(open_page: OpenPage) -> None:
    """Space in the empty composer; letting go finishes, and no space is written."""
    app = await open_page(says=ENGLISH)
    await expect(app.composer).to_be_focused()
    await app.page.keyboard.down("Space")
    await app.in_state("listening")
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("today")
    await expect(app.state).to_have_text("Listening")  # the model guesses words before they are said
    await app.page.keyboard.up("Space")
    await app.in_state("idle")
    await expect(app.composer).to_have_value(said(ENGLISH))


@IN_BOTH
async def test_send_waits_for_the_last_words(open_page: OpenPage) -> None:
    """Enter while the last words are still being understood sends all of them."""
    app = await open_page(says=ENGLISH)
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("weather like")
    await expect(app.state).to_have_text("Listening")  # it was speech, and is silence
    await app.composer.press("Enter")
    await expect(app.mine).to_contain_text(said(ENGLISH))
    await app.in_state("idle")
    await expect(app.composer).to_have_value("")


async def test_send_waits_for_a_slow_engine(open_page: OpenPage) -> None:
    """Enter at the end of speech, where nothing stands in the field yet, sends what the engine writes at last."""
    with serve_engine(FakeEngine(Script(delays_s={"finish": SLOW_S}))) as served:
        app = await open_page(served.url, says=ENGLISH)
        await app.button("Dictate").click()
        await expect(app.state).to_have_text("Writing…")
        await app.composer.press("Enter")
        await expect(app.button("Waiting for the last words…")).to_be_visible()
        await expect(app.mine).to_contain_text("heard")
        await app.in_state("idle")
        await expect(app.composer).to_have_value("")


@IN_BOTH
async def test_what_was_typed_is_left_alone(open_page: OpenPage) -> None:
    """Before the words and behind them, while they come; undo takes back typing, then the utterance as a whole."""
    question = said(ENGLISH).replace("What", "what")  # it goes on with the sentence
    app = await open_page(says=ENGLISH)
    await app.type("So ")
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("what")
    await app.composer.press("Control+Home")
    await app.type("Tell me. ")
    await expect(app.page.get_by_test_id("heard")).to_have_text(said(ENGLISH))
    await expect(app.composer).to_have_value(f"Tell me. So {question}")
    await app.button("Stop dictating").click()
    await app.in_state("idle")
    for _ in "Tell me. ":  # a word at a time, or less where words came between
        if (await app.composer.input_value()).startswith("So"):
            break
        await app.composer.press("Control+z")
    await expect(app.composer).to_have_value(f"So {question}")
    await app.button("Take back what you said last").click()
    await expect(app.composer).to_have_value("So ")


@IN_BOTH
async def test_a_draft_survives_a_reload(open_page: OpenPage) -> None:
    """What was dictated and typed stands there again in its own conversation, until it is sent."""
    app = await open_page(says=ENGLISH)
    await app.ask("First of all")
    await app.has_answered()
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("heard")).to_have_text(said(ENGLISH))
    await app.page.reload()  # in the middle of the dictation
    await expect(app.composer).to_have_value(said(ENGLISH))
    await app.page.get_by_role("link", name="New conversation").first.click()
    await expect(app.composer).to_have_value("")
    await app.page.go_back()
    await expect(app.composer).to_have_value(said(ENGLISH))
    await app.composer.press("Enter")
    await expect(app.mine).to_have_count(2)
    await app.has_answered()  # a reload before it has arrived gives it back to the field
    await app.page.reload()
    await expect(app.mine).to_have_count(2)
    await expect(app.composer).to_have_value("")


async def test_without_a_sound_it_says_so(open_page: OpenPage, tmp_path: Path) -> None:
    """A microphone that is switched off gives zeros."""
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000))
    app = await open_page(says=silence)
    await app.button("Dictate").click()
    await expect(app.state).to_contain_text("No sound comes from the microphone")
    await app.button("Mute the microphone").click()
    await expect(app.state).to_have_text("Muted")


@pytest.mark.parametrize(("gain", "processing"), [(-1, False), (0, False), (-1, True)])
async def test_no_channel_of_a_microphone_cancels_another(
    open_page: OpenPage, tmp_path: Path, gain: int, processing: bool
) -> None:
    """The right one is inverted or silent. Where Chromium processes the sound it averages the channels before."""
    voice, rate_hz = read_wav(ENGLISH)
    stereo = tmp_path / "stereo.wav"
    with wave.open(str(stereo), "wb") as file:
        file.setparams((2, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(np.stack([voice, gain * voice], axis=1).astype(np.int16).tobytes())
    settings: dict[str, object] = {"echoCancellation": processing, "noiseSuppression": processing}
    app = await open_page(says=stereo, settings=settings)
    await app.button("Dictate").click()
    await expect(app.composer).to_have_value(said(ENGLISH))


async def test_a_lost_connection_loses_no_word(open_page: OpenPage, web_server: str) -> None:
    """It breaks off in the middle of a sentence and comes back in the middle of the next; the text is whole."""
    async with run_proxy(web_server) as line:
        app = await open_page(line.url, says=LONG)
        app.expect_trouble("WebSocket connection|Failed to load resource|ERR_")
        await app.button("Dictate").click()
        await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("terminal")
        line.down = True
        tries = count(1)
        async with app.page.expect_websocket(lambda _: next(tries) == TRIES):
            line.cut()
            await app.in_state("reconnecting")
            await expect(app.state).to_contain_text("Not connected: recording here")
        line.down = False
        await app.in_state("listening")
        await expect(app.composer).to_have_value(said(LONG))


async def test_a_server_that_is_killed_loses_no_word(
    open_page: OpenPage, tmp_path: Path, reserved_port: int
) -> None:
    """`kill -9` in the middle of a sentence: it stands there once, as does what was typed before and meanwhile."""
    settings = {
        "PROMPTER_STT__PROVIDER": "whisper_local",
        "PROMPTER_STT__WHISPER_LOCAL__MODEL": str(SAMPLES_CHECKPOINT),
    }
    async with run_server_process_at(reserved_port, tmp_path, **settings) as server:
        app = await open_page(server.url, says=LONG)
        app.expect_trouble("WebSocket connection|Failed to load resource|ERR_")
        await app.type("To do. ")
        await app.button("Dictate").click()
        await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("Tell me")
        server.kill()
    await app.in_state("reconnecting")
    await app.composer.press("Control+Home")
    await app.type("Now. ")
    async with run_server_process_at(reserved_port, tmp_path, **settings) as server:
        await app.in_state("listening")
        await expect(app.composer).to_have_value(f"Now. To do. {said(LONG)}")
        await app.button("Stop dictating").click()
        await app.in_state("idle")
        await expect(app.composer).to_have_value(f"Now. To do. {said(LONG)}")
        async with server.client() as client:
            [dictation] = (await client.get("/api/dictations")).json()
            finals = (await client.get(f"/api/dictations/{dictation['id']}")).json()["items"]
        assert " ".join(final["text"] for final in finals) == said(LONG)


@pytest.mark.parametrize(
    ("switches", "words"),
    [(DENIED, "may not use the microphone"), (NO_DEVICE, "no microphone")],
    ids=["denied", "no device"],
)
async def test_without_a_microphone_it_says_what_to_do(
    open_page: OpenPage, switches: tuple[str, ...], words: str
) -> None:
    app = await open_page(switches=switches)
    app.expect_trouble("WebSocket is closed before the connection is established")  # nobody needs it any more
    await app.button("Dictate").click()
    notice = app.page.get_by_role("alert")
    await expect(notice).to_contain_text(words)
    await expect(notice.get_by_role("button", name="Try again")).to_be_visible()
    await app.button("Close").click()
    await expect(notice).to_have_count(0)
    await app.type("typing works without")
    await expect(app.composer).to_have_value("typing works without")
