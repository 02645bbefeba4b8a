"""Large and long in the browser: hundreds of conversations, and answers that are found in the middle of long ones."""

from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
from playwright.async_api import expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, OpenPage
from tests.support.server import RunningServer, run_server

pytestmark = BROWSER

MANY = 230
"""More than two pages of the list."""


def run_echo(folder: Path) -> AbstractContextManager[RunningServer]:
    """A server of its own whose model repeats what it is asked."""
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        stt={"provider": "cloud_stub"},
        llm={"provider": "echo", "discover": False},
    )
    return run_server(settings)


async def test_a_long_list_scrolls_on(open_page: OpenPage, built_page: None, tmp_path: Path) -> None:
    with run_echo(tmp_path) as server:
        async with httpx2.AsyncClient(base_url=server.url) as client:
            for n in range(MANY):
                made = await client.post("/api/conversations", json={"title": f"Long list {n}"})
                assert made.status_code == 201
        app = await open_page(server.url)
        await expect(app.page.get_by_text(f"50 of {MANY} conversations")).to_be_attached()
        focused = app.conversation(f"Long list {MANY - 40}")
        await focused.focus()
        oldest = app.conversation("Long list 0")
        await app.page.get_by_role("navigation").hover()
        for _ in range(60):
            if await oldest.count():
                break
            await app.page.mouse.wheel(0, 2000)
        listed = app.page.get_by_role("navigation")
        await expect(listed.get_by_text(f"{MANY} conversations", exact=True)).to_be_attached()
        await expect(app.page.get_by_test_id("told")).to_have_text(f"{MANY} conversations")
        await expect(oldest).to_be_attached()
        await expect(app.page.get_by_role("button", name="Show more")).to_have_count(0)
        await expect(focused).to_be_focused()


async def test_a_jump_to_a_found_answer_moves_the_messages_and_not_the_page(
    open_page: OpenPage, built_page: None, tmp_path: Path
) -> None:
    """What is hidden from the eye within the messages counts for their height, and not for that of the page."""
    with run_echo(tmp_path) as server:
        async with httpx2.AsyncClient(base_url=server.url) as client:
            id_ = (await client.post("/api/conversations", json={"title": "Long"})).json()["id"]
            long = "".join(f"Paragraph {n} of it.\n\n- [x] done\n\n" for n in range(300))
            for text in (long, "And then?"):
                asked = {"conversation_id": id_, "message": text}
                assert (await client.post("/api/chat/stream", json=asked)).status_code == 200
            found = (await client.get(f"/api/conversations/{id_}/messages")).json()[1]["id"]
        app = await open_page(server.url)
        await app.page.goto(f"{server.url}/#/c/{id_}/{found}")
        jumped = app.page.locator(f"#m-{found}")
        await expect(jumped).to_be_focused()
        await expect(jumped.get_by_text("Paragraph 299 of it.")).to_be_attached()
        measured = "(({ scrollTop, scrollHeight, clientHeight }) => [scrollTop, scrollHeight - clientHeight])"
        assert await app.page.evaluate(f"{measured}(document.scrollingElement)") == [0, 0]
        await expect(jumped.get_by_text("Paragraph 0 of it.")).to_be_in_viewport()
