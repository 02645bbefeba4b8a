"""The export of Chatbot UI."""

from tests.support import exports
from tests.support.imported import read_one


def test_chatbot_ui() -> None:
    found = read_one(exports.make_chatbot_ui())
    assert (found.draft.source, found.draft.system_prompt) == ("chatbot_ui", "Be kind.")
    assert found.read("content") == {"#0": "What can you do?", "#1": "Many things."}
    assert found.read("model") == {"#0": None, "#1": "gpt-4-1106-preview"}
