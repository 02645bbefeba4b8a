"""Waiting in the browser: what the page says is awaited is the server's word, and what is sent meanwhile waits too."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.async_api import expect

from app.providers.base import Wait
from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.test_dictating import ENGLISH
from tests.browser.web_app import WebApp
from tests.fakes.engine import FakeEngine, Script
from tests.fakes.engine import Gate as EngineGate
from tests.fakes.llm_providers import FakeChat, Gate, pieces, with_models
from tests.support.server import RunningServer, serve_engine

pytestmark = [*BROWSER, pytest.mark.usefixtures("built_page")]


@contextmanager
def serve_model(model: FakeChat) -> Iterator[RunningServer]:
    registrations = with_models(fake=model)
    llm = {"provider": "fake", "discover": False}
    with serve_engine(FakeEngine(), registrations=registrations, llm=llm) as served:
        yield served


async def test_a_dictation_says_what_it_waits_for(open_page: OpenPage) -> None:
    """A cold engine, then a final that does not come; screen readers are told neither."""
    loaded, gate = EngineGate(), EngineGate()
    with serve_engine(FakeEngine(Script(gates={"start": loaded, "finish": gate}))) as served:
        app = await open_page(served.url, says=ENGLISH)
        await app.button("Dictate").click()
        await expect(app.state).to_have_text("Loading the speech model…")
        loaded.open()
        await expect(app.state).to_have_text("Writing…")
        await expect(
            app.page.get_by_role("status").filter(has_text=re.compile("Writing|Loading"))
        ).to_have_count(0)
        gate.open()
        await expect(app.page.get_by_test_id("heard")).to_contain_text("heard")
        await expect(app.state).to_have_text("Listening")


async def test_an_answer_says_what_it_waits_for(open_page: OpenPage) -> None:
    """The model loads, others come first, it falls silent in mid answer: each is said, also after a reload."""
    loaded, next_, stalled = Gate(), Gate(), Gate()
    script = [Wait("loading"), loaded, Wait("queued", 2), next_, *pieces("Hel", stalled, "lo")]
    with serve_model(FakeChat(script)) as served:
        app = await open_page(served.url)
        await app.ask("hello")
        awaited = app.page.get_by_test_id("awaited")
        await expect(awaited).to_have_text("Loading the model…")
        await app.page.reload()
        await expect(awaited).to_have_text("Loading the model…")
        loaded.set()
        await expect(awaited).to_have_text("Queued, 2nd")
        next_.set()
        await expect(app.answers).to_contain_text("Hel")
        await expect(awaited).to_have_text(re.compile(r"^Still working, \d+ s$"))
        await expect(awaited).to_have_text(re.compile(r"^Still working, ([6-9]|\d\d+) s$"))
        stalled.set()
        await app.has_answered()
        await expect(awaited).to_have_count(0)
        await expect(app.answers).to_contain_text("Hello")


async def test_what_is_sent_during_an_answer_waits_and_can_be_taken_back(open_page: OpenPage) -> None:
    """In order, over a reload, beside a second tab, and back into the field."""
    stalled = Gate()
    with serve_model(FakeChat(pieces("Yes", stalled, "."))) as served:
        app = await open_page(served.url)
        app.expect_trouble("409")  # the tab that was slower
        await app.ask("one")
        await expect(app.answers).to_contain_text("Yes")
        await app.ask("two")
        await app.ask("oops")
        await expect(app.button("Take back: two")).to_be_visible()
        await app.composer.press("Escape")
        await expect(app.composer).to_have_value("oops")
        await expect(app.button("Take back: oops")).to_have_count(0)
        await app.composer.fill("")
        await app.ask("three")
        await app.page.reload()
        for text in ("two", "three"):
            await expect(app.button(f"Take back: {text}")).to_be_visible()

        other = WebApp(await app.page.context.new_page(), app.page.url)
        await other.load()
        await expect(other.answers).to_contain_text("Yes")
        await other.ask("four")
        await expect(other.button("Take back: four")).to_be_visible()

        stalled.set()
        await expect(app.mine).to_have_count(4)
        await expect(app.answers).to_have_count(4)
        await app.has_answered()
        texts = [text.strip() for text in await app.mine.all_text_contents()]
        assert sorted(texts) == ["four", "one", "three", "two"]
        assert texts.index("two") < texts.index("three"), "those of one tab come in order"
        for tab in (app, other):
            await expect(tab.composer).to_have_value("")
            await expect(tab.page.get_by_role("list", name="Sent when the answer ends")).to_have_count(0)


async def test_what_waits_returns_to_the_field_where_the_answer_is_stopped(open_page: OpenPage) -> None:
    with serve_model(FakeChat(pieces("Yes", None))) as served:
        app = await open_page(served.url)
        await app.ask("one")
        await expect(app.answers).to_contain_text("Yes")
        await app.ask("two")
        await app.composer.fill("three")
        await app.button("Send when the answer ends").click()
        await expect(app.button("Take back: three")).to_be_visible()
        await app.button("Stop the answer").click()
        await expect(app.composer).to_have_value("two\nthree")
        await expect(app.mine).to_have_count(1)
