"""Attached files of exports: safe places in a zip, and pictures up to a limit."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.services.history import export_files
from app.services.history.export_files import ExportedFiles, describe_file, make_path
from app.services.history.export_words import Reader
from app.storage.attached_files import CONTENT, THUMBNAIL, AttachedFiles
from app.storage.attachments import Attachment
from app.utils.ids import new_id

PNG = b"\x89PNG picture"


def make_file(name: str = "a.png", **fields: Any) -> Attachment:
    about: dict[str, Any] = {
        "id": new_id(),
        "user_id": new_id(),
        "message_id": new_id(),
        "name": name,
        "kind": "image",
        "media_type": "image/png",
        "size_bytes": 1_234_567,
        "sha256": "ab" * 32,
        "has_thumbnail": True,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Attachment(**{**about, **fields})


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("photo.png", "photo.png"),
        ("año nuevo.tar.gz", "año nuevo.tar.gz"),
        ("..", "file"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\x.exe", "C-x.exe"),
        ("a.p\u202eng", "a.png"),
        ("con.txt", "_con.txt"),
        (".bashrc", "bashrc"),
        ("x" * 300 + ".pdf", "x" * 60 + ".pdf"),
    ],
)
def test_a_place_in_a_zip_is_safe(name: str, place: str) -> None:
    assert make_path(make_file(name)) == f"attachments/abababababababab/{place}"


def test_a_size_is_told_in_the_language() -> None:
    assert describe_file(make_file(), Reader()) == "a.png · 1.2 MB"
    assert describe_file(make_file(), Reader(language="es")) == "a.png · 1,2 MB"
    assert describe_file(make_file(size_bytes=10), Reader()) == "a.png · 1 kB"


async def test_contents_are_read_and_pictures_end_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_file()
    kept = AttachedFiles(tmp_path)
    exported = ExportedFiles(tmp_path)
    assert not await exported.has(file)
    assert exported.open_album().take_picture(file) is None
    kept.publish(kept.write_draft({CONTENT: b"x" * 100_000, THUMBNAIL: PNG}), file.user_id, file.sha256)
    assert await exported.has(file)
    assert b"".join([piece async for piece in exported.read(file)]) == b"x" * 100_000
    monkeypatch.setattr(export_files, "MOST_PICTURE_BYTES", 2 * len(PNG) + 1)
    album = exported.open_album()
    shown = [album.take_picture(file) for _ in range(3)]
    assert shown[0] is not None
    assert shown[0].startswith("data:image/png;base64,")
    assert shown == [shown[0], shown[0], None]
    assert exported.open_album().take_picture(make_file(has_thumbnail=False)) is None
