"""Heard again in the browser: a wrong language is mended in the draft; a dictation is played and compared."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.conftest import SAMPLES
from tests.fakes.engine import FakeEngine, FakeStream, Script
from tests.support.server import serve_engine

pytestmark = BROWSER

SPEECH = SAMPLES / "es_correo_jefe_16k.wav"
WRONG = "Send the cereal."
RIGHT = "Manda el correo."
OFFER = "Not right? Hear it again with…"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def speech_server(built_page: None) -> Iterator[str]:
    """An engine that hears Spanish only where it is told to."""

    def hear(stream: FakeStream) -> str:
        session = next(one for one in engine.sessions if stream in one.streams)
        return RIGHT if session.config.lang == "es" else WRONG

    engine = FakeEngine(Script(final=hear, languages=("en", "es"), models=("small",)))
    with serve_engine(engine) as served:
        yield served.url


def whole(text: str) -> re.Pattern[str]:
    """The text, as often as the recording was said: the browser begins it again."""
    return re.compile(rf"^(?:{re.escape(text)} ?)+$")


async def dictate(app: Any) -> None:
    await app.button("Dictate").click()
    await app.in_state("listening")
    await expect(app.page.get_by_test_id("heard")).to_have_text(WRONG)
    await app.button("Stop dictating").click()
    await app.in_state("idle")


async def hear_again(app: Any) -> Any:
    """Choose Spanish in the dialog, and wait for the text; the dialog."""
    dialog = app.page.get_by_role("dialog")
    await dialog.get_by_role("combobox", name="Spoken language").select_option("es")
    await dialog.get_by_role("button", name="Hear it again", exact=True).click()
    await expect(dialog.get_by_role("region", name="Now")).to_have_text(re.compile(re.escape(RIGHT)))
    return dialog


async def test_a_wrong_language_is_mended_in_the_draft(open_page: OpenPage, speech_server: str) -> None:
    """Dictate → "Not right?" → in Spanish → replaced → undo → again; an edited text is not offered to be replaced."""
    app = await open_page(speech_server, says=SPEECH, settings={"spokenLangs": ["en"]}, axe=True)
    await dictate(app)
    await expect(app.composer).to_have_value(whole(WRONG))
    await app.button(OFFER).click()
    dialog = await hear_again(app)
    assert await app.findings() == []
    await dialog.get_by_role("button", name="Replace what came from this dictation").click()
    await expect(dialog).to_have_count(0)
    await expect(app.composer).to_have_value(whole(RIGHT))
    await expect(app.composer).to_be_focused()
    await app.page.keyboard.press("Control+z")
    await expect(app.composer).to_have_value(whole(WRONG))
    await expect(app.button(OFFER)).to_be_visible()
    await app.page.keyboard.press("Control+Shift+z")
    await expect(app.composer).to_have_value(whole(RIGHT))
    await app.composer.press("Home")
    await app.type("x")
    await expect(app.button(OFFER)).to_have_count(0)


async def test_its_page_plays_compares_and_deletes_the_sound(open_page: OpenPage, speech_server: str) -> None:
    """By a finger, at 360 px: play, hear again, both texts, back to the first one, delete the sound alone."""
    app = await open_page(speech_server, says=SPEECH, settings={"spokenLangs": ["en"]}, axe=True, **PHONE)
    await dictate(app)
    await expect(app.button(OFFER)).to_be_visible()
    await app.page.goto(f"{app.url}/#/dictations")
    row = app.page.get_by_role("link", name=re.compile(re.escape(WRONG))).first
    await expect(row).to_contain_text("With its sound until")
    await row.click()
    await app.button("Play the sound").click()
    await expect(app.page.locator("audio")).to_be_visible()
    await expect(app.page.locator("[data-spoken=true]")).to_have_count(1)
    await app.button("Hear it again with…").click()
    dialog = await hear_again(app)
    assert (await app.findings(), await app.small_targets(), await app.sideways()) == ([], [], [])
    await dialog.get_by_role("button", name="Close").last.click()
    versions = app.page.get_by_role("region", name="What was understood")
    await expect(versions.locator("mark").first).to_be_visible()
    assert (await app.findings(), await app.sideways()) == ([], [])
    await versions.get_by_role("button", name="Show this one").click()
    await expect(versions.get_by_role("region", name=re.compile("^English.*shown$"))).to_be_visible()
    await app.button("Delete the sound").click()
    await app.button("Delete for good?").click()
    await expect(app.button("Play the sound")).to_have_count(0)
    await expect(app.page.get_by_role("listitem").filter(has_text=WRONG).first).to_be_visible()
