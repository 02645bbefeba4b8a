"""Exports in the browser: the menu of a conversation, the selection in the list, everything, and the page on paper."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx2
import pytest
from playwright.async_api import Download, Locator, expect
from pypdf import PdfReader

from app.core.config import Settings
from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.web_app import WebApp
from tests.support.server import RunningServer, run_server

pytestmark = BROWSER

ANSWER = (
    "# Plan\n\nWith **bold** words and `code`.\n\n```python\n" + "x = 'wide' " * 30 + "\n```\n\n- [x] done\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of its own whose model repeats what it is asked."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        stt={"provider": "cloud_stub"},
        llm={"provider": "echo", "discover": False},
    )
    with run_server(settings) as server:
        yield server


async def make_conversations(server: RunningServer, *titles: str) -> list[str]:
    ids = []
    async with httpx2.AsyncClient(base_url=server.url) as client:
        for title in titles:
            id_ = (await client.post("/api/conversations", json={"title": title})).json()["id"]
            asked = {"conversation_id": id_, "message": ANSWER}
            assert (await client.post("/api/chat/stream", json=asked)).status_code == 200
            ids.append(id_)
    return ids


async def save(app: WebApp, press: Locator) -> tuple[str, bytes]:
    """Press something that downloads a file; its name and its content."""
    async with app.page.expect_download() as waiting:
        await press.click()
    download: Download = await waiting.value
    return download.suggested_filename, await anyio.Path(await download.path()).read_bytes()


async def test_the_menu_exports_in_each_format(
    open_page: OpenPage, built_page: None, server: RunningServer
) -> None:
    [id_] = await make_conversations(server, "Año nuevo")
    app = await open_page(server.url)
    await app.page.goto(f"{server.url}/#/c/{id_}")
    await app.has_answered()
    files = {}
    for item in ("PDF", "HTML", "Markdown", "JSON", "ZIP"):
        await app.tab_to(app.button("Export"))
        await app.page.keyboard.press("Enter")
        name, files[item] = await save(app, app.page.get_by_role("menuitem", name=f"{item}, "))
        assert name.startswith("Año nuevo.")
        await expect(app.button("Export")).to_be_focused()
    pages = PdfReader(io.BytesIO(files["PDF"])).pages
    assert "bold words" in pages[0].extract_text().replace("\n", " ")
    assert b"Content-Security-Policy" in files["HTML"]
    assert files["Markdown"].startswith("# Año nuevo".encode())
    assert json.loads(files["JSON"])["conversation"]["id"] == id_
    with zipfile.ZipFile(io.BytesIO(files["ZIP"])) as archive:
        assert archive.namelist() == ["Año nuevo.md", "Año nuevo.json"]
    await expect(app.page.get_by_text("The PDF is being made")).to_have_count(0)


async def test_a_pdf_that_cannot_be_made_says_why_and_can_be_cancelled(
    open_page: OpenPage, built_page: None, server: RunningServer
) -> None:
    [id_] = await make_conversations(server, "Plans")
    app = await open_page(server.url)
    await app.page.goto(f"{server.url}/#/c/{id_}")
    error = {"error": {"code": "pdf_not_installed", "message": "it is not there", "request_id": "r"}}
    await app.page.route("**/export?format=pdf*", lambda route: route.fulfill(status=503, json=error))
    app.expect_trouble("503")
    await app.button("Export").click()
    await app.page.get_by_role("menuitem", name="PDF").click()
    notices = app.page.get_by_role("region", name="Notices")
    await expect(notices.get_by_text("PDF is not set up on this server")).to_be_visible()
    await app.page.unroute_all()
    await app.page.route("**/export?format=html*", lambda _: None)  # it never answers
    await app.button("Export").click()
    await app.page.get_by_role("menuitem", name="HTML").click()
    notice = notices.get_by_text("The file is being made…")
    await expect(notice).to_be_visible()
    await app.button("Cancel").click()
    await expect(notice).to_have_count(0)
    await app.page.unroute_all()


async def test_a_selection_is_made_by_keyboard_and_exported(
    open_page: OpenPage, built_page: None, server: RunningServer
) -> None:
    ids = await make_conversations(server, "First", "Second", "Third")
    app = await open_page(server.url, axe=True)
    begin = app.button("Select conversations")
    await app.tab_to(begin)
    await app.page.keyboard.press("Enter")
    bar = app.page.get_by_role("region", name="Select conversations")
    await expect(bar.get_by_text("0 selected")).to_be_visible()
    await expect(bar.get_by_role("button", name="Export")).to_be_disabled()
    await app.tab_to(app.page.get_by_role("checkbox", name="Third"))
    await app.page.keyboard.press("Space")
    await app.page.keyboard.press("ArrowDown")
    await app.page.keyboard.press("ArrowDown")
    await app.page.keyboard.press("Enter")
    await expect(app.page.get_by_role("checkbox", name="First")).to_be_checked()
    await expect(app.page.get_by_role("checkbox", name="Second")).not_to_be_checked()
    await expect(bar.get_by_text("2 selected")).to_be_visible()
    await expect(app.page.get_by_test_id("told")).to_contain_text("2 selected")
    await bar.get_by_role("combobox").select_option("json")
    _, content = await save(app, bar.get_by_role("button", name="Export"))
    exported = [each["conversation"]["id"] for each in json.loads(content)["conversations"]]
    assert exported == [ids[2], ids[0]]
    await bar.get_by_role("button", name="Select all listed").click()
    await expect(bar.get_by_text("3 selected")).to_be_visible()
    assert await app.findings() == []
    await app.page.keyboard.press("Escape")
    await expect(bar).to_have_count(0)
    await expect(begin).to_be_focused()
    await expect(app.conversation("First")).to_be_visible()


async def test_the_settings_export_everything(
    open_page: OpenPage, built_page: None, server: RunningServer
) -> None:
    await make_conversations(server, "First", "Second")
    app = await open_page(server.url)
    await app.page.goto(f"{server.url}/#/settings")
    section = app.page.get_by_role("region", name="Your conversations")
    await section.get_by_role("combobox").select_option("html")
    name, content = await save(app, section.get_by_role("button", name="Export"))
    assert name.startswith("PROMPTer conversations ")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [entry.split(" ", 1)[1] for entry in archive.namelist()] == ["Second.html", "First.html"]


async def test_on_paper_there_is_the_conversation_alone_and_whole(
    open_page: OpenPage, built_page: None, server: RunningServer
) -> None:
    [id_] = await make_conversations(server, "Plans on paper")
    async with httpx2.AsyncClient(base_url=server.url) as client:
        for n in range(12):
            asked = {"conversation_id": id_, "message": f"Question {n}\n\n" + "word " * 200}
            assert (await client.post("/api/chat/stream", json=asked)).status_code == 200
    app = await open_page(server.url)
    await app.page.goto(f"{server.url}/#/c/{id_}")
    await app.has_answered()
    printed = PdfReader(io.BytesIO(await app.page.pdf(format="A4")))
    text = "\n".join(page.extract_text() for page in printed.pages)
    assert len(printed.pages) > 3
    assert "Plans on paper" in text
    for n in range(12):
        assert f"Question {n}" in text
    for control in ("New conversation", "Settings", "Jump to", "Search"):
        assert control not in text


async def test_an_exported_file_shows_itself_and_asks_nobody(
    open_page: OpenPage, built_page: None, server: RunningServer, tmp_path: Path
) -> None:
    """The file in a browser: its own policy lets its style through, and nothing is refused or loaded."""
    [id_] = await make_conversations(server, "Plans")
    app = await open_page(server.url)
    async with httpx2.AsyncClient(base_url=server.url) as client:
        exported = await client.get(f"/api/conversations/{id_}/export?format=html")
    file = tmp_path / "plans.html"
    file.write_bytes(exported.content)
    await app.page.goto("about:blank")  # the app may load a part at this moment
    asked: list[str] = []
    app.page.on("request", lambda request: asked.append(request.url))
    await app.page.goto(file.as_uri())
    await expect(app.page.get_by_role("heading", name="Plans")).to_be_visible()
    assert asked == [file.as_uri()]
    width = await app.page.evaluate("getComputedStyle(document.querySelector('.rendered pre')).whiteSpace")
    assert "pre-wrap" in width or "preserve" in width
    await app.page.set_viewport_size({"width": 360, "height": 800})
    assert await app.overflow_px() == 0
