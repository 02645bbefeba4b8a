"""The page and several servers: where the one that has a dictation ends, it goes on at another one."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import BROWSER, OpenPage
from tests.browser.test_unsent_speech import LONG, LOST, SAID, serve, stored_texts
from tests.contract.test_surviving_behind_nginx import find_busy, run_balancer
from tests.support.database import PostgresServer

pytestmark = [*BROWSER, pytest.mark.usefixtures("built_page")]


async def test_a_dictation_goes_on_at_the_other_server(
    open_page: OpenPage, postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    """Killed in the middle of what is said: each word is there once, in the page and in the database."""
    address = postgres_server.create(postgres_template)
    async with AsyncExitStack() as stack:
        servers = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            server = serve(tmp_path / name, PROMPTER_STORAGE__URL=address)
            servers.append(await stack.enter_async_context(server))
        with run_balancer(tmp_path, servers) as proxied:
            app = await open_page(proxied, says=LONG)
            app.expect_trouble(LOST)
            await app.button("Dictate").click()
            await expect(app.page.get_by_test_id("composer-pieces")).to_contain_text("terminal")
            busy = await find_busy(servers)
            busy.kill()
            await expect(app.composer).to_have_value(SAID)
            await app.button("Stop dictating").click()
            await app.in_state("idle")
            (other,) = [server for server in servers if server is not busy]
            assert await stored_texts(other.url) == [SAID]
