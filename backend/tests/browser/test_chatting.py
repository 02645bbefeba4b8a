"""Chatting in the browser: stop, answer again, edit, versions, delete and undo; what is stored is what is shown."""

from pathlib import Path

from playwright.async_api import expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, IN_BOTH, OpenPage
from tests.browser.web_app import WebApp
from tests.fakes.paced_upstream import make_pieces
from tests.support.server import run_server

pytestmark = BROWSER


async def test_stop_and_answer_again(open_page: OpenPage) -> None:
    """Stopped, what had come stays; asked again, there are two versions to go between."""
    app = await open_page()
    await app.ask("Stop me, I am slow")
    await expect(app.answers).to_contain_text("«5»")
    await app.button("Stop the answer").click()
    await app.has_answered()
    await expect(app.answers).to_contain_text("Stopped.")
    await expect(app.answers).to_contain_text("«5»")
    await app.answers.get_by_role("button", name="Answer again").first.click()
    await expect(app.answers.get_by_role("group", name="Version 2 of 2")).to_have_count(
        0
    )  # not while it comes
    await expect(app.answers).to_contain_text("«3»")
    await app.page.keyboard.press("Escape")
    await app.has_answered()
    await expect(app.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()


async def test_edit_and_go_between_the_branches(open_page: OpenPage) -> None:
    """An edited question has an answer of its own, and the first ones are still there, also after a reload."""
    app = await open_page()
    await app.ask("First wording")
    await app.has_answered()
    await app.button("Edit").click()
    field = app.page.get_by_role("textbox", name="Edit your message")
    await field.fill("Second wording")
    await field.press("Enter")
    await expect(app.answers).to_contain_text(make_pieces("Second wording")[-1])
    await app.has_answered()
    await expect(app.mine).to_have_text("Second wording2/2")
    await app.button("Previous version").click()
    await expect(app.mine).to_contain_text("First wording")
    await expect(app.answers).to_contain_text(make_pieces("First wording")[-1])
    await app.page.reload()
    await expect(app.mine).to_contain_text("First wording")
    await app.button("Next version").click()
    await expect(app.answers).to_contain_text(make_pieces("Second wording")[-1])


@IN_BOTH
async def test_reload_in_mid_stream(open_page: OpenPage) -> None:
    """The answer belongs to the conversation: it goes on where it was, without a gap."""
    app = await open_page()
    await app.ask("Load again, and be brisk")
    await expect(app.answers).to_contain_text("«2»")
    await app.page.reload()
    await app.has_answered()
    await expect(app.answers).to_contain_text("".join(make_pieces("Load again, and be brisk")))


async def test_delete_and_undo(open_page: OpenPage) -> None:
    """Undone in time, nothing has happened; not undone, it is gone for the server too."""
    app = await open_page()
    await app.ask("Throw this away")
    await app.has_answered()
    row = app.conversation("Throw this away")
    await row.hover()
    await app.button("Delete “Throw this away”").click()
    await expect(row).to_have_count(0)
    await app.button("Undo").click()
    await expect(row).to_be_visible()
    await expect(app.mine).to_contain_text("Throw this away")
    await row.hover()
    await app.button("Delete “Throw this away”").click()
    await expect(row).to_have_count(0)
    await app.page.reload()  # leaving the page is the end of regret
    await expect(app.page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    await expect(app.page.get_by_role("link", name="Settings")).to_be_visible()
    await expect(row).to_have_count(0)


async def test_nothing_half_written_is_lost(open_page: OpenPage) -> None:
    """An edit outlives the settings, a reload, and the same edit in another tab; the deletion there gives its text."""
    app = await open_page()
    app.expect_trouble("404")
    await app.ask("Edit me later")
    await app.has_answered()
    address = app.page.url
    field = app.page.get_by_role("textbox", name="Edit your message")
    await app.button("Edit").click()
    await expect(field).to_be_focused()
    await field.fill("Half written")
    await app.page.get_by_role("link", name="Settings").click()
    await app.page.go_back()
    await expect(field).to_have_value("Half written")
    await app.page.reload()
    await expect(field).to_have_value("Half written")

    other = WebApp(await app.page.context.new_page(), address)
    await other.load()
    await other.button("Edit").click()
    await other.page.get_by_role("textbox", name="Edit your message").fill("Edited over there")
    await other.page.keyboard.press("Enter")
    await other.has_answered()
    await expect(app.page.get_by_text("a newer version of this message")).to_be_visible()
    await expect(field).to_have_value("Half written")

    await app.composer.fill("And a draft")
    await other.conversation("Edit me later").hover()
    await other.button("Delete “Edit me later”").click()
    await expect(app.page.get_by_text("What you wrote is still in the field.")).to_be_visible()
    await expect(app.button("Send")).to_have_count(0)
    await expect(app.composer).to_have_value("Half written\nAnd a draft")
    await app.button("Take the text to a new conversation").click()
    await expect(app.page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    await expect(app.composer).to_have_value("Half written\nAnd a draft")
    await expect(app.button("Send")).to_be_enabled()


async def test_markup_of_a_model_runs_nothing(open_page: OpenPage) -> None:
    """Raw HTML is text, `javascript:` is no link, and images of others are not fetched."""
    app = await open_page()
    asked: list[str] = []
    app.page.on("request", lambda request: asked.append(request.url))
    hostile = (
        "<img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script> "
        "[press](javascript:document.title='owned') ![picture](https://example.com/tracker.png) short"
    )
    await app.ask(hostile)
    await app.has_answered()
    await expect(app.mine).to_contain_text("<script>")
    await expect(app.page.locator("article img, article script, article a[href^=javascript]")).to_have_count(
        0
    )
    assert await app.page.title() != "owned"
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []


async def test_search_finds_and_opens(open_page: OpenPage) -> None:
    app = await open_page()
    await app.ask("Where is the xylophone")
    await app.has_answered()
    await app.page.keyboard.press("Control+Shift+O")
    await expect(app.page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    await app.page.get_by_role("searchbox").fill("xylophone")
    await app.page.get_by_role("navigation").get_by_role("link", name="xylophone").first.click()
    await expect(app.mine).to_contain_text("Where is the xylophone")


async def test_jump_by_the_palette(open_page: OpenPage) -> None:
    """By keyboard alone to a conversation, to words in an answer, and to what the page does; then by touch."""
    app = await open_page()
    await app.ask("Where is the marimba")
    await app.has_answered()
    palette = app.page.get_by_role("combobox", name="A conversation, words, or an action")
    await app.page.keyboard.press("Control+k")
    await expect(palette).to_be_focused()
    await app.page.keyboard.type("new conv")
    await app.page.keyboard.press("Enter")
    await expect(app.page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    await expect(palette).to_have_count(0)
    await app.page.keyboard.press("Control+k")
    await app.page.keyboard.type("marimba")
    await expect(app.page.get_by_role("group", name="In messages and dictations")).to_be_visible()
    await app.page.keyboard.press("Enter")
    await expect(app.mine).to_contain_text("Where is the marimba")
    await app.page.keyboard.press("Control+k")
    await app.page.keyboard.press("Control+k")
    await expect(palette).to_have_count(0)
    await app.page.get_by_role("button", name="Jump to…").click()
    await app.page.get_by_role("option", name="Settings").click()
    await expect(app.page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    await app.page.keyboard.press("Control+k")
    await app.page.keyboard.type("hands")
    await app.page.keyboard.press("Enter")  # there is no field here to listen for: one comes with it
    await app.in_state("listening")
    await app.button("End hands-free").click()
    await app.in_state("idle")


async def test_a_model_that_cannot_answer_is_told_before_it_is_asked(
    open_page: OpenPage, built_page: None, tmp_path: Path
) -> None:
    """It is chosen on the server, and lacks a key: above the conversation, and in the list of the settings."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        stt={"provider": "cloud_stub"},
        llm={"provider": "scripted", "profiles": {"scripted": {"kind": "openai"}}, "discover": False},
    )
    with run_server(settings) as server:
        app = await open_page(server.url)
        note = app.page.get_by_role("note", name="OpenAI")
        await expect(note).to_contain_text("OpenAI (not set up)")
        await expect(note).to_contain_text("No model answers right now. Its key is missing.")
        await note.get_by_text("For whoever runs the server").click()
        await expect(note.locator("code")).to_have_text("PROMPTER_LLM__PROFILES__SCRIPTED__API_KEY")
        await app.page.goto(f"{server.url}/#/settings")
        row = app.page.get_by_role("listitem").filter(has_text="OpenAI").first
        await expect(row).to_contain_text("chosen")
        await expect(row).not_to_contain_text("in use")
