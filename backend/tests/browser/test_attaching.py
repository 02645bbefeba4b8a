"""Files in the browser: chosen, dropped, pasted, sent with a message, shown again, and lost on the way."""

import base64
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import FilePayload, Locator, Route, expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, OpenPage, browser_settings
from tests.browser.web_app import WebApp
from tests.conftest import SAMPLES
from tests.fakes.paced_upstream import ShowcaseUpstream
from tests.fakes.upstream import json_reply
from tests.support.server import run_server

pytestmark = BROWSER

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LONG_NAME = "a_very_long_name_without_any_space_that_has_to_break_somewhere_on_a_narrow_screen.md"
NOTES = b"# Notes\n\nThe meeting is on Tuesday.\n"
DROP = """([files, kinds]) => {
  const data = new DataTransfer();
  for (const { name, type, base64 } of files)
    data.items.add(new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], name, { type }));
  const main = document.querySelector("main");
  for (const kind of kinds)
    main.dispatchEvent(kind === "paste"
      ? new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data })
      : new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
}"""


def make_picture(size: tuple[int, int] = (640, 480)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (30, 120, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def payload(name: str, data: bytes, type_: str = "text/markdown") -> FilePayload:
    return {"name": name, "mimeType": type_, "buffer": data}


PICTURE = payload("holiday.png", make_picture(), "image/png")
TEXT = payload(LONG_NAME, NOTES)


async def choose(app: WebApp, *files: FilePayload) -> None:
    """Choose files with the button that attaches."""
    await app.page.get_by_test_id("file-picker").set_input_files(list(files))


async def bring(app: WebApp, *files: FilePayload, by: tuple[str, ...]) -> None:
    """Drop files on the conversation, or paste them."""
    await expect(app.button("Attach files")).to_be_enabled()
    described = [
        {"name": one["name"], "type": one["mimeType"], "base64": base64.b64encode(one["buffer"]).decode()}
        for one in files
    ]
    await app.page.evaluate(DROP, [described, list(by)])


def chips(app: WebApp) -> Locator:
    return app.page.get_by_role("list", name="Attached files").get_by_role("listitem")


async def are_attached(app: WebApp, count: int) -> None:
    await expect(chips(app)).to_have_count(count)
    for index in range(count):
        await expect(chips(app).nth(index)).to_have_attribute("data-state", "ready")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def blind_upstream() -> AsyncIterator[ShowcaseUpstream]:
    async with ShowcaseUpstream().serve() as fake:
        fake.models = json_reply({"object": "list", "data": [{"id": "tinyllama", "object": "model"}]})
        yield fake


@pytest.fixture(scope="module")
def blind_server(built_page: None, blind_upstream: ShowcaseUpstream) -> Iterator[str]:
    """A server whose model is known to see no pictures."""
    settings: Settings = browser_settings(blind_upstream)
    assert settings.llm.openai_compat is not None
    settings.llm.openai_compat.model = "tinyllama"
    with run_server(settings) as server:
        yield server.url


async def test_files_go_with_a_message_and_are_there_afterwards(open_page: OpenPage) -> None:
    """Chosen, sent without a word, opened by keyboard, read, edited away one by one; the model was sent the text."""
    app = await open_page(axe=True)
    await choose(app, PICTURE, TEXT)
    await are_attached(app, 2)
    await expect(chips(app).first.locator("canvas[data-drawn=true]")).to_be_visible()
    assert (await app.findings(), await app.sideways()) == ([], [])
    await app.button("Send").click()
    await app.has_answered()
    await expect(chips(app)).to_have_count(0)
    files = app.mine.get_by_role("list", name="Files of the message")
    await expect(files.get_by_role("listitem")).to_have_count(2)
    await app.page.reload()
    picture = app.mine.get_by_role("button", name="Open holiday.png")
    await expect(picture.locator("canvas[data-drawn=true]")).to_be_visible()
    await picture.focus()
    await app.page.keyboard.press("Enter")
    dialog = app.page.get_by_role("dialog", name="holiday.png")
    await expect(dialog.get_by_role("img", name="Picture: holiday.png")).to_have_attribute(
        "data-drawn", "true"
    )
    assert await app.findings() == []
    await app.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(picture).to_be_focused()
    await app.mine.get_by_role("button", name=re.compile("^Show text")).click()
    await expect(app.page.get_by_role("dialog").get_by_role("region")).to_contain_text("on Tuesday")
    assert await app.findings() == []
    await app.page.keyboard.press("Escape")
    await app.button("Edit").click()
    await app.button("Remove holiday.png").click()
    await app.page.get_by_role("textbox", name="Edit your message").fill("When is it?")
    await app.page.keyboard.press("Enter")
    await expect(app.mine).to_contain_text("When is it?")
    await app.has_answered()
    await expect(files.get_by_role("listitem")).to_have_count(1)
    await app.page.reload()
    await expect(files).to_contain_text(LONG_NAME)


async def test_dropped_and_pasted_files_stay_with_the_draft(open_page: OpenPage) -> None:
    """By a finger at 360 px: nothing is cut off, all is within reach; a reload keeps them; removed, they are gone."""
    app = await open_page(axe=True, **PHONE)
    await bring(app, by=("paste",))  # nothing is in the clipboard
    await app.button("Attach files").click()
    await expect(app.page.get_by_role("menuitem", name="Take a photo")).to_be_visible()
    assert await app.page.get_by_test_id("camera").get_attribute("capture") == "environment"
    await app.page.keyboard.press("Escape")
    await bring(app, TEXT, by=("dragenter",))
    await expect(app.page.get_by_text("Drop the files to attach them")).to_be_visible()
    await bring(app, TEXT, by=("dragover", "drop"))
    await expect(app.page.get_by_text("Drop the files to attach them")).to_have_count(0)
    await bring(app, payload("image.png", PICTURE["buffer"], "image/png"), by=("paste",))
    await are_attached(app, 2)
    assert (await app.findings(), await app.small_targets(), await app.sideways()) == ([], [], [])
    await app.page.reload()
    await are_attached(app, 2)
    await app.button(f"Remove {LONG_NAME}").click()
    await are_attached(app, 1)
    await app.page.get_by_role("button", name=re.compile("^Remove image-")).click()
    await expect(chips(app)).to_have_count(0)
    await expect(app.button("Attach files")).to_be_focused()
    await app.page.reload()
    await expect(app.button("Attach files")).to_be_visible()
    await expect(chips(app)).to_have_count(0)


async def test_a_lost_line_a_wait_and_a_refusal(open_page: OpenPage) -> None:
    """Tried again by itself, once on the server; Send waits and names the file; what cannot be attached says why."""
    app = await open_page()
    app.expect_trouble("Failed to load resource|ERR_")
    kept: list[str] = []
    is_away = True

    async def pass_on(route: Route) -> None:
        kept.append(route.request.headers["idempotency-key"])
        await (route.abort() if is_away else route.continue_())

    await app.page.route("**/api/attachments", pass_on)
    await choose(app, TEXT)
    await expect(chips(app).first).to_contain_text("Connection lost. Trying again")
    await app.write("Read this")
    await app.button("Send").click()
    await expect(app.page.get_by_text(f"Sent as soon as this is ready: {LONG_NAME}")).to_be_visible()
    is_away = False
    await app.has_answered()
    await expect(app.mine).to_contain_text("Read this")
    await expect(app.mine.get_by_role("listitem")).to_contain_text(LONG_NAME)
    assert len(set(kept)) == 1
    await choose(app, payload("tool.exe", b"MZ\x90\x00" + bytes(200), "application/octet-stream"))
    await expect(chips(app).first).to_have_attribute("data-state", "failed")
    await expect(app.page.get_by_role("alert").filter(has_text="tool.exe is not attached")).to_be_visible()
    await app.write("And this")
    await app.button("Send").click()
    await expect(app.composer).to_have_value("And this")
    await app.button("Remove tool.exe").click()
    await app.button("Send").click()
    await app.has_answered(app.answers.nth(1))
    await expect(app.mine.last).to_contain_text("And this")


async def test_a_dropped_recording_is_written_into_the_field(open_page: OpenPage) -> None:
    """Where the caret is, as a dictation; chosen with the button, it is a file whose text is shown."""
    recording = SAMPLES / "en_two_requests_16k.wav"
    said = recording.with_suffix(".txt").read_text(encoding="utf-8").strip()
    sound = payload("memo.wav", recording.read_bytes(), "audio/wav")
    app = await open_page()
    await app.write("Before.")
    await bring(app, sound, by=("dragenter", "dragover", "drop"))
    await expect(app.composer).to_have_value(f"Before. {said}")
    await expect(chips(app)).to_have_count(0)


async def test_pictures_for_a_model_that_cannot_see(open_page: OpenPage, blind_server: str) -> None:
    """Asked before anything is sent: cancelled, the draft stays; then without the picture, by its name alone."""
    app = await open_page(blind_server, axe=True)
    sent: list[dict[str, Any]] = []
    app.page.on(
        "request",
        lambda one: (
            sent.append(json.loads(one.post_data or "{}")) if one.url.endswith("/chat/stream") else None
        ),
    )
    await choose(app, PICTURE)
    await are_attached(app, 1)
    await app.ask("What is this?")
    dialog = app.page.get_by_role("dialog", name="This model cannot see pictures")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert await app.findings() == []
    await app.page.keyboard.press("Escape")
    await expect(app.composer).to_have_value("What is this?")
    await are_attached(app, 1)
    assert sent == []
    await app.button("Send").click()
    await dialog.get_by_role("button", name="Send without the picture").click()
    await app.has_answered()
    await expect(app.mine.get_by_role("button", name="Open holiday.png")).to_be_visible()
    assert [one["attachments_as_text"] for one in sent] == [True]


async def test_hands_free_takes_files_along(open_page: OpenPage) -> None:
    """What is attached goes with what is said next, without a press."""
    app = await open_page(says=SAMPLES / "en_weather_madrid_48k.wav")
    await choose(app, TEXT)
    await are_attached(app, 1)
    await app.page.get_by_role("button", name=re.compile("^Hands-free: listen")).click()
    await expect(app.mine.first.get_by_role("listitem")).to_contain_text(LONG_NAME)
    await expect(chips(app)).to_have_count(0)
    await app.button("End hands-free").click()
    await app.in_state("idle")
