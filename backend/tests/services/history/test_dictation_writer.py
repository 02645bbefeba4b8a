"""Finals on their way into the database: kept once, in time, and never at anybody's expense."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest

from app.core.errors import NotFound, NothingFinalYet, StorageUnavailable
from app.core.metrics import Observer
from app.services.history import dictation_writer as writing
from app.services.history.dictation_writer import DictationRecorder, DictationStore, DictationWriter
from app.services.history.dictations import DictationHistory, find_latest_text
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.storage import dictations, search
from app.storage.common import Page, utc_now
from app.storage.database import Database
from app.storage.dictations import DictationBatch, StoredDictation
from app.storage.users import Users
from app.utils.ids import new_id
from tests.support.database import make_dictation, make_final, make_pending

SECRET = "the purple submarine"


def said(text: str, utterance_id: int = 1, **more: Any) -> dict[str, Any]:
    """The event of a final."""
    where = {"utterance_id": utterance_id, "start_ms": 10, "end_ms": 900}
    return {
        "type": "final",
        "text": text,
        "lang": "es",
        "provider": "fake",
        "model": "small",
        **where,
        **more,
    }


class FakeDatabase(Database):
    """A database that refuses, or takes what it is given and then seems not to have."""

    def __init__(self, database: Database) -> None:
        self.__dict__.update(database.__dict__)
        self.down = False
        self.breaks_after_commit = False
        self.tries = 0

    @asynccontextmanager
    async def write(self, *, is_urgent: bool = False) -> AsyncIterator[Any]:
        self.tries += 1
        if self.down:
            raise StorageUnavailable("the database cannot be written: the disk is full")
        async with super().write(is_urgent=is_urgent) as session:
            yield session
        if self.breaks_after_commit:
            self.breaks_after_commit = False
            raise StorageUnavailable("the database cannot be written: it cannot be reached")


class Room:
    """A writer and who reads behind it."""

    def __init__(self, database: Database, user_id: UUID, limit: int = 1000) -> None:
        self.database = FakeDatabase(database)
        self.user_id = user_id
        self.forgotten: list[UUID] = []
        self.observer = Observer()
        self.writer = DictationWriter(self.database, limit, self.observer)
        self.transcripts = RecentTranscripts(10, lambda label: find_latest_text(database, label))
        self.store = DictationStore(self.writer, self.transcripts, database)
        self.dictations = DictationHistory(database, self.writer, self.transcripts, self.forget_audio)

    async def forget_audio(self, dictation_id: UUID) -> None:
        self.forgotten.append(dictation_id)

    def recording(self, label: str | None = "s1", user_id: UUID | None = None) -> DictationRecorder:
        return DictationRecorder(self.writer, user_id or self.user_id, label)

    async def page(self) -> Page[StoredDictation]:
        return await self.dictations.list_page(self.user_id, limit=50)

    async def texts(self, dictation_id: UUID) -> list[str]:
        _, finals = await self.dictations.get(self.user_id, str(dictation_id))
        return [final.text for final in finals]

    def count(self, name: str) -> float:
        lines = self.observer.render().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"prompter_finals_{name} ")))


@asynccontextmanager
async def running(room: Room, flush_s: float = 5.0) -> AsyncIterator[Room]:
    async with room.writer.run(flush_s):
        yield room


@pytest.fixture
async def room(database: Database, ana: UUID) -> AsyncIterator[Room]:
    room, ready, over = Room(database, ana), anyio.Event(), anyio.Event()

    async def run() -> None:  # a task of its own: fixtures begin and end in different ones
        async with running(room):
            ready.set()
            await over.wait()

    task = asyncio.create_task(run())
    await ready.wait()
    yield room
    over.set()
    await task


async def test_a_dictation_is_kept_as_its_client_was_told(room: Room) -> None:
    words = [{"word": "hola", "start_ms": 10, "end_ms": 300, "confidence": 0.9}]
    recording = room.recording()
    recording.add_final(said("hola", words=words))
    recording.add_final(said("adiós", 2, lang="pt"))
    kept, finals = await room.dictations.get(room.user_id, str(recording.id))
    assert (kept.session_label, kept.lang, kept.provider, kept.model) == ("s1", "es", "fake", "small")
    assert (kept.finals, kept.ended_at) == (2, None)
    first, second = finals
    assert (first.n, first.utterance_id, first.text, first.words) == (0, "1", "hola", words)
    assert (first.start_ms, first.end_ms, first.raw_text) == (10, 900, None)
    assert (second.n, second.text, second.lang, second.words) == (1, "adiós", "pt", None)
    recording.end()
    (listed,) = (await room.page()).items
    assert listed.ended_at is not None
    assert listed.ended_at >= listed.started_at
    assert room.count("stored_total") == 2


async def test_a_dictation_ends_after_its_start_where_the_clock_is_set_back(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an hour, in the middle of it."""
    monkeypatch.setattr(writing, "utc_now", lambda: utc_now() + timedelta(hours=1))
    recording = room.recording()
    monkeypatch.undo()
    recording.add_final(said("hola"))
    recording.end()
    (listed,) = (await room.page()).items
    _, (final,) = await room.dictations.get(room.user_id, str(recording.id))
    assert listed.ended_at is not None
    assert listed.started_at <= final.created_at <= listed.ended_at
    assert listed.ended_at - listed.started_at < timedelta(minutes=10)


async def test_what_was_said_can_be_found(room: Room) -> None:
    recording = room.recording()
    recording.add_final(said("¿Qué tiempo hará mañana?"))
    room.recording().add_final(said("otra cosa"))
    found = await room.dictations.list_page(room.user_id, limit=50, q="MANANA tiempo")
    assert [each.id for each in found.items] == [recording.id]
    assert (await room.dictations.list_page(room.user_id, limit=50, q="¿?")).items == ()
    async with room.database.read() as session:
        (hit,) = await search.find(session, room.user_id, "mañana")
    assert hit.dictation_id == recording.id


async def test_a_dictation_without_finals_leaves_nothing(room: Room) -> None:
    empty = room.recording()
    empty.add_final(said(""))
    empty.add_final(said(" \n"))
    empty.end()
    spoken = room.recording()
    spoken.add_final(said("hola"))
    assert [each.id for each in (await room.page()).items] == [spoken.id]


async def test_of_a_deleted_dictation_nothing_more_is_kept(room: Room) -> None:
    """Neither in the database nor in memory, and its neighbour does not notice."""
    kept = room.store.begin(room.user_id, "s1", store=True)
    other = room.store.begin(room.user_id, "s2", store=True)
    kept.add_final(said("one"))
    (listed,) = (await room.page()).items
    await room.dictations.delete(room.user_id, str(listed.id))
    assert room.forgotten == [listed.id]
    kept.add_final(said("two"))
    other.add_final(said("three"))
    kept.add_final(said("four"))
    kept.end()
    assert [each.first_text for each in (await room.page()).items] == ["three"]
    with pytest.raises(NotFound):
        await room.transcripts.find(SessionLabel(room.user_id, "s1"))
    assert await room.transcripts.find(SessionLabel(room.user_id, "s2")) == "three"


async def test_what_is_anothers_cannot_be_deleted(room: Room) -> None:
    recording = room.recording()
    recording.add_final(said("mine"))
    await room.writer.wait_until_stored()
    for stranger in (new_id(), UUID(int=0)):
        with pytest.raises(NotFound):
            await room.dictations.delete(stranger, str(recording.id))
        with pytest.raises(NotFound):
            await room.dictations.get(stranger, str(recording.id))
    for malformed in ("", "x", "../" * 9, "%00"):
        with pytest.raises(NotFound):
            await room.dictations.get(room.user_id, malformed)
    assert await room.texts(recording.id) == ["mine"]


async def test_a_user_who_is_gone_costs_nobody_anything(room: Room) -> None:
    gone, going_on = room.recording(user_id=new_id()), room.recording()
    for number in range(3):
        gone.add_final(said(f"gone {number}"))
        going_on.add_final(said(f"said {number}"))
    assert await room.texts(going_on.id) == ["said 0", "said 1", "said 2"]
    assert gone.is_deleted
    assert room.count("lost_total") == 0


async def test_a_user_who_is_deleted_while_speaking(room: Room, ana: UUID) -> None:
    recording = room.recording()
    recording.add_final(said("one"))
    await room.writer.wait_until_stored()
    async with room.database.write() as session:
        await Users(session).remove(ana)
    recording.add_final(said("two"))
    recording.end()
    await room.writer.wait_until_stored()
    assert recording.is_deleted
    assert (await room.page()).items == ()


async def test_while_the_database_is_down_finals_wait(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for them; the log says so once, without their text; then each is kept once."""
    monkeypatch.setattr(writing, "RETRY_S", (0.02, 0.05))
    caplog.set_level(logging.INFO, logger="app")
    room.database.down = True
    recording = room.recording()
    with anyio.fail_after(30):
        for number in range(20):
            recording.add_final(said(f"{SECRET} {number}"))
            await room.writer.wait_until_stored()
        while room.database.tries < 4:  # noqa: ASYNC110  # the fake tells nobody
            await anyio.sleep(0.01)
        assert room.count("unstored") == 20
        room.database.down = False
        while room.count("unstored"):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert await room.texts(recording.id) == [f"{SECRET} {number}" for number in range(20)]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert SECRET not in caplog.text


async def test_what_was_kept_although_it_seemed_not_is_kept_once(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "RETRY_S", (0.01, 0.01))
    room.database.breaks_after_commit = True
    recording = room.recording()
    recording.add_final(said("one"))
    recording.add_final(said("two"))
    with anyio.fail_after(30):
        while not recording.is_stored:  # noqa: ASYNC110  # see above
            await anyio.sleep(0.01)
    recording.add_final(said("three"))
    assert await room.texts(recording.id) == ["one", "two", "three"]
    async with room.database.read() as session:
        assert len(await search.find(session, room.user_id, "two")) == 1


async def test_beyond_the_limit_finals_are_lost_and_counted(
    database: Database, ana: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room(database, ana, limit=5)
    room.database.down = True
    async with running(room):
        recording = room.recording()
        for number in range(9):
            recording.add_final(said(f"{SECRET} {number}"))
        assert (room.count("unstored"), room.count("lost_total")) == (5, 4)
        assert [record for record in caplog.records if SECRET in record.getMessage()] == []
        assert len([record for record in caplog.records if "unstored_finals" in record.getMessage()]) == 1
        room.database.down = False
    assert await room.texts(recording.id) == [f"{SECRET} {number}" for number in range(5)]


async def test_a_long_final_counts_as_several(database: Database, ana: UUID) -> None:
    """What waits is bounded in bytes, whatever an engine says at once."""
    room = Room(database, ana, limit=100)
    recording = room.recording()
    for _ in range(10):
        recording.add_final(said("x" * 60_000))
    assert (room.count("unstored"), room.count("lost_total")) == (2, 8)


async def test_what_waits_is_written_when_the_server_ends(database: Database, ana: UUID) -> None:
    room = Room(database, ana)
    recordings = [room.recording(f"s{number}") for number in range(3)]
    async with running(room, 60.0):
        for number in range(600):
            recordings[number % 3].add_final(said(f"said {number}"))
        for recording in recordings:
            recording.end()
    for first, recording in enumerate(recordings):
        assert await room.texts(recording.id) == [f"said {number}" for number in range(first, 600, 3)]
    assert all(each.ended_at for each in (await room.page()).items)


async def test_the_end_of_the_server_waits_for_no_broken_database(
    database: Database, ana: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room(database, ana)
    room.database.down = True
    with anyio.fail_after(30):
        async with running(room):
            room.recording().add_final(said(SECRET))
    assert "1 finals could not be stored" in caplog.text
    assert SECRET not in caplog.text


async def test_what_the_database_refuses_costs_no_other_dictation(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours, such as two finals of one number, stays with its dictation."""
    good, bad = (make_dictation(room.user_id, label) for label in ("good", "bad"))
    finals = [
        make_pending(new.id, make_final(n, SECRET)) for new, n in ((good, 0), (bad, 0), (good, 1), (bad, 0))
    ]
    batch = DictationBatch(dictations=(good, bad), finals=finals)
    result = await dictations.store_batch(room.database, batch)
    assert (result.stored_dictations, result.stored_finals, result.refused_finals) == (
        frozenset({good.id}),
        2,
        2,
    )
    assert SECRET not in caplog.text
    async with room.database.read() as session:
        assert [each.id for each in (await dictations.list_page(session, room.user_id)).items] == [good.id]


async def test_after_a_restart_the_stored_dictation_answers(room: Room, database: Database) -> None:
    """The latest of its label; of its owner alone; and no earlier one in place of one that was not to be kept."""
    for text in ("earlier", "later"):
        kept = room.store.begin(room.user_id, "s1", store=True)
        kept.add_final(said(text))
        kept.add_final(said("again"))
    room.store.begin(room.user_id, "s1", store=True).end()
    await room.writer.wait_until_stored()
    mine = SessionLabel(room.user_id, "s1")
    with pytest.raises(NothingFinalYet):
        await room.transcripts.find(mine)
    restarted = Room(database, room.user_id)
    assert await restarted.transcripts.find(mine) == "later again"
    for other in (SessionLabel(room.user_id, "s2"), SessionLabel(new_id(), "s1")):
        with pytest.raises(NotFound):
            await restarted.transcripts.find(other)
    restarted.store.begin(room.user_id, "s1", store=False).add_final(said("secret"))
    with pytest.raises(NotFound):
        await restarted.transcripts.find(mine)


async def test_a_dictation_goes_on_in_another_session(room: Room) -> None:
    """Its finals count on, their times too, and what is not stored yet is known."""
    before = room.recording()
    before.add_final(said("uno", start_ms=0, end_ms=900))
    assert before.unstored_from_ms == 0
    await room.writer.wait_until_stored()
    assert before.unstored_from_ms is None
    after = await room.store.go_on(
        room.user_id, "s1", before.id, before.started_at, base_ms=1000, is_recovered=True
    )
    word = {"word": "dos", "start_ms": 200, "end_ms": 800, "confidence": 0.9}
    after.add_final(said("dos", start_ms=200, end_ms=800, words=[word]))
    after.end()
    dictation, finals = await room.dictations.get(room.user_id, str(before.id))
    assert dictation.ended_at is not None
    assert [(final.n, final.start_ms, final.end_ms, final.recovered) for final in finals] == [
        (0, 0, 900, False),
        (1, 1200, 1800, True),
    ]
    assert finals[1].words == [{"word": "dos", "start_ms": 1200, "end_ms": 1800, "confidence": 0.9}]


async def test_a_dictation_without_a_row_goes_on_too(room: Room) -> None:
    before = room.recording()
    after = await room.store.go_on(room.user_id, None, before.id, before.started_at, base_ms=0)
    after.add_final(said("uno"))
    assert await room.texts(before.id) == ["uno"]


@pytest.mark.parametrize("is_stored", [True, False])
async def test_what_is_taken_back_is_not_kept(room: Room, is_stored: bool) -> None:
    """Stored, on its way, or still being decoded; the search does not find it either."""
    recording = room.recording()
    recording.add_final(said("Kept.", 1))
    recording.add_final(said(SECRET, 2))
    if is_stored:
        assert await room.texts(recording.id) == ["Kept.", SECRET]
    recording.withdraw({2, 3})
    recording.add_final(said(SECRET, 3))
    recording.add_final(said("After.", 4))
    recording.end()
    assert await room.texts(recording.id) == ["Kept.", "After."]
    assert not (await room.dictations.list_page(room.user_id, limit=50, q="submarine")).items
    assert recording.unstored_from_ms is None


async def test_a_dictation_that_is_taken_back_whole_leaves_nothing(room: Room) -> None:
    recording = room.recording()
    recording.add_final(said(SECRET, 1))
    assert await room.texts(recording.id) == [SECRET]
    recording.withdraw({1})
    recording.add_final(said("And on.", 2))
    assert await room.texts(recording.id) == ["And on."]
    recording.withdraw({2})
    recording.end()
    assert (await room.page()).items == ()


async def test_what_is_taken_back_is_not_kept_by_a_database_that_is_back(room: Room) -> None:
    recording = room.recording()
    room.database.breaks_after_commit = True
    recording.add_final(said(SECRET, 1))
    recording.add_final(said("Kept.", 2))
    recording.withdraw({1})
    assert await room.texts(recording.id) == ["Kept."]


# -- how far a dictation is


async def test_a_dictation_is_there_from_its_first_audio_and_says_how_far_it_is(room: Room) -> None:
    recording = room.recording()
    assert (await room.page()).items == ()
    recording.begin("fake", None)
    (listed,) = (await room.page()).items
    assert (listed.id, listed.state, listed.finals, listed.first_text) == (recording.id, "recording", 0, "")
    assert (listed.provider, listed.model, listed.lang, listed.ended_at) == ("fake", None, None, None)
    recording.add_final(said("hola"))
    (listed,) = (await room.page()).items
    assert (listed.state, listed.model, listed.lang, listed.finals) == ("recording", "small", "es", 1)
    recording.note_heard()
    assert [each.state for each in (await room.page()).items] == ["heard"]
    recording.add_final(said("adiós", 2, lang="pt"))
    recording.end()
    (listed,) = (await room.page()).items
    assert (listed.state, listed.lang, listed.ended_at is None) == ("final", "es", False)


async def test_all_of_it_at_once_is_one_row(room: Room) -> None:
    recording = room.recording()
    recording.begin("fake", None)
    recording.add_final(said("hola"))
    recording.note_heard()
    recording.end()
    (listed,) = (await room.page()).items
    assert (listed.state, listed.lang, listed.model, listed.finals) == ("final", "es", "small", 1)


@pytest.mark.parametrize("is_seen", [True, False])
async def test_what_came_to_nothing_is_not_listed_for_ever(room: Room, *, is_seen: bool) -> None:
    recording, silent = room.recording(), room.recording()
    for each in (recording, silent):
        each.begin("fake", None)
    if is_seen:
        assert len((await room.page()).items) == 2
    recording.end()
    silent.end(is_audio_kept=True)  # it can be transcribed again
    assert [(each.id, each.state) for each in (await room.page()).items] == [(silent.id, "final")]
    assert recording.is_empty


async def test_what_broke_off_is_not_called_final(room: Room) -> None:
    recording = room.recording()
    recording.begin("fake", None)
    recording.end(is_whole=False)
    (listed,) = (await room.page()).items
    assert (listed.state, listed.finals) == ("interrupted", 0)
    after = await room.store.go_on(
        room.user_id, "s1", recording.id, recording.started_at, base_ms=0, is_recovered=True
    )
    after.add_final(said("hola"))
    after.end()
    (listed,) = (await room.page()).items
    assert (listed.state, listed.finals, listed.lang) == ("final", 1, "es")


async def test_a_recovery_without_text_ends_the_dictation_too(room: Room) -> None:
    empty, spoken = room.recording(), room.recording()
    spoken.add_final(said("hola"))
    for each in (empty, spoken):
        each.begin("fake", None)
        each.end(is_whole=False)
    await room.writer.wait_until_stored()
    for each in (empty, spoken):
        (await room.store.go_on(room.user_id, None, each.id, each.started_at, base_ms=0)).end()
    assert [(each.id, each.state) for each in (await room.page()).items] == [(spoken.id, "final")]


async def test_a_final_that_could_not_be_stored_is_no_finished_dictation(
    database: Database, ana: UUID
) -> None:
    room = Room(database, ana, limit=1)
    recording = room.recording()
    recording.begin("fake", None)
    recording.add_final(said("uno"))
    recording.add_final(said("dos"))
    recording.end()
    async with running(room):
        assert [each.state for each in (await room.page()).items] == ["interrupted"]


async def test_a_dictation_that_goes_on_belongs_to_its_process(room: Room, database: Database) -> None:
    """Whoever else finds its audio knows that its process is gone; nobody marks what goes on here."""
    recording = room.recording()
    recording.begin("fake", None)
    await room.writer.wait_until_stored()
    await room.store.interrupt(recording.id)
    assert [each.state for each in (await room.page()).items] == ["recording"]
    database.run_id = new_id()
    await room.store.interrupt(recording.id)
    assert [each.state for each in (await room.page()).items] == ["interrupted"]


async def test_an_empty_dictation_of_a_label_hides_no_earlier_text(room: Room, database: Database) -> None:
    for text in ("said", ""):
        recording = room.recording("s1")
        recording.begin("fake", None)
        if text:
            recording.add_final(said(text))
            recording.end()
    await room.writer.wait_until_stored()
    assert await Room(database, room.user_id).transcripts.find(SessionLabel(room.user_id, "s1")) == "said"
