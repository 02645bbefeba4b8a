"""Stored dictations as their user reads them: malformed ids are unknown, and exports are text or subtitles."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.core.errors import NotFound
from app.core.metrics import Observer
from app.services.history.dictation_writer import DictationWriter
from app.services.history.dictations import MEDIA_TYPES, DictationHistory, find_latest_text, format_finals
from app.services.history.transcripts import RecentTranscripts, SessionLabel
from app.storage.database import Database
from app.storage.dictations import StoredFinal
from app.utils.ids import new_id
from tests.support.database import store_dictation

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stored(n: int, text: str, **more: object) -> StoredFinal:
    return StoredFinal(n=n, utterance_id=f"{n}", text=text, created_at=NOW, **more)  # type: ignore[arg-type]


@pytest.fixture
def history(database: Database) -> DictationHistory:
    writer = DictationWriter(database, 10, Observer())
    return DictationHistory(database, writer, RecentTranscripts(10), forget)


async def forget(dictation_id: UUID) -> None:
    """There is no audio."""


async def test_a_dictation_is_listed_read_and_deleted(
    database: Database, ana: UUID, bob: UUID, history: DictationHistory
) -> None:
    first = await store_dictation(database, ana, "uno", "volcán")
    second = await store_dictation(database, ana, "dos")
    page = await history.list_page(ana, limit=1)
    assert [each.id for each in page.items] == [second]
    rest = await history.list_page(ana, limit=1, before=page.next_before)
    assert ([each.id for each in rest.items], rest.next_before) == ([first], None)
    assert [each.id for each in (await history.list_page(ana, limit=9, q="VOLCAN")).items] == [first]
    dictation, finals = await history.get(ana, str(first))
    assert (dictation.id, [final.text for final in finals]) == (first, ["uno", "volcán"])
    for user, id_ in ((bob, str(first)), (ana, str(new_id())), (ana, "x"), (ana, "")):
        with pytest.raises(NotFound, match="list yours with GET /api/dictations"):
            await history.get(user, id_)
        with pytest.raises(NotFound, match="list yours with GET /api/dictations"):
            await history.delete(user, id_)
    await history.delete(ana, str(first))
    assert [each.id for each in (await history.list_page(ana, limit=9)).items] == [second]


async def test_the_latest_text_of_a_label_is_found(database: Database, ana: UUID, bob: UUID) -> None:
    await store_dictation(database, ana, "before")
    await store_dictation(database, ana, "one", "two")
    assert await find_latest_text(database, SessionLabel(ana, "s1")) == "one two"
    assert await find_latest_text(database, SessionLabel(ana, "s2")) is None
    assert await find_latest_text(database, SessionLabel(bob, "s1")) is None


def test_finals_are_exported() -> None:
    words = [
        {"word": "Hola", "start_ms": 100, "end_ms": 400, "confidence": 0.9},
        {"word": "Ana.", "start_ms": 400, "end_ms": 900, "confidence": 0.9},
    ]
    finals = [stored(0, "Hola Ana.", start_ms=100, end_ms=900, words=words), stored(1, "Adiós <b>.")]
    assert format_finals(finals, "txt") == "Hola Ana.\nAdiós <b>.\n"
    assert format_finals(finals, "srt").startswith("1\n00:00:00,100 --> ")
    assert "Adiós &lt;b&gt;." in format_finals(finals, "vtt")
    assert format_finals([], "txt") == ""
    assert set(MEDIA_TYPES) == {"txt", "srt", "vtt"}
