"""An export whose conversation goes meanwhile is broken off."""

from pathlib import Path
from uuid import UUID

import pytest

from app.core.config import ExportSettings
from app.core.errors import NotFound
from app.services.history.export import PAGE_SIZE, ConversationExporter
from app.services.history.export_files import ExportedFiles
from app.storage import conversations, messages
from app.storage.database import Database


async def test_a_conversation_that_is_deleted_meanwhile_breaks_the_file_off(
    database: Database, ana: UUID, tmp_path: Path
) -> None:
    """Never a file that looks whole and is not."""
    async with database.write() as session:
        id_ = (await conversations.create(session, ana)).id
        for n in range(PAGE_SIZE + 1):
            await messages.append(session, ana, id_, f"message {n}")
    pieces = (
        await ConversationExporter(database, ExportSettings(), ExportedFiles(tmp_path)).export(
            ana, id_, "json"
        )
    ).pieces
    begun = [await anext(pieces), await anext(pieces)]
    assert b"message 0" in begun[1]
    async with database.write() as session:
        await conversations.remove(session, ana, id_)
    with pytest.raises(NotFound, match="deleted while"):
        await anext(pieces)
