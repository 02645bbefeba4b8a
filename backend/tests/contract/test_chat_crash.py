"""`kill -9` while four people listen: nothing acknowledged is lost, and what was cut short says so."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.storage import answers
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import RunRow
from tests.support.crashes import CrashCampaign
from tests.support.database import PostgresServer, make_settings

pytestmark = pytest.mark.once

KILLS = 5
"""`scripts/measure/crashes.py` does the same 100 times."""


@pytest.mark.timeout(300)
async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    crashes = CrashCampaign(tmp_path, seed=5)
    await crashes.run(KILLS)
    assert crashes.tally["kills"] == KILLS
    assert crashes.tally["interrupted"]
    assert crashes.tally["complete, and told so"]


@pytest.mark.timeout(300)
async def test_nor_on_postgresql(
    tmp_path: Path, postgres_server: PostgresServer, postgres_template: str
) -> None:
    """There others may be alive: once the lease of a dead process has run out, here at once, one of them marks it."""
    url = postgres_server.create(postgres_template)

    async def others_notice() -> None:
        database = Database(make_settings(tmp_path, url))
        async with database.write() as session:
            await session.execute(update(RunRow).values(heartbeat_at=utc_now() - timedelta(hours=1)))
            await answers.interrupt_dead(session, database.run_id)
        await database.aclose()

    crashes = CrashCampaign(tmp_path, seed=2, between=others_notice, PROMPTER_STORAGE__URL=url)
    await crashes.run(2)
    assert crashes.tally["interrupted"]
