"""The whole way by keyboard alone: nothing here is clicked."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.web_app import WebApp
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


async def test_the_conversations_are_one_stop_of_tab(open_page: OpenPage) -> None:
    """Arrows move between them, with the search above them; what is deleted leaves the focus in the list."""
    app = await open_page()
    press = app.page.keyboard.press
    for text in ("First of three", "Second of three", "Third of three"):
        await press("Control+Shift+O")
        await app.ask(text)
        await app.has_answered()
    await app.page.get_by_role("searchbox").focus()
    await press("ArrowDown")
    await expect(app.conversation("Third of three")).to_be_focused()
    await press("ArrowDown")
    await expect(app.conversation("Second of three")).to_be_focused()
    await press("ArrowRight")
    await expect(app.button("Rename “Second of three”")).to_be_focused()
    await press("ArrowLeft")
    await press("Delete")
    await expect(app.conversation("First of three")).to_be_focused()
    await press("Tab")
    await expect(app.page.get_by_role("button", name="Jump to")).to_be_focused()
    await press("Shift+Tab")
    await expect(app.conversation("First of three")).to_be_focused()
    await press("Enter")
    await expect(app.mine).to_contain_text("First of three")


async def test_escape_leaves_a_page_and_loses_nothing(open_page: OpenPage) -> None:
    """Back to the conversation with its text and the caret; an edit that is left can be brought back."""
    app = await open_page()
    press = app.page.keyboard.press
    await app.ask("Where I was")
    await app.has_answered()
    await app.composer.fill("half a thought")
    await press("Control+,")
    await app.page.get_by_role("radio", name="Light").focus()
    await press("Escape")
    await expect(app.mine).to_contain_text("Where I was")
    await expect(app.composer).to_have_value("half a thought")
    await expect(app.composer).to_be_focused()
    await app.page.goto(f"{app.url}/#/dictations/nothing-of-this-name")
    app.expect_trouble("404")
    await expect(app.page.get_by_text("There is no such dictation")).to_be_visible()
    await press("Escape")
    await expect(app.page.get_by_role("link", name="All dictations")).to_have_count(0)
    await press("Escape")
    await expect(app.composer).to_have_value("half a thought")

    await app.button("Edit").click()
    edit = app.page.get_by_role("textbox", name="Edit your message")
    await edit.fill("Half an edit")
    await press("Escape")
    await expect(edit).to_have_count(0)
    await app.button("Undo").click()
    await expect(edit).to_have_value("Half an edit")


async def compose(app: WebApp, order: str) -> None:
    """Write 日本 by an input method in the field in focus, and end the composition by Enter."""
    tools = await app.page.context.new_cdp_session(app.page)
    enter = {"key": "Enter", "code": "Enter"}
    taken = ("Input.dispatchKeyEvent", {"type": "rawKeyDown", "windowsVirtualKeyCode": 229, **enter})
    ended = ("Input.insertText", {"text": "日本"})
    await tools.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    for method, parameters in (taken, ended) if order == "key first" else (ended, taken):
        await tools.send(method, parameters)
    await tools.send("Input.dispatchKeyEvent", {"type": "keyUp", "windowsVirtualKeyCode": 13, **enter})
    await tools.detach()


@pytest.mark.parametrize("order", ["key first", "composition first"])
async def test_enter_that_ends_a_composition_does_nothing_else(open_page: OpenPage, order: str) -> None:
    """In the order of Chrome, and in that of Safari: in the field, in an edit, in a name, in a form."""
    app = await open_page()
    press = app.page.keyboard.press
    await expect(app.composer).to_be_focused()
    await compose(app, order)
    await expect(app.composer).to_have_value("日本")
    await expect(app.mine).to_have_count(0)
    await press("Enter")
    await expect(app.mine).to_contain_text("日本")
    await app.has_answered()

    await press("ArrowUp")
    edit = app.page.get_by_role("textbox", name="Edit your message")
    await expect(edit).to_be_focused()
    await compose(app, order)
    await expect(edit).to_have_value("日本日本")
    await press("Enter")
    await expect(app.mine).to_contain_text("日本日本")
    await app.has_answered()

    await app.page.get_by_role("navigation").get_by_role("link").first.focus()
    await press("F2")
    name = app.page.get_by_role("navigation").get_by_role("textbox")
    await expect(name).to_be_focused()
    await compose(app, order)
    await expect(name).to_have_value("日本")
    await press("Enter")
    await expect(app.conversation("日本").first).to_be_visible()

    await app.page.goto(f"{app.url}/#/settings")
    await app.button("Connect a model").first.click()
    address = app.page.get_by_label("Address")
    await address.focus()
    await compose(app, order)
    await expect(address).to_have_value(re.compile("日本"))
    await expect(app.page.get_by_role("dialog").get_by_role("alert")).to_have_count(0)
