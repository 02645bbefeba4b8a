"""File names made from titles: safe in every file system, and in the header of a download."""

import re
from urllib.parse import unquote

import pytest

from app.utils.file_names import make_content_disposition, make_stem
from tests.support.conversations import FILE_NAMES


@pytest.mark.parametrize(("title", "plain", "whole"), FILE_NAMES)
def test_a_file_is_called_after_its_conversation(title: str, plain: str, whole: str | None) -> None:
    header = make_content_disposition(title, "md", unnamed="conversation")
    assert header.isascii()
    assert header.isprintable()
    match = re.fullmatch(
        r'attachment; filename="([^"\\%]+)\.md"(?:; filename\*=UTF-8\'\'([\w.%~-]+)\.md)?', header
    )
    assert match, header
    assert match[1] == plain
    assert (match[2] and unquote(match[2])) == whole
    assert len(make_stem(title).encode()) <= 180
