"""The export of LibreChat, as a list and as a tree."""

import pytest

from tests.support import exports
from tests.support.imported import read_one


@pytest.mark.parametrize("recursive", [False, True])
def test_librechat(recursive: bool) -> None:
    found = read_one(exports.make_librechat(recursive=recursive))
    assert (found.draft.source, found.draft.title) == ("librechat", "A story")
    assert found.draft.system_prompt == "Tell it briefly."
    assert found.read("parent_key") == {"m": None, "mm": "m", "mmm": "m", "mmmm": "mmm"}
    assert found.read("status")["mm"] == "interrupted"
    assert found.by_key["mmm"].content == "Once there was a dragon."
    assert found.by_key["mmm"].reasoning == "A tale."
    assert [each["event"] for each in found.tools["mmm"]] == ["tool_call", "tool_result"]
    assert found.draft.leaf == "mmmm"
