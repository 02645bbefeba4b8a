"""Answers in the database: saved while they stream, ended once, and marked when their process is gone."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import anyio
import pytest
from sqlalchemy import update

from app.core.config import Settings
from app.storage import answers, conversations, dictations, lifecycle, messages, search
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.dictations import DictationBatch
from app.storage.messages import Message, NewTurn
from app.storage.tables import RunRow
from app.utils.ids import new_id
from tests.support.database import PostgresServer, add_user, make_dictation, make_settings


async def asked(database: Database, user_id: UUID, run_id: UUID) -> NewTurn:
    """A turn whose answer is under way, in a conversation of its own."""
    async with database.write() as session:
        conversation = await conversations.create(session, user_id)
        return await messages.append_turn(session, user_id, conversation.id, "hola", run_id=run_id)


async def stored(database: Database, user_id: UUID, message_id: UUID) -> Message:
    async with database.read() as session:
        return await messages.get(session, user_id, message_id)


async def test_an_answer_is_saved_on_its_way_and_ended_once(database: Database, ana: UUID) -> None:
    run = database.run_id
    turn = await asked(database, ana, run)
    assert (turn.assistant.status, turn.assistant.content) == ("streaming", "")
    async with database.write() as session:
        assert await answers.checkpoint(session, turn.assistant.id, run, "Buenos", "pienso")
    partial = await stored(database, ana, turn.assistant.id)
    assert (partial.status, partial.content, partial.reasoning) == ("streaming", "Buenos", "pienso")
    async with database.write() as session:
        assert await answers.finish(
            session,
            turn.assistant.id,
            run,
            "complete",
            "Buenos días",
            reasoning="pienso",
            usage={"total_tokens": 3},
            model="m",
            provider="p",
        )
    whole = await stored(database, ana, turn.assistant.id)
    assert (whole.status, whole.content, whole.usage) == ("complete", "Buenos días", {"total_tokens": 3})
    assert (whole.model, whole.provider, whole.reasoning) == ("m", "p", "pienso")
    assert whole.updated_at > whole.created_at
    async with database.write() as session:
        assert not await answers.finish(session, turn.assistant.id, run, "failed", "otra cosa")
        assert not await answers.checkpoint(session, turn.assistant.id, run, "otra cosa")
    assert (await stored(database, ana, turn.assistant.id)).content == "Buenos días"
    async with database.read() as session:
        found = await search.find(session, ana, "dias")
    assert [hit.message_id for hit in found] == [turn.assistant.id]


async def test_a_conversation_that_is_deleted_ends_its_answer(database: Database, ana: UUID) -> None:
    turn = await asked(database, ana, database.run_id)
    async with database.write() as session:
        await conversations.remove(session, ana, turn.user.conversation_id)
    async with database.write() as session:
        assert not await answers.checkpoint(session, turn.assistant.id, database.run_id, "x")
        assert not await answers.finish(session, turn.assistant.id, database.run_id, "complete", "x")


async def test_another_process_cannot_write_an_answer(database: Database, ana: UUID) -> None:
    turn = await asked(database, ana, database.run_id)
    async with database.write() as session:
        assert not await answers.checkpoint(session, turn.assistant.id, new_id(), "x")
        assert not await answers.finish(session, turn.assistant.id, new_id(), "complete", "x")
    assert (await stored(database, ana, turn.assistant.id)).status == "streaming"


async def test_only_answers_of_dead_processes_are_interrupted(database: Database, ana: UUID) -> None:
    """One lease ran out, one process never had one, one is alive, one is this process."""
    late, unknown, alive, mine = (new_id() for _ in range(4))
    turns = {run: await asked(database, ana, run) for run in (late, unknown, alive, mine)}
    async with database.write() as session:
        for run in (late, alive, mine):
            await answers.send_heartbeat(session, run)
        assert await answers.checkpoint(session, turns[late].assistant.id, late, "Había llegado")
    async with database.write() as session:
        past = utc_now() - timedelta(seconds=answers.LEASE_S + 5)
        await session.execute(update(RunRow).where(RunRow.id == late).values(heartbeat_at=past))
    async with database.write() as session:
        assert await answers.interrupt_dead(session, mine) == 2
        assert await answers.interrupt_dead(session, mine) == 0
    states = {run: await stored(database, ana, turn.assistant.id) for run, turn in turns.items()}
    assert [states[run].status for run in (late, unknown, alive, mine)] == [
        "interrupted",
        "interrupted",
        "streaming",
        "streaming",
    ]
    assert (states[late].content, states[late].error) == ("Había llegado", answers.INTERRUPTED)
    async with database.read() as session:
        assert len(await search.find(session, ana, "habia llegado")) == 1
    async with database.write() as session:  # the late one was only slow, and learns it
        await answers.send_heartbeat(session, late)
        assert not await answers.checkpoint(session, turns[late].assistant.id, late, "x")
        assert await answers.is_stored(session, turns[late].assistant.id)
    async with database.write() as session:  # it stores what it has, once
        slow = turns[late].assistant.id
        error = {"code": "interrupted", "message": "cut"}
        assert await answers.finish(session, slow, late, "interrupted", "Había llegado, y más", error=error)
        assert await answers.finish(session, turns[late].assistant.id, late, "complete", "y todo", error=None)
        assert not await answers.finish(session, turns[late].assistant.id, late, "complete", "x")
    told = await stored(database, ana, turns[late].assistant.id)
    assert (told.status, told.content, told.error) == ("complete", "y todo", None)
    async with database.read() as session:
        assert len(await search.find(session, ana, "todo")) == 1
        assert not await search.find(session, ana, "habia")


async def test_an_answer_that_its_user_stopped_is_not_stored_again(database: Database, ana: UUID) -> None:
    turn = await asked(database, ana, database.run_id)
    stop = {"code": "stopped", "message": "its user stopped it"}
    async with database.write() as session:
        assert await answers.finish(
            session, turn.assistant.id, database.run_id, "interrupted", "a", error=stop
        )
        assert not await answers.finish(session, turn.assistant.id, database.run_id, "complete", "b")


async def test_the_process_that_streams_an_answer_finds_the_request_to_stop_it(
    database: Database, ana: UUID
) -> None:
    turn, other = await asked(database, ana, run := new_id()), await asked(database, ana, run)
    async with database.write() as session:
        assert await answers.find_stop_requests(session, run) == []
        assert await answers.request_stop(session, turn.user.conversation_id) == turn.assistant.id
        assert await answers.find_stop_requests(session, run) == [turn.assistant.id]
        assert await answers.find_stop_requests(session, database.run_id) == []
        assert await answers.finish(session, turn.assistant.id, run, "complete", "x")
        assert await answers.find_stop_requests(session, run) == []
        assert await answers.request_stop(session, turn.user.conversation_id) is None
        assert await answers.request_stop(session, other.user.conversation_id) == other.assistant.id


def test_a_process_calls_others_dead_only_after_beats_without_a_gap() -> None:
    """Neither after an outage nor after a jump of the clock."""
    series, at = answers.BeatSeries(), utc_now()
    beat = timedelta(seconds=answers.BEAT_S)
    verdicts = []
    for step in (beat, beat, beat, beat, 6 * beat, beat, beat, -4 * beat, beat, beat, 1.5 * beat):
        at += step
        verdicts.append(series.note_beat(at))
    assert verdicts == [False, False, True, True, False, False, True, False, False, True, True]


async def test_a_lease_does_not_outlast_a_clock_that_is_set_back(database: Database, ana: UUID) -> None:
    turn = await asked(database, ana, run := new_id())
    async with database.write() as session:
        future = utc_now() + timedelta(hours=1)
        session.add(RunRow(id=run, started_at=future, heartbeat_at=future))
    async with database.write() as session:
        assert await answers.interrupt_dead(session, database.run_id) == 1
    assert (await stored(database, ana, turn.assistant.id)).status == "interrupted"


async def test_dictations_of_dead_processes_are_marked_too(database: Database, ana: UUID) -> None:
    """And no other process's that lives."""
    dead, alive, mine = new_id(), new_id(), database.run_id
    made = {run: replace(make_dictation(ana), run_id=run) for run in (dead, alive, mine)}
    over = replace(make_dictation(ana), state="final")
    await dictations.store_batch(database, DictationBatch(dictations=[*made.values(), over]))
    async with database.write() as session:
        for run in (alive, mine):
            await answers.send_heartbeat(session, run)
        await answers.interrupt_dead(session, mine)

    async def list_states() -> list[str]:
        async with database.read() as session:
            found = {each.id: each.state for each in (await dictations.list_page(session, ana)).items}
        return [found[each.id] for each in (*made.values(), over)]

    assert await list_states() == ["interrupted", "recording", "recording", "final"]
    async with database.write() as session:
        await answers.end_run(session, mine)
    assert await list_states() == ["interrupted", "recording", "interrupted", "final"]


async def test_a_beat_renews_the_lease(database: Database, ana: UUID) -> None:
    turn = await asked(database, ana, run := new_id())
    async with database.write() as session:
        past = utc_now() - timedelta(seconds=answers.LEASE_S + 5)
        session.add(RunRow(id=run, started_at=past, heartbeat_at=past))
    async with database.write() as session:
        await answers.send_heartbeat(session, run)
        assert await answers.interrupt_dead(session, database.run_id) == 0
    assert (await stored(database, ana, turn.assistant.id)).status == "streaming"


async def wait_for_end(database: Database, user_id: UUID, message_id: UUID) -> Message:
    with anyio.fail_after(20):
        while (message := await stored(database, user_id, message_id)).status == "streaming":  # noqa: ASYNC110  # a database tells nobody
            await anyio.sleep(0.01)
    return message


async def test_a_start_marks_what_a_crash_left(
    storage_settings: Settings, database: Database, ana: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one process, so all others are dead; on PostgreSQL a lease says so, after some beats."""
    turn = await asked(database, ana, run := new_id())
    if not database.is_sqlite:
        monkeypatch.setattr(answers, "BEAT_S", 0.1)
    async with lifecycle.open_database(database, storage_settings):
        if database.is_sqlite:
            assert (await stored(database, ana, turn.assistant.id)).status == "interrupted"
        assert (await wait_for_end(database, ana, turn.assistant.id)).status == "interrupted"
        async with database.write() as session:
            conversation = turn.user.conversation_id
            answer = await messages.append_answer(session, ana, conversation, run_id=database.run_id)
        async with database.read() as session:
            assert await session.get(RunRow, run) is None
            assert await session.get(RunRow, database.run_id) is not None
    async with database.read() as session:  # a clean end leaves nothing streaming and no lease
        assert (await messages.get(session, ana, answer.id)).status == "interrupted"
        assert await session.get(RunRow, database.run_id) is None


async def test_a_start_after_a_long_outage_leaves_alone_what_others_answer(
    tmp_path: Path, postgres_server: PostgresServer, postgres_template: str
) -> None:
    """Nobody could beat for hours; an answer may wait that long for an approval, and its process be about to beat."""
    settings = make_settings(tmp_path, postgres_server.create(postgres_template))
    database = Database(settings)
    user, other = await add_user(database, "ana"), new_id()
    turn = await asked(database, user, other)
    async with database.write() as session:
        past = utc_now() - timedelta(hours=20)
        session.add(RunRow(id=other, started_at=past, heartbeat_at=past))
    async with lifecycle.open_database(database, settings):
        async with database.write() as session:
            assert await answers.checkpoint(session, turn.assistant.id, other, "it goes on")
            await answers.send_heartbeat(session, other)
        async with database.write() as session:
            assert await answers.interrupt_dead(session, database.run_id) == 0
            assert await answers.finish(session, turn.assistant.id, other, "complete", "it went on")
        assert (await stored(database, user, turn.assistant.id)).status == "complete"


@pytest.mark.parametrize("status", ["interrupted", "failed"])
async def test_an_answer_that_breaks_off_keeps_what_had_arrived(
    database: Database, ana: UUID, status: str
) -> None:
    turn = await asked(database, ana, database.run_id)
    error = {"code": "upstream_truncated", "message": "it broke off"}
    async with database.write() as session:
        await answers.finish(session, turn.assistant.id, database.run_id, status, "a medias", error=error)  # type: ignore[arg-type]
    kept = await stored(database, ana, turn.assistant.id)
    assert (kept.status, kept.content, kept.error) == (status, "a medias", error)
