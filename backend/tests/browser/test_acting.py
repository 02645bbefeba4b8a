"""Assistants in the browser: a spoken question looked up in a shop, and tools that ask before they act."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from app.core.config import Settings
from app.services.assistants import assistant, registry
from app.toolsets.loft import demo_shop
from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.web_app import WebApp
from tests.conftest import SAMPLES
from tests.fakes.shop_model import MODEL, ShopModel
from tests.support.checkpoints import SAMPLES_CHECKPOINT
from tests.support.server import run_server

pytest.importorskip("pydantic_ai", reason="the extra [tools] is not installed")
pytestmark = BROWSER

SPOKEN = SAMPLES / "es_estado_pedido_16k.wav"
QUESTION = SPOKEN.with_suffix(".txt").read_text(encoding="utf-8").strip()
ANSWER = "El pedido ORD001 está enviado y suma 380.80 (datos de demostración)."
KEEPER = {
    "title": "The keeper",
    "description": "Asks before it looks",
    "toolsets": ["loft"],
    "approval": {"get_order_details": "ask"},
}
DENIED = "Ahora no puedo consultarlo: the user did not allow it."


@contextmanager
def shop_of(model: ShopModel, folder: Path, **chat: Any) -> Iterator[str]:
    """A server with the demo shop, whose assistants ask `model`."""
    if not (SAMPLES_CHECKPOINT / "model.bin").is_file():
        pytest.skip("models/whisper-samples is missing")
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        llm={
            "openai_compat": {"base_url": model.base_url, "api_key": "k", "model": MODEL},
            "discover": False,
        },
        stt={"provider": "whisper_local", "whisper_local": {"model": str(SAMPLES_CHECKPOINT)}},
        assistants={"named": {"keeper": KEEPER}},
        chat=chat,
    )
    demo_shop.create_demo_shop(demo_shop.get_demo_path(settings))
    with run_server(settings) as server:
        yield server.url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model() -> AsyncIterator[ShopModel]:
    async with ShopModel().serve() as fake:
        yield fake


@pytest.fixture(scope="module")
def shop(built_page: None, model: ShopModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with shop_of(model, tmp_path_factory.mktemp("shop")) as url:
        yield url


def call(app: WebApp) -> Locator:
    return app.answers.get_by_test_id("tool-call")


def card(app: WebApp) -> Locator:
    return app.page.get_by_role("region", name="The assistant asks for your approval: Looks up an order")


async def is_looked_up(app: WebApp) -> None:
    """The call is folded away before the answer, and opens."""
    await expect(call(app)).to_have_count(1)
    await expect(call(app)).to_have_attribute("data-state", "done")
    await expect(call(app)).to_contain_text("Looks up an order")
    await expect(app.answers).to_contain_text(ANSWER)
    await expect(app.answers.locator("li:has([data-testid=tool-call]), .markdown")).to_have_count(2)
    await expect(app.answers.locator("li:has([data-testid=tool-call]), .markdown").last).to_have_text(ANSWER)
    await expect(call(app).locator("pre")).to_have_count(0)
    await call(app).locator("summary").click()
    await expect(call(app).locator("pre").first).to_have_text('{\n  "order_id": "ORD001"\n}')
    await expect(call(app).locator("pre").last).to_contain_text('"status": "enviado"')


async def test_a_spoken_question_is_looked_up(open_page: OpenPage, shop: str) -> None:
    """Chosen, dictated, sent; the call is shown, the answer streams, and both are there after a reload."""
    app = await open_page(shop, says=SPOKEN, axe=True, reduced_motion="reduce")
    menu = app.page.get_by_role("combobox", name="Model")
    await expect(menu.locator("optgroup[label=Assistants] option[value=loft-chat]")).to_have_count(1)
    await menu.select_option("loft-chat")
    await expect(app.page.get_by_role("note", name="LOFT")).to_contain_text("consulta clientes, pedidos")
    await app.button("Dictate").click()
    await expect(app.page.get_by_test_id("heard")).to_have_text(QUESTION)
    await expect(app.composer).to_have_value(QUESTION)
    await app.button("Stop dictating").click()
    await app.in_state("idle")
    await app.button("Send").click()
    await expect(app.mine).to_contain_text(QUESTION)
    await app.has_answered()
    await is_looked_up(app)
    assert await app.findings() == []
    await app.page.reload()
    await is_looked_up(app)


async def test_approved_by_keyboard(open_page: OpenPage, shop: str) -> None:
    """The card says which tool, with what and for how long; Alt+A leads to it, and the focus comes back."""
    app = await open_page(shop, axe=True, settings={"chatModel": "keeper"}, reduced_motion="reduce")
    await app.ask(QUESTION)
    await expect(card(app)).to_contain_text('"order_id": "ORD001"')
    await expect(card(app).get_by_role("timer")).to_contain_text("left")
    await expect(
        app.page.get_by_role("alert").filter(
            has_text="The assistant asks for your approval: Looks up an order"
        )
    ).to_have_count(1)
    await expect(app.button("Stop the answer")).to_be_visible()
    assert await app.findings() == []
    await app.page.keyboard.press("Alt+a")
    await expect(card(app).get_by_role("button", name="Approve")).to_be_focused()
    await app.page.keyboard.press("Enter")
    await expect(app.composer).to_be_focused()
    await app.has_answered()
    await is_looked_up(app)


async def test_denied_after_a_reload(open_page: OpenPage, shop: str) -> None:
    """The question outlives the page that it was shown on; the model is told no, and that stays to be seen."""
    app = await open_page(shop, settings={"chatModel": "keeper"})
    await app.ask(QUESTION)
    await expect(card(app)).to_be_visible()
    await app.page.reload()
    await card(app).get_by_role("button", name="Deny").click()
    for again in (False, True):
        if again:
            await app.page.reload()
        await expect(app.answers).to_contain_text(DENIED)
        await app.has_answered()
        await expect(call(app)).to_have_attribute("data-state", "denied")
        await expect(call(app)).to_contain_text("not allowed")


async def test_stopped_while_it_asks(open_page: OpenPage, shop: str) -> None:
    app = await open_page(shop, settings={"chatModel": "keeper"})
    await app.ask(QUESTION)
    await expect(card(app)).to_be_visible()
    await app.button("Stop the answer").click()
    await expect(call(app)).to_have_attribute("data-state", "stopped")
    await expect(card(app)).to_have_count(0)
    await expect(app.answers).to_contain_text("Stopped.")


async def test_decided_once_for_all_pages(open_page: OpenPage, shop: str) -> None:
    """A word that does not reach the server decides nothing; the one that does is seen by every page."""
    app = await open_page(shop, settings={"chatModel": "keeper"})
    await app.ask(QUESTION)
    await expect(card(app)).to_be_visible()
    app.expect_trouble("ERR_FAILED")
    await app.page.route("**/approvals/*", lambda route: route.abort())
    await card(app).get_by_role("button", name="Deny").click()
    await expect(card(app).get_by_role("alert")).to_contain_text("Nothing was decided")
    await app.page.unroute("**/approvals/*")
    other = await open_page(app.page.url)
    async with other.page.expect_request("**/approvals/*") as asked:
        await card(other).get_by_role("button", name="Approve").click()
    for page in (app, other):
        await expect(call(page)).to_have_attribute("data-state", "done")
        await expect(page.answers).to_contain_text(ANSWER)
    late = await app.page.request.post((await asked.value).url, data={"approved": False})
    assert late.status == 409


async def test_not_installed(open_page: OpenPage, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is offered no more; where it was chosen before, it says what to install, before it is asked and after."""
    for module in (assistant, registry):
        monkeypatch.setattr(module, "is_installed", lambda: False)
    app = await open_page(shop)
    menu = app.page.get_by_role("combobox", name="Model")
    await expect(menu.locator("option")).not_to_have_count(0)
    await expect(menu.locator("option[value=loft-chat]")).to_have_count(0)
    app = await open_page(shop, settings={"chatModel": "loft-chat"})
    menu = app.page.get_by_role("combobox", name="Model")
    await expect(menu).to_have_value("loft-chat")
    note = app.page.get_by_role("note", name="LOFT")
    await expect(note).to_contain_text("LOFT (not installed)")
    await note.get_by_text("For whoever runs the server").click()
    await expect(note.locator("code").first).to_have_text("prompter extras add tools")
    await app.ask(QUESTION)
    await app.has_answered()
    await expect(app.answers).to_contain_text("prompter extras add tools")
    await expect(app.answers.get_by_role("button", name="Try again")).to_be_visible()


async def test_nobody_says_anything(
    open_page: OpenPage, built_page: None, model: ShopModel, tmp_path: Path
) -> None:
    """In time: the call is not run, and both the reader and the model are told."""
    with shop_of(model, tmp_path, approval_s=2) as url:
        app = await open_page(url, settings={"chatModel": "keeper"})
        await app.ask(QUESTION)
        await expect(card(app)).to_be_visible()
        await expect(call(app)).to_have_attribute("data-state", "expired")
        await app.has_answered()
        await expect(app.answers).to_contain_text("nobody approved it in time")
        await app.page.close()


async def test_spanish_on_a_telephone(open_page: OpenPage, shop: str) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    app = await open_page(
        shop, axe=True, locale="es-ES", settings={"chatModel": "keeper"}, reduced_motion="reduce", **phone
    )
    await app.ask(QUESTION)
    asks = app.page.get_by_role("region", name="El asistente pide tu permiso: Consulta un pedido")
    await expect(asks).to_be_visible()
    assert (await app.overflow_px(), await app.findings()) == (0, [])
    await asks.get_by_role("button", name="Permitir", exact=True).click()
    answer = app.page.get_by_role("article", name="Respuesta")
    await expect(answer).to_contain_text(ANSWER)
    await expect(answer.get_by_test_id("tool-call")).to_contain_text("Consulta un pedido")
    await answer.get_by_test_id("tool-call").locator("summary").click()
    assert (await app.overflow_px(), await app.findings()) == (0, [])
