"""The export of Open WebUI: histories, items of answers, and blocks for its page."""

from app.services.importing.source import Left
from tests.support import exports
from tests.support.imported import read_one


def test_open_webui() -> None:
    found = read_one([exports.make_open_webui()])
    assert (found.draft.source, found.draft.system_prompt) == ("open_webui", "Count well.")
    assert found.draft.is_archived
    assert found.read("parent_key") == {"u1": None, "a1": "u1", "a2": "u1", "u2": "a2"}
    assert found.read("content") == {
        "u1": "What is 15 * 17?",
        "a1": "255",
        "a2": "It is 255.",
        "u2": "And this?",
    }
    assert found.read("reasoning")["a1"] == "150 + 105"
    assert found.tools["a2"][0]["data"]["arguments"] == {"a": 15, "b": 17}
    assert found.draft.leaf == "a1"
    assert found.files == {"u2": [("data:image/png;base64,AAAA", "picture")]}
    assert found.draft.left == {}


def test_a_file_that_is_on_the_server_alone_is_left_out() -> None:
    chat = exports.make_open_webui()
    message = chat["chat"]["history"]["messages"]["u2"]
    message["files"] = [
        {"type": "image", "url": "/api/v1/files/7/content"},
        {"type": "file", "name": "a.pdf"},
    ]
    found = read_one([chat])
    assert found.files == {}
    assert found.draft.left == {Left.IMAGE: 1, Left.FILE: 1}
