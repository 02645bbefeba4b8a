"""Archives: what in them is read, and what they may not do."""

import pytest

from app.services.importing.archive import ArchiveTooLarge
from app.services.importing.source import Left
from tests.support import exports
from tests.support.exports import dump, make_chatgpt, make_chatgpt_node, make_zip
from tests.support.imported import Found, read_all


def test_a_product_is_told_by_its_content_also_in_an_archive() -> None:
    """Names say nothing: a path in one is never used, and what is no conversation is counted."""
    counted, found = read_all(
        make_zip(
            {
                "../../etc/passwd": dump([exports.make_claude()]),
                "user.json": b'{"id": "u"}',
                "notes.json": b"[draft] not JSON at all",
                "chat.html": b"<html>",
                "inner.zip": make_zip({"conversations.json": b"[]"}),
                "image.dat": b"\x89PNG\r\n\x1a\n",
            }
        )
    )
    assert [each.draft.source for each in found if isinstance(each, Found)] == ["claude"]
    assert counted.left == {Left.OTHER_FILE: 4, Left.NESTED_ARCHIVE: 1}


def test_several_files_of_one_archive() -> None:
    """ChatGPT divides large exports."""
    second = make_chatgpt(make_chatgpt_node("q", "root", "user", "Two"), conversation_id="two", title="Two")
    _, found = read_all(
        make_zip(
            {
                "conversations-000.json": dump([exports.make_chatgpt_turns()]),
                "conversations-001.json": dump([second]),
            }
        )
    )
    assert [each.draft.title for each in found if isinstance(each, Found)] == ["Rolling back", "Two"]


def test_an_archive_that_unpacks_to_more_than_the_limit() -> None:
    bomb = make_zip({"conversations.json": b"[" + b" " * (4 << 20)})
    assert len(bomb) < 10_000
    with pytest.raises(ArchiveTooLarge):
        read_all(bomb)
