"""Attached files of users: kept, given to models, and deleted when nobody has them any more."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from app.core.config import AttachmentSettings, Settings
from app.core.errors import AttachmentsFull, NotFound, StorageUnavailable
from app.services.attachments.attachments import Attachments
from app.storage.attached_files import AttachedFiles
from app.storage.common import utc_now
from app.storage.database import Database
from app.storage.tables import AttachmentRow
from tests.support.attachments import make_picture


@pytest.fixture
async def attached(database: Database, storage_settings: Settings) -> Attachments:
    """The service, which deletes nothing by itself."""
    return make_service(database, storage_settings)


def make_service(database: Database, settings: Settings, **fields: Any) -> Attachments:
    return Attachments(settings.model_copy(update={"attachments": AttachmentSettings(**fields)}), database)


async def add(service: Attachments, user_id: UUID, data: bytes, name: str = "x.txt") -> Any:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return await service.add(user_id, file, name)


async def wait_until_empty(folder: Path, user_id: UUID) -> None:
    with anyio.fail_after(60):
        while AttachedFiles(folder).list_contents(user_id):  # noqa: ASYNC110  # a disk sends no events
            await anyio.sleep(0.02)


async def test_what_was_never_sent_is_swept(
    attached: Attachments, database: Database, storage_settings: Settings, ana: UUID
) -> None:
    old, new = await add(attached, ana, b"old"), await add(attached, ana, b"new")
    async with database.write() as session:
        row = await session.get_one(AttachmentRow, old.id)
        row.created_at = utc_now() - timedelta(hours=25)
    async with attached.run():
        with anyio.fail_after(60):
            while len(AttachedFiles(storage_settings.data_dir).list_contents(ana)) > 1:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        with pytest.raises(NotFound):
            await attached.get(ana, old.id)
        assert (await attached.find_content(ana, new.id))[1].read_bytes() == b"new"
        await attached.delete(ana, new.id)
        await wait_until_empty(storage_settings.data_dir, ana)
    assert attached.tasks.problem == "attached files: not running"


async def test_one_content_is_kept_once_for_each_user(
    attached: Attachments, storage_settings: Settings, ana: UUID, bob: UUID
) -> None:
    files = AttachedFiles(storage_settings.data_dir)
    first, second, theirs = [await add(attached, user, b"same") for user in (ana, ana, bob)]
    assert first.id != second.id
    assert files.list_contents(ana) == files.list_contents(bob) == [theirs.sha256]
    async with attached.run():
        await attached.delete(bob, theirs.id)
        await wait_until_empty(storage_settings.data_dir, bob)
        await attached.delete(ana, first.id)
        assert (await attached.find_content(ana, second.id))[1].is_file()
        with pytest.raises(NotFound):
            await attached.delete(bob, second.id)


async def test_what_is_deleted_while_a_user_is_swept_is_deleted_from_the_disk_too(
    attached: Attachments, storage_settings: Settings, ana: UUID
) -> None:
    made = [await add(attached, ana, f"text {number}".encode()) for number in range(8)]
    async with attached.run():
        for each in made:
            await attached.delete(ana, each.id)
        await wait_until_empty(storage_settings.data_dir, ana)


async def test_a_user_has_so_much_and_no_more(
    database: Database, storage_settings: Settings, ana: UUID
) -> None:
    service = make_service(database, storage_settings, user_mb=1)
    await add(service, ana, b"a" * 600_000)
    with pytest.raises(AttachmentsFull):
        await add(service, ana, b"b" * 600_000)
    assert len(AttachedFiles(storage_settings.data_dir).list_contents(ana)) == 1


async def test_a_file_that_is_gone_from_the_disk_is_told(
    attached: Attachments, storage_settings: Settings, ana: UUID
) -> None:
    made = await add(attached, ana, make_picture(), "x.jpg")
    AttachedFiles(storage_settings.data_dir).remove(ana, made.sha256)
    for find in (attached.find_content, attached.find_thumbnail, attached.read_text):
        with pytest.raises(NotFound):
            await find(ana, made.id)


async def test_a_disk_that_cannot_be_written_is_told(
    attached: Attachments, storage_settings: Settings, ana: UUID
) -> None:
    (storage_settings.data_dir / "attachments").write_bytes(b"in the way")
    with pytest.raises(StorageUnavailable):
        await add(attached, ana, b"text")
