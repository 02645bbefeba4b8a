"""Archives: what in them is read, and what they may not do."""

import hashlib

import pytest

from app.services.importing.archive import ArchiveTooLarge
from app.services.importing.source import Left
from tests.support import exports
from tests.support.exports import dump, make_chatgpt, make_chatgpt_node, make_zip
from tests.support.imported import Found, read_all


def test_a_product_is_told_by_its_content_also_in_an_archive() -> None:
    """Names say nothing: a path in one is never used, and what is no conversation is counted."""
    left, found = read_all(
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
    assert left == {Left.OTHER_FILE: 4, Left.NESTED_ARCHIVE: 1}


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


def make_own(path: str) -> bytes:
    attached = {"name": "a.json", "kind": "text", "path": path}
    return dump(
        {
            "format": "prompter.conversation",
            "version": 1,
            "conversation": {"id": "c", "title": "Mine"},
            "messages": [{"id": "a", "role": "user", "content": "", "attachments": [attached]}],
        }
    )


def test_a_file_of_a_message_is_no_conversation_though_it_is_an_export() -> None:
    """Its folder is the beginning of its hash. A text for reading beside its JSON is not told as left out."""
    attached = dump([exports.make_claude()])
    path = f"attachments/{hashlib.sha256(attached).hexdigest()[:16]}/a.json"
    content = {"Mine.json": make_own(path), "Mine.md": b"# Mine", path: attached, "other.md": b"x"}
    left, (found,) = read_all(make_zip(content))
    assert isinstance(found, Found)
    assert found.files == {"a": [(path, "a.json")]}
    assert found.draft.left == {}
    assert left == {Left.OTHER_FILE: 1}


def test_an_archive_that_macos_has_packed_again() -> None:
    path = f"attachments/{hashlib.sha256(b'# A').hexdigest()[:16]}/a.json"
    other = {"__MACOSX/Mine/._Mine.json": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"}
    left, (found,) = read_all(make_zip({"Mine/Mine.json": make_own(path), f"Mine/{path}": b"# A", **other}))
    assert isinstance(found, Found)
    assert found.files == {"a": [(path, "a.json")]}
    assert left == {}


def test_a_folder_that_is_not_the_hash_hides_no_conversation() -> None:
    path = f"attachments/{16 * '0'}/a.json"
    _, found = read_all(make_zip({path: dump([exports.make_claude()])}))
    assert [each.draft.source for each in found if isinstance(each, Found)] == ["claude"]
