"""Conversations of another product in the page: a file is chosen, followed to its report, and read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from app.core.config import Settings
from tests.browser.conftest import BROWSER, OpenPage
from tests.support import exports
from tests.support.exports import dump, make_zip
from tests.support.server import RunningServer, run_server

pytestmark = BROWSER


@pytest.fixture
def server(built_page: None) -> Iterator[RunningServer]:
    with run_server(
        Settings(_env_file=None, stt={"provider": "cloud_stub"}, llm={"discover": False})
    ) as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An export of ChatGPT, with a picture that cannot come."""
    path = tmp_path / "chatgpt.zip"
    path.write_bytes(
        make_zip({"conversations.json": dump([exports.make_chatgpt_turns()]), "user.json": b"{}"})
    )
    return path


async def test_a_file_becomes_conversations(
    open_page: OpenPage, server: RunningServer, archive: Path
) -> None:
    app = await open_page(f"{server.url}/#/settings", axe=True)
    section = app.page.get_by_role("region", name="Import conversations")
    await section.get_by_text("Where do I get the file?").click()
    await expect(section.get_by_text("A mail comes with a link to a ZIP").first).to_be_visible()
    assert await app.findings() == []
    await section.get_by_label("Choose a file").set_input_files(archive)
    entry = section.get_by_role("listitem", name="chatgpt.zip")
    await expect(entry).to_contain_text("1 new conversation, 5 messages")
    await entry.get_by_text("What is missing or different").click()
    await expect(entry).to_contain_text("1 picture")
    assert await app.findings() == []
    await app.conversation("Rolling back").click()
    await expect(app.answers.first).to_contain_text("Restore a backup.")
    await expect(app.answers.last).to_contain_text("It is 42.")


async def test_a_file_that_is_none_says_so_on_a_phone_in_spanish(
    open_page: OpenPage, server: RunningServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "holiday.json"
    wrong.write_bytes(b"hello")
    app = await open_page(
        f"{server.url}/#/settings",
        settings={"uiLanguage": "es"},
        axe=True,
        viewport={"width": 360, "height": 740},
        has_touch=True,
        is_mobile=True,
    )
    section = app.page.get_by_role("region", name="Importar conversaciones")
    await section.get_by_label("Elige un archivo").set_input_files(wrong)
    await expect(section.get_by_role("alert")).to_contain_text("Este archivo no se puede leer")
    await section.get_by_text("¿De dónde saco el archivo?").click()
    assert await app.findings() == []
    assert await app.sideways() == []
    assert await app.small_targets() == []
    await section.get_by_role("button", name="Quitar de la lista").click()
    await expect(section.get_by_role("listitem", name="holiday.json")).to_have_count(0)
