"""The whole way by keyboard alone: nothing here is clicked."""

from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.conftest import SAMPLES

pytestmark = BROWSER

SPEECH = SAMPLES / "en_weather_madrid_48k.wav"


async def test_the_first_visit_and_a_dictation(open_page: OpenPage) -> None:
    """Through the guide, to the microphone, speak, fix, send, stop listening."""
    app = await open_page(says=SPEECH, settings={"guided": False})
    press = app.page.keyboard.press
    for step in range(3):
        await expect(app.page.get_by_role("dialog")).to_contain_text(f"Step {step + 1} of 3")
        await app.tab_to(app.button("Next" if step < 2 else "Start speaking"))
        await press("Enter")
    await expect(app.page.get_by_role("dialog")).to_have_count(0)
    await app.tab_to(app.button("Dictate"))
    await press("Enter")
    text = SPEECH.with_suffix(".txt").read_text(encoding="utf-8").strip()
    await expect(app.page.get_by_test_id("heard")).to_have_text(
        text
    )  # guesses come before the words are said
    await expect(app.composer).to_have_value(text)
    await press("Space")  # the button has the focus, and stops
    await app.in_state("idle")
    await press("Tab")
    await app.tab_to(app.composer, "Shift+Tab")
    await press("End")
    await app.page.keyboard.type(" Tell me")
    await press("Enter")
    await expect(app.mine).to_contain_text(f"{text} Tell me")
    await app.has_answered()


async def test_a_conversation_and_its_place(open_page: OpenPage) -> None:
    """Ask, ask again, edit, rename, delete, undo, search, settings, the sheet of keys."""
    app = await open_page()
    press, type_ = app.page.keyboard.press, app.page.keyboard.type
    await expect(app.composer).to_be_focused()
    await type_("Keyboards only")
    await press("Enter")
    await app.has_answered()
    await press("Alt+r")
    await expect(app.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    await press("ArrowUp")
    await expect(app.page.get_by_role("textbox", name="Edit your message")).to_be_focused()
    await type_(" it is")
    await press("Enter")
    await expect(app.mine).to_contain_text("Keyboards only it is")
    await app.has_answered()
    await expect(app.composer).to_be_focused()

    await press("Control+Shift+O")
    await expect(app.page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    row = app.conversation("Keyboards only")
    await app.tab_to(row)
    await press("F2")
    await type_("Keys of a piano")
    await press("Enter")
    row = app.conversation("Keys of a piano")
    await app.tab_to(row, "Shift+Tab")
    await press("Delete")
    await expect(row).to_have_count(0)
    await app.tab_to(app.button("Undo"))
    await press("Enter")
    await expect(row).to_be_visible()

    await press("Control+k")
    await expect(app.page.get_by_role("combobox", name="A conversation, words, or an action")).to_be_focused()
    await type_("piano")
    chosen = app.page.get_by_role("dialog").get_by_role("option", selected=True)
    await expect(chosen).to_have_text("Keys of a piano")
    await press("Enter")
    await expect(app.mine).to_contain_text("Keyboards only it is")
    await press("Control+,")
    await expect(app.page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    await press("?")
    await expect(app.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await press("Escape")
    await expect(app.page.get_by_role("dialog")).to_have_count(0)
    await press("Control+b")
    await expect(row).to_have_count(0)
    await press("Control+b")
    await expect(row).to_be_visible()
