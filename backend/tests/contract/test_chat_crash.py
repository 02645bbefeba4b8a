"""`kill -9` while people listen: nothing acknowledged is lost, and what was cut short says so."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.storage import answers
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import RunRow
from tests.support.crashes import Between, CrashCampaign
from tests.support.database import PostgresServer, make_settings

pytestmark = pytest.mark.once

KILLS = 3
"""`scripts/measure/crashes.py` does the same 100 times."""
MANY = 50


@pytest.mark.timeout(600)
async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    crashes = CrashCampaign(tmp_path, seed=5)
    await crashes.run(KILLS)
    assert crashes.tally["kills"] == KILLS
    assert crashes.tally["interrupted"]
    assert crashes.tally["complete, and told so"]


@pytest.mark.timeout(600)
async def test_nor_on_postgresql(
    tmp_path: Path, postgres_server: PostgresServer, postgres_template: str
) -> None:
    url = postgres_server.create(postgres_template)
    between = make_noticing(tmp_path, url)
    crashes = CrashCampaign(tmp_path, seed=2, between=between, PROMPTER_STORAGE__URL=url)
    await crashes.run(2)
    assert crashes.tally["interrupted"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_nor_while_many_are_answered(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """Many answers at once lose no more of what was shown than one."""
    env, between = {}, None
    if kind == "postgresql":
        template = request.getfixturevalue("postgres_template")
        env["PROMPTER_STORAGE__URL"] = url = request.getfixturevalue("postgres_server").create(template)
        between = make_noticing(tmp_path, url)
    crashes = CrashCampaign(tmp_path, seed=1, between=between, speakers=MANY, earliest_s=3.0, **env)
    await crashes.run(1)
    assert crashes.tally["interrupted"] > MANY / 4


def make_noticing(folder: Path, url: str) -> Between:
    """Others may be alive on PostgreSQL: one of them marks a dead process once its lease is over, here at once."""

    async def others_notice() -> None:
        database = Database(make_settings(folder, url))
        async with database.write() as session:
            await session.execute(update(RunRow).values(heartbeat_at=utc_now() - timedelta(hours=1)))
            await answers.interrupt_dead(session, database.run_id)
        await database.aclose()

    return others_notice
