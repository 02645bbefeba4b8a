"""Zip files that are written piece by piece, and the names in them."""

import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from app.services.history.export_zip import PIECE_BYTES, Entry, FileNames, write_zip

AT = datetime(2026, 10, 25, 2, 30, tzinfo=UTC)


async def give(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def list_entries(*entries: Entry) -> AsyncIterator[Entry]:
    for entry in entries:
        yield entry


async def test_what_is_written_is_read() -> None:
    entries = list_entries(
        Entry(name="año/日本.md", at=AT, pieces=give(b"one ", b"", b"two")),
        Entry(name="empty", at=datetime(1900, 1, 1, tzinfo=UTC), pieces=give()),
        Entry(name="a.png", at=AT, pieces=give(b"x" * 1000), is_compressed=True),
    )
    written = b"".join([piece async for piece in write_zip(entries)])
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {
            "año/日本.md": b"one two",
            "empty": b"",
            "a.png": b"x" * 1000,
        }
        assert [info.date_time for info in archive.infolist()] == [
            (2026, 10, 25, 2, 30, 0),
            (1980, 1, 1, 0, 0, 0),
            (2026, 10, 25, 2, 30, 0),
        ]
        assert archive.infolist()[2].compress_size == 1000


async def test_a_large_file_is_never_in_memory() -> None:
    async def give_noise() -> AsyncIterator[bytes]:
        block = bytes(range(256)) * 256
        for _ in range(1000):
            yield block

    tracemalloc.start()
    total, largest = 0, 0
    entry = Entry(name="noise", at=AT, pieces=give_noise(), is_compressed=True)
    async for piece in write_zip(list_entries(entry)):
        total += len(piece)
        largest = max(largest, len(piece))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 65_000_000
    assert largest <= 2 * PIECE_BYTES
    assert peak < 5_000_000


def test_each_name_is_used_once() -> None:
    names = FileNames()
    titles = [
        "Plans",
        "plans",
        "PLANS",
        "Plans (2)",
        "../x",
        "",
        "",
        "x" * 200,
        "x" * 200,
        "é" * 200,
        "é" * 200,
    ]
    chosen = [names.choose(title, "md", unnamed="conversation") for title in titles]
    assert chosen[:7] == [
        *("Plans.md", "plans (2).md", "PLANS (3).md", "Plans (2) (2).md", "x.md"),
        *("conversation.md", "conversation (2).md"),
    ]
    assert len({name.casefold() for name in chosen}) == len(titles)
    assert all(len(name.encode()) < 180 for name in chosen)
    assert names.choose("Plans", "json", unnamed="conversation") == "Plans.json"
